from portico.engine.explaining import field_line


def test_the_last_choices_are_kept_if_all_are_too_long() -> None:
    assert field_line(("{1}", "{2}")) == b"x-portico-explain: [{1},{2}]\r\n"
    assert field_line(("x" * 5000, "y" * 3000, "z" * 2000)) == (
        b"x-portico-explain: [%b,%b]\r\n" % (b"y" * 3000, b"z" * 2000)
    )

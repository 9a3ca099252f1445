"""The data folder and the admin key in it."""

import errno
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from portico.errors import ConfigError
from portico.stores import datadir
from portico.stores.datadir import DataDir, default_data_dir, new_key, open_data_dir
from portico.types.secret import Secret


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "/home/ann/.local/share/portico"),
        ({"XDG_DATA_HOME": ""}, "/home/ann/.local/share/portico"),
        ({"XDG_DATA_HOME": "relative"}, "/home/ann/.local/share/portico"),
        ({"XDG_DATA_HOME": "/srv/data"}, "/srv/data/portico"),
    ],
)
def test_the_default_place_follows_xdg(environ, expected):
    assert default_data_dir(environ, Path("/home/ann")) == Path(expected)


def test_the_folder_is_made_for_the_owner_only_and_left_clean(tmp_path):
    data = open_data_dir(tmp_path / "a" / "b")
    assert data == DataDir(tmp_path / "a" / "b")
    assert _mode(data.path) == 0o700
    assert list(data.path.iterdir()) == []
    assert data.journal == tmp_path / "a" / "b" / "journal"
    assert open_data_dir(tmp_path / "a" / "b") == data


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError) as caught:
        open_data_dir(tmp_path / "data")
    assert caught.value.message == (
        f"data folder {tmp_path}/data cannot be used: a file of that name is in the way; give user "
        f"{os.geteuid()} write permission there or choose another data folder"
    )
    with pytest.raises(ConfigError, match="it cannot be made: Not a directory"):
        open_data_dir(tmp_path / "data" / "below")


@pytest.mark.parametrize(
    ("code", "what"), [(errno.EACCES, "Permission denied"), (errno.EROFS, "Read-only file system")]
)
def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch, code, what):
    def refuse(path: Path) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(datadir, "_open_new", refuse)
    with pytest.raises(ConfigError, match=f"it is not writable: {what}; give user"):
        open_data_dir(tmp_path)


def test_a_full_disk_is_only_logged(tmp_path, monkeypatch, caplog):
    def refuse(path: Path) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(datadir, "_open_new", refuse)
    assert open_data_dir(tmp_path) == DataDir(tmp_path)
    assert "No space left on device" in caplog.text


def test_a_folder_that_others_may_write_is_warned_about_and_not_changed(tmp_path, caplog):
    tmp_path.chmod(0o777)
    open_data_dir(tmp_path)
    assert "can be written by others (0777): chmod 700 it" in caplog.text
    assert _mode(tmp_path) == 0o777


def test_a_key_has_the_gateway_format_and_is_random():
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch("gw-[A-Za-z0-9]{32}", key) for key in keys)


def test_the_admin_key_is_made_once_and_kept(tmp_path):
    data = open_data_dir(tmp_path)
    old = os.umask(0)
    try:
        key, created = data.admin_key()
    finally:
        os.umask(old)
    assert created
    assert data.admin_key_file.read_text() == key.reveal() + "\n"
    assert _mode(data.admin_key_file) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["admin.key"]
    assert data.admin_key() == (key, False)


def test_an_operators_own_key_is_taken(tmp_path):
    data = open_data_dir(tmp_path)
    data.admin_key_file.write_text("  sk-an-operators-choice \n")
    assert data.admin_key() == (Secret("sk-an-operators-choice"), False)


def test_a_key_file_that_others_may_read_is_tightened(tmp_path, caplog):
    data = open_data_dir(tmp_path)
    data.admin_key_file.write_text("sk-an-operators-choice\n")
    data.admin_key_file.chmod(0o644)
    data.admin_key()
    assert _mode(data.admin_key_file) == 0o600
    assert "could be read by others (0644): tightened" in caplog.text
    assert "operators-choice" not in caplog.text
    data.admin_key_file.chmod(0o400)
    data.admin_key()
    assert _mode(data.admin_key_file) == 0o400


@pytest.mark.parametrize("text", ["", "\n", "short", "two words are not a key", "ключ" * 8])
def test_a_file_that_holds_no_key_is_refused_without_showing_it(tmp_path, text):
    data = open_data_dir(tmp_path)
    data.admin_key_file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        data.admin_key()
    assert caught.value.message == (
        f"admin key file {data.admin_key_file} does not hold one key of at least 16 printable "
        "characters; write one into it, or delete the file and a new key is made"
    )


def test_a_key_file_that_cannot_be_read_is_named(tmp_path):
    data = open_data_dir(tmp_path)
    data.admin_key_file.mkdir()
    with pytest.raises(ConfigError, match=r"admin.key cannot be read: Is a directory"):
        data.admin_key()


def test_processes_that_start_together_agree_on_one_key(tmp_path):
    data = open_data_dir(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: data.admin_key(), range(64)))
    assert len({key for key, _ in found}) == 1
    assert sum(created for _, created in found) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["admin.key"]


def test_a_file_system_without_links_still_gets_a_key(tmp_path, monkeypatch):
    def refuse(*args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(datadir.os, "link", refuse)
    data = open_data_dir(tmp_path)
    key, created = data.admin_key()
    assert created
    assert data.admin_key() == (key, False)

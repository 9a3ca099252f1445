"""Where a request may make the gateway connect: spellings, ports, hosts, addresses."""

from ipaddress import ip_network

import pytest

from portico.http.egress import NOT_PUBLIC, EgressRefused, EgressRules, shown, split_url
from portico.types.http import Origin

URLS: dict[str, tuple[Origin, str]] = {
    "https://Example.COM/a/b.png": (Origin("https", "example.com", 443), "/a/b.png"),
    "https://example.com": (Origin("https", "example.com", 443), "/"),
    "https://example.com.?a=b#c": (Origin("https", "example.com", 443), "/?a=b"),
    "http://example.com:8080/x": (Origin("http", "example.com", 8080), "/x"),
    "https://e.com/a%20b/ü?q=ä&r=[1]": (
        Origin("https", "e.com", 443),
        "/a%20b/%C3%BC?q=%C3%A4&r=[1]",
    ),
    "https://b.s3.amazonaws.com/k?X-Amz-Signature=a%2Fb+c=&t=1": (
        Origin("https", "b.s3.amazonaws.com", 443),
        "/k?X-Amz-Signature=a%2Fb+c=&t=1",
    ),
    "https://[2001:DB8::1]:444/": (Origin("https", "2001:db8::1", 444), "/"),
    "https://8.8.8.8/": (Origin("https", "8.8.8.8", 443), "/"),
    "https://xn--bcher-kva.example/": (Origin("https", "xn--bcher-kva.example", 443), "/"),
    "https://my_bucket.example.com/": (Origin("https", "my_bucket.example.com", 443), "/"),
}


@pytest.mark.parametrize(("url", "expected"), URLS.items())
def test_a_url_is_an_origin_and_a_target(url: str, expected: tuple[Origin, str]) -> None:
    assert split_url(url) == expected


ODD = {
    "file:///etc/passwd": "is not an https:// address",
    "gopher://example.com/": "is not an https:// address",
    "ftp://example.com/a.png": "is not an https:// address",
    "data:image/png,abc": "is not an https:// address",
    "//example.com/a.png": "is not an https:// address",
    "example.com/a.png": "is not an https:// address",
    "": "is not an https:// address",
    "https://user:pass@example.com/": "holds a user name or password; leave them out",
    "https://example.com@10.0.0.1/": "holds a user name or password; leave them out",
    "https://@example.com/": "holds a user name or password; leave them out",
    "https://example.com/a b": "holds a blank, a control character or a backslash",
    "https://example.com/\r\nx: y": "holds a blank, a control character or a backslash",
    "https://exa\tmple.com/": "holds a blank, a control character or a backslash",
    "https://example.com\\@10.0.0.1/": "holds a blank, a control character or a backslash",
    "https://example.com:99999/": "is not a well-formed URL",
    "https://example.com:0/": "is not a well-formed URL",
    "https://example.com:/": "is not a well-formed URL",
    "https://example.com:x/": "is not a well-formed URL",
    "https://[::1/": "is not a well-formed URL",
    "https://[fe80::1%25eth0]/": "names an IPv6 address that is none",
    "https:///a.png": "has a host name that is none",
    "https://.example.com/": "has a host name that is none",
    "https://exa$mple.com/": "has a host name that is none",
    "https://-a.com/": "has a host name that is none",
    f"https://{'a' * 64}.com/": "has a host name that is none",
    f"https://{'a.' * 130}com/": "has a host name that is none",
    "https://①②⑦.⓪.⓪.①/": "has a host name that is not ASCII; write it as `xn--…`",
    "https://bücher.example/": "has a host name that is not ASCII; write it as `xn--…`",
    "https://2130706433/": "spells an IPv4 address otherwise than as a.b.c.d",
    "https://0x7f000001/": "spells an IPv4 address otherwise than as a.b.c.d",
    "https://0x7f.1/": "spells an IPv4 address otherwise than as a.b.c.d",
    "https://127.1/": "spells an IPv4 address otherwise than as a.b.c.d",
    "https://0177.0.0.1/": "spells an IPv4 address otherwise than as a.b.c.d",
    "https://1.2.3.4.5/": "spells an IPv4 address otherwise than as a.b.c.d",
    "https://example.com/" + "a" * 8192: "is longer than 8192 characters",
}


@pytest.mark.parametrize(("url", "reason"), ODD.items())
def test_an_odd_url_is_refused_for_what_is_odd(url: str, reason: str) -> None:
    with pytest.raises(EgressRefused) as refused:
        split_url(url)
    assert refused.value.reason == reason


PRIVATE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.1.2.3", "172.16.0.1",
    "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.1.1", "192.0.0.1", "192.0.2.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1",
    "2001:db8::1", "2001::1", "100::1", "64:ff9b:1::a00:1",
    "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:0:10.0.0.1", "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::",
    "not an address", "",
]  # fmt: skip
METADATA = [
    "169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192",
    "fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.1",
    "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE + METADATA)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(EgressRefused, match=NOT_PUBLIC):
        EgressRules().check_address(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_let_through(address: str) -> None:
    EgressRules().check_address(address)


OPEN = EgressRules(
    allow_networks=(ip_network("10.0.0.0/8"), ip_network("0.0.0.0/0"), ip_network("::/0"))
)


@pytest.mark.parametrize("address", METADATA)
def test_no_setting_opens_what_hands_out_credentials(address: str) -> None:
    with pytest.raises(EgressRefused):
        OPEN.check_address(address)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "127.0.0.1", "fd12::1"])
def test_a_network_that_the_operator_names_is_open(address: str) -> None:
    OPEN.check_address(address)


def test_a_network_opens_itself_and_nothing_else() -> None:
    rules = EgressRules(allow_networks=(ip_network("10.1.0.0/16"),))
    rules.check_address("10.1.2.3")
    with pytest.raises(EgressRefused):
        rules.check_address("10.2.0.1")


HTTPS = Origin("https", "example.com", 443)
NARROW = EgressRules(allow_hosts=("*.example.com", "cdn.test"), deny_hosts=("evil.example.com",))
ORIGINS: dict[str, tuple[EgressRules, Origin, str | None]] = {
    "https by default": (EgressRules(), HTTPS, None),
    "no http by default": (
        EgressRules(),
        Origin("http", "example.com", 80),
        "is not an https:// address",
    ),
    "http where it is allowed": (
        EgressRules(allow_http=True),
        Origin("http", "example.com", 80),
        None,
    ),
    "no other port": (
        EgressRules(allow_http=True),
        Origin("http", "example.com", 443),
        "names port 443, which this gateway does not connect to",
    ),
    "no odd port": (
        EgressRules(),
        Origin("https", "example.com", 22),
        "names port 22, which this gateway does not connect to",
    ),
    "a port that is allowed": (
        EgressRules(ports=frozenset({8443})),
        Origin("https", "example.com", 8443),
        None,
    ),
    "a listed host": (NARROW, Origin("https", "a.example.com", 443), None),
    "a listed name": (NARROW, Origin("https", "cdn.test", 443), None),
    "a host beside the list": (
        NARROW,
        HTTPS,
        "is at a host that this gateway does not fetch from",
    ),
    "a name that only ends alike": (
        NARROW,
        Origin("https", "notcdn.test", 443),
        "is at a host that this gateway does not fetch from",
    ),
    "a denied host": (
        NARROW,
        Origin("https", "evil.example.com", 443),
        "is at a host that this gateway does not fetch from",
    ),
}


@pytest.mark.parametrize(("rules", "origin", "reason"), ORIGINS.values(), ids=ORIGINS)
def test_an_origin_is_let_through_or_refused(
    rules: EgressRules, origin: Origin, reason: str | None
) -> None:
    if reason is None:
        rules.check_origin(origin)
        return
    with pytest.raises(EgressRefused) as refused:
        rules.check_origin(origin)
    assert refused.value.reason == reason


def test_neither_path_nor_query_is_shown() -> None:
    assert shown("https://example.com/secret?token=abc") == "https://example.com"
    assert shown("https://user:pass@example.com/") == "the address"

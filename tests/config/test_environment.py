"""Settings from variables and flags: names, precedence, and what is said of the rest."""

from typing import Any

import pytest

from portico.config.environment import discover
from portico.config.load import ConfigInvalid, Loaded, load
from portico.config.schema.providers import ProviderConfig
from portico.config.schema.root import Config
from portico.types.secret import Secret


def read(text: str | None, environ: dict[str, str], **more: Any) -> Loaded:
    return load(text, name="g.yaml", environ=environ, now=1.8e9, **more)


def test_flag_over_variable_over_reference_variable_over_file_over_default() -> None:
    text = "server: {port: 1001}"
    ours, theirs = {"PORTICO_SERVER__PORT": "1003"}, {"LITELLM_PORT": "1002"}
    flags = {"server.port": "1004"}
    ports = [
        read("", {}).config.server.port,
        read(text, {}).config.server.port,
        read(text, theirs).config.server.port,
        read(text, theirs | ours).config.server.port,
        read(text, theirs | ours, flags=flags).config.server.port,
    ]
    assert ports == [8000, 1001, 1002, 1003, 1004]


@pytest.mark.parametrize(
    ("environ", "attribute", "value"),
    [
        ({"PORTICO_DATA_DIR": "/d"}, "data_dir", "/d"),
        ({"LITELLM_DATA_DIR": "/d"}, "data_dir", "/d"),
        ({"PORTICO_DATA_DIR": "1"}, "data_dir", "1"),
        ({"PORTICO_SERVER__CORS__ENABLED": "false"}, "server.cors.enabled", False),
        ({"PORTICO_SERVER__MAX_CONNECTIONS": ""}, "server.max_connections", None),
        (
            {"PORTICO_SERVER__CORS__ALLOWED_ORIGINS": "https://a, https://b"},
            "server.cors.allowed_origins",
            ("https://a", "https://b"),
        ),
        ({"PORTICO_ROUTER__STRATEGY": "least_latency"}, "router.strategy", "latency_based"),
        ({"PORTICO_MODEL_ALIASES__OLD": "echo"}, "model_aliases", {"old": "echo"}),
        ({"PORTICO_MODEL_ALIASES": "{gpt-4: echo}"}, "model_aliases", {"gpt-4": "echo"}),
        (
            {"PORTICO_INTEGRATIONS__PROMETHEUS__LATENCY_BUCKETS": "1,2.5"},
            "integrations.prometheus.latency_buckets",
            (1.0, 2.5),
        ),
        ({"LITELLM_HOST": "::1"}, "server.host", "::1"),
        ({"LITELLM_CACHE_ENABLED": "true"}, "cache.enabled", True),
        ({"LITELLM_REDIS_URL": "redis://x"}, "storage.redis.url", Secret("redis://x")),
        ({"LITELLM_JWT_EXPIRATION": "300"}, "auth.jwt_expiration", 300),
    ],
)
def test_every_kind_of_setting(environ: dict[str, str], attribute: str, value: object) -> None:
    found: Any = read("", environ).config
    for part in attribute.split("."):
        found = getattr(found, part)
    assert found == value


def test_a_variable_reaches_into_a_list_by_name_or_number() -> None:
    text = (
        "providers:\n"
        "  - {name: my-up, provider_type: openai, rpm: 1}\n"
        "  - {name: other, provider_type: openai, rpm: 1}\n"
    )
    environ = {
        "PORTICO_PROVIDERS__MY_UP__API_KEY": "sk-1",
        "PORTICO_PROVIDERS__1__RPM": "7",
        "PORTICO_PROVIDERS__NEW__PROVIDER_TYPE": "groq",
    }
    found = [
        (p.name, p.provider_type, p.api_key.reveal(), p.rpm)
        for p in read(text, environ).config.providers
    ]
    assert found == [
        ("my-up", "openai", "sk-1", 1),
        ("other", "openai", "", 7),
        ("new", "groq", "", None),
    ]


def test_a_change_of_one_alias_does_not_touch_the_other() -> None:
    text = (
        "router:\n  timeouts: &t {idle: 5}\nmodels: [{name: a, targets: [echo/echo], timeouts: *t}]"
    )
    config = read(text, {"PORTICO_ROUTER__TIMEOUTS__IDLE": "9"}).config
    assert (config.router.timeouts.idle, config.models[0].timeouts.idle) == (9.0, 5.0)


def test_a_whole_list_from_a_variable_can_be_amended() -> None:
    environ = {
        "PORTICO_KEYS": "[{name: a, key: sk-0123456789abcdef}]",
        "PORTICO_KEYS__A__ADMIN": "true",
    }
    (key,) = read("", environ).config.keys
    assert (key.name, key.admin) == ("a", True)


def test_the_references_providers() -> None:
    environ = {
        "LITELLM_PROVIDERS": "openai, my-groq,",
        "LITELLM_PROVIDER_OPENAI_API_KEY": "sk-1",
        "LITELLM_PROVIDER_OPENAI_MODELS": "gpt-4o,gpt-4o-mini",
        "LITELLM_PROVIDER_OPENAI_TAGS": "a",
        "LITELLM_PROVIDER_MY_GROQ_TYPE": "Groq",
        "LITELLM_PROVIDER_MY_GROQ_WEIGHT": "2.5",
        "LITELLM_PROVIDER_MY_GROQ_ENABLED": "false",
        "LITELLM_PROVIDER_MY_GROQ_RPM": "10",
    }
    assert read(None, environ).config.providers == (
        ProviderConfig(
            name="openai",
            provider_type="openai",
            api_key=Secret("sk-1"),
            models=("gpt-4o", "gpt-4o-mini"),
            tags=("a",),
        ),
        ProviderConfig(name="my-groq", provider_type="groq", weight=2.5, enabled=False, rpm=10),
    )


def test_the_references_other_names() -> None:
    assert read("", {"LITELLM_VERBOSE": "true"}).config.monitoring.logging.level == "debug"
    assert read("", {"LITELLM_VERBOSE": "0"}) == Loaded(Config())
    environ = {
        "LITELLM_SQLITE_PATH": "x.db",
        "LITELLM_PROVIDERS": "openai",
        "LITELLM_PROVIDER_OPENAI_APIKEY": "sk-1",
        "LITELLM_PROVIDER_GROQ_API_KEY": "gsk-1",
    }
    whose = "has no effect: LITELLM_PROVIDERS names no such provider, or it has no such setting"
    assert [str(notice) for notice in read("", environ).notices] == [
        "LITELLM_SQLITE_PATH: has no effect: calls are recorded in the journal of data_dir",
        f"LITELLM_PROVIDER_GROQ_API_KEY: {whose}",
        f"LITELLM_PROVIDER_OPENAI_APIKEY: {whose}",
    ]


def test_the_references_provider_of_the_file_keeps_its_type() -> None:
    text = "providers: [{name: main, provider_type: openai}]"
    environ = {"LITELLM_PROVIDERS": "main", "LITELLM_PROVIDER_MAIN_API_KEY": "k"}
    (provider,) = read(text, environ).config.providers
    assert (provider.provider_type, provider.api_key.reveal()) == ("openai", "k")


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("PORTICO_SRVER__PORT", "has no effect: 'SRVER' names no setting; did you mean 'SERVER'?"),
        ("PORTICO_SERVER__PROT", "has no effect: 'PROT' names no setting; did you mean 'PORT'?"),
        (
            "PORTICO_SERVER_PORT",
            "has no effect: 'SERVER_PORT' names no setting; did you mean PORTICO_SERVER__PORT?",
        ),
        ("PORTICO_DATA_DIR__X", "has no effect: 'X' names no setting"),
    ],
)
def test_a_variable_that_is_no_setting_is_named(variable: str, message: str) -> None:
    loaded = read("", {variable: "1"})
    assert [str(notice) for notice in loaded.notices] == [f"{variable}: {message}"]
    assert loaded.config == Config()


@pytest.mark.parametrize(
    "variable",
    [
        "PORTICO_CONFIG",
        "PORTICO_PORT",
        "PORTICO_PORT_8000_TCP_ADDR",
        "PORTICO_SERVICE_HOST",
        "PORTICO_SERVICE_PORT_HTTP",
        "LITELLM_SOMETHING",
        "PORTICOX",
    ],
)
def test_what_others_set_is_left_alone(variable: str) -> None:
    assert read("", {variable: "tcp://10.0.0.1:80"}) == Loaded(Config())


@pytest.mark.parametrize(
    ("environ", "flags", "problem"),
    [
        (
            {"LITELLM_PORT": "x"},
            {},
            "LITELLM_PORT: server.port: must be a whole number",
        ),
        (
            {},
            {"server.port": "99999"},
            "--port: server.port: must be at least 0 and at most 65535",
        ),
        (
            {},
            {"monitoring.logging.level": "loud"},
            "--log-level: monitoring.logging.level: must be one of the known values; known: trace, "
            "debug, info, warn, warning, error, critical",
        ),
        (
            {"PORTICO_KEYS": "[a"},
            {},
            "PORTICO_KEYS: keys: is not a YAML list",
        ),
        (
            {"PORTICO_SERVER": "5"},
            {},
            "PORTICO_SERVER: server: must be a mapping",
        ),
        (
            {"PORTICO_SERVER": "5", "PORTICO_SERVER__PORT": "1"},
            {},
            "PORTICO_SERVER__PORT: server.port: 'server' is not written as a mapping or a list in "
            "PORTICO_SERVER",
        ),
        (
            {"PORTICO_PROVIDERS__A__API_KEY": "x"},
            {},
            "PORTICO_PROVIDERS__A__API_KEY: providers[0]: 'provider_type' is missing; What it is: "
            "a name that `portico providers` prints",
        ),
    ],
)
def test_problems_name_the_variable_or_flag(
    environ: dict[str, str], flags: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read("", environ, flags=flags)
    assert str(caught.value.problems[0]) == problem


def test_providers_are_discovered_by_their_keys() -> None:
    rows = [
        ("openai", ("OPENAI_API_KEY",)),
        ("gemini", ("GEMINI_API_KEY", "GOOGLE_API_KEY")),
        ("vertex", ("GOOGLE_API_KEY",)),
        ("groq", ("GROQ_API_KEY",)),
        ("ollama", ()),
    ]
    environ = {"OPENAI_API_KEY": " sk-1 ", "GOOGLE_API_KEY": "g", "GROQ_API_KEY": ""}
    assert discover(environ, rows) == [
        ProviderConfig(name="openai", provider_type="openai", api_key=Secret("sk-1")),
        ProviderConfig(name="gemini", provider_type="gemini", api_key=Secret("g")),
    ]

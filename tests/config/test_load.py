"""What a good file means: defaults, spellings, substitution, precedence, notices."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from portico.config.load import Loaded, load
from portico.config.schema.access import KeyConfig
from portico.config.schema.choices import STRATEGIES
from portico.config.schema.providers import ProviderConfig
from portico.config.schema.root import Config
from portico.config.schema.routes import (
    FallbacksConfig,
    RetriesConfig,
    RouteConfig,
    TargetConfig,
    TimeoutsConfig,
)
from portico.types.secret import Secret

NOW = 1_800_000_000.0

ISSUE = """\
providers:
  - {name: up, provider_type: openai, base_url: "http://127.0.0.1:9000/v1",
     api_key: "${UP_KEY}", models: [gpt-4o-mini]}
  - {name: claude, provider_type: anthropic, base_url: "https://api.anthropic.com",
     api_key: "${ANTHROPIC_API_KEY}", models: [claude-sonnet-4-6]}
models:
  - name: fast                                   # what clients ask for
    targets: [up/gpt-4o-mini, claude/claude-sonnet-4-6]
    strategy: priority_based                     # here the order of targets is the priority
    fallbacks: {general: [slow], context_window: [big]}
    timeouts: {connect: 2, first_byte: 5, first_event: 5, idle: 10, total: 60}      # seconds
    retries: {max_attempts: 3}
keys:
  - {name: team-a, key: sk-team-a-0123456789, models: ["*"]}
"""


def read(text: str | None, environ: dict[str, str] | None = None, **more: Any) -> Loaded:
    return load(text, name="g.yaml", environ=environ or {}, now=NOW, **more)


def notices(text: str, environ: dict[str, str] | None = None) -> list[str]:
    return [str(notice) for notice in read(text, environ).notices]


def test_the_shape_of_what_is_ours() -> None:
    loaded = read(ISSUE, {"UP_KEY": "sk-up", "ANTHROPIC_API_KEY": "sk-ant"})
    assert loaded.config == Config(
        providers=(
            ProviderConfig(
                name="up",
                provider_type="openai",
                base_url="http://127.0.0.1:9000/v1",
                api_key=Secret("sk-up"),
                models=("gpt-4o-mini",),
            ),
            ProviderConfig(
                name="claude",
                provider_type="anthropic",
                base_url="https://api.anthropic.com",
                api_key=Secret("sk-ant"),
                models=("claude-sonnet-4-6",),
            ),
        ),
        models=(
            RouteConfig(
                name="fast",
                targets=(
                    TargetConfig(target="up/gpt-4o-mini"),
                    TargetConfig(target="claude/claude-sonnet-4-6"),
                ),
                strategy="priority_based",
                fallbacks=FallbacksConfig(general=("slow",), context_window=("big",)),
                timeouts=TimeoutsConfig(connect=2, first_byte=5, first_event=5, idle=10, total=60),
                retries=RetriesConfig(max_attempts=3),
            ),
        ),
        keys=(KeyConfig(name="team-a", key=Secret("sk-team-a-0123456789"), models=("*",)),),
    )
    assert [str(notice) for notice in loaded.notices] == [
        "g.yaml:10:27: models[0].fallbacks.general[0]: left out: no model or route is named 'slow'",
        "g.yaml:10:51: models[0].fallbacks.context_window[0]: left out: no model or route is named "
        "'big'",
    ]


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "null\n", "{}\n", "\ufeff"])
def test_an_empty_file_is_all_defaults(text: str) -> None:
    assert read(text) == Loaded(Config())


def test_an_empty_section_is_its_defaults() -> None:
    assert (
        read("server:\nproviders:\nkeys: ~\ncache: {}\nrouter: {strategy: }\n").config == Config()
    )


def test_without_a_file_portico_listens_on_loopback() -> None:
    assert read(None).config.server.host == "127.0.0.1"
    assert read("").config.server.host == "0.0.0.0"
    assert read(None, {"PORTICO_SERVER__HOST": "::"}).config.server.host == "::"
    assert read(None, flags={"server.host": "10.0.0.1"}).config.server.host == "10.0.0.1"


@pytest.mark.parametrize(("written", "meant"), STRATEGIES.items())
def test_a_strategy_has_two_spellings(written: str, meant: str) -> None:
    for text in (written, f"{{type: {written}}}", written.upper().replace("_", "-")):
        loaded = read(f"router: {{strategy: {text}}}")
        assert loaded.config.router.strategy == meant
        assert not loaded.notices


def test_the_default_strategy_is_adaptive() -> None:
    assert Config().router.strategy == "adaptive"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${A}", "one"),
        ('"${A}"', "one"),
        ("'x${A}y${B}z'", "xoney2z"),
        ("${NOPE:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${A:-default}", "one"),
        ("${NOPE:-a:b}", "a:b"),
        ("$${A}", "${A}"),
        ("a$b$1", "a$b$1"),
        ("${INJECT}", "x\nserver: {port: 1}"),
        ("12", "12"),
        ("0o17", "0o17"),
        ("1.0", "1.0"),
        ("no", "no"),
    ],
)
def test_variables_are_put_into_values(written: str, value: str) -> None:
    environ = {"A": "one", "B": "2", "EMPTY": "", "INJECT": "x\nserver: {port: 1}"}
    assert read(f"data_dir: {written}\n", environ).config.data_dir == value


def test_keys_and_comments_are_left_alone() -> None:
    text = "# ${NOPE}\nmodel_aliases: {'${NOPE}': echo}\n"
    assert read(text).config.model_aliases == {"${NOPE}": "echo"}


def test_the_type_is_told_after_substitution() -> None:
    text = "server:\n  port: ${PORT}\n  dev_mode: ${DEV}\n  timeout: ${T}\n  workers: ${W:-}\n"
    server = read(text, {"PORT": "8123", "DEV": "false", "T": "2.5"}).config.server
    assert (server.port, server.dev_mode, server.timeout, server.workers) == (
        8123,
        False,
        2.5,
        None,
    )


def test_a_variable_may_hold_a_list() -> None:
    text = "providers:\n  - name: a\n    provider_type: openai\n    models: ${M}\n    tags: ${T}\n"
    provider = read(text, {"M": "x, y", "T": "[p, 'q,r']"}).config.providers[0]
    assert provider.models == ("x", "y")
    assert provider.tags == ("p", "q,r")


def test_a_secret_of_digits_stays_text() -> None:
    text = "providers:\n  - {name: a, provider_type: openai, api_key: 0123456789}\n"
    assert read(text).config.providers[0].api_key == Secret("0123456789")
    assert "0123456789" not in repr(read(text).config)


def test_a_dollar_without_braces_is_text_with_a_notice_if_it_could_have_meant_a_variable() -> None:
    assert notices("data_dir: $HOME/x\n", {"HOME": "/h"}) == [
        "g.yaml:1:11: data_dir: '$HOME' stays as it is; write ${HOME} for its value"
    ]
    assert notices("data_dir: $HOME/x\n") == []


def test_merge_keys_and_anchors() -> None:
    text = """\
providers:
  - &base {name: a, provider_type: openai, rpm: 5, models: [m]}
  - {<<: *base, name: b}
  - <<: [*base, {tpm: 7, rpm: 9}]
    name: c
"""
    found = [(p.name, p.provider_type, p.rpm, p.tpm) for p in read(text).config.providers]
    assert found == [("a", "openai", 5, None), ("b", "openai", 5, None), ("c", "openai", 5, 7)]


@pytest.mark.parametrize("written", ["openai_compatible", "OpenAI-Compatible"])
def test_provider_types_are_folded_and_checked(written: str) -> None:
    loaded = read(
        f"providers: [{{name: a, provider_type: {written}}}]", provider_types=("openai_compatible",)
    )
    assert loaded.config.providers[0].provider_type == written.lower()


def test_prices_are_exact() -> None:
    text = "pricing: {models: {a/b: {input: 0.1, output: '0.60', cache_read: 1e-3, reasoning: 2}}}"
    price = read(text).config.pricing.models["a/b"]
    assert (price.input, price.output) == (Decimal("0.1"), Decimal("0.60"))
    assert (price.cache_read, price.reasoning) == (Decimal("0.001"), Decimal(2))


def test_targets_may_carry_a_weight() -> None:
    text = "models: [{name: f, targets: [echo/echo, {target: echo/a/b, weight: 3}]}]"
    first, second = read(text).config.models[0].targets
    assert (first.provider, first.model, first.weight) == ("echo", "echo", None)
    assert (second.provider, second.model, second.weight) == ("echo", "a/b", 3.0)


@pytest.mark.parametrize(
    ("written", "expires_at"),
    [
        ("2030-01-02T03:04:05Z", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2030-01-02T03:04:05+02:00", datetime(2030, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2030-01-02 03:04:05", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("'2030-01-02'", datetime(2030, 1, 2, tzinfo=UTC)),
    ],
)
def test_expiry(written: str, expires_at: datetime) -> None:
    text = f"keys: [{{name: a, key: sk-0123456789abcdef, expires_at: {written}}}]"
    key = read(text).config.keys[0]
    assert key.expires_at_s == expires_at.timestamp()
    assert notices(text) == []


def test_an_expired_key_is_noticed() -> None:
    text = "keys: [{name: a, key: sk-0123456789abcdef, expires_at: 2020-01-01}]"
    assert notices(text) == ["g.yaml:1:56: keys[0].expires_at: key 'a' has expired"]


def test_a_key_is_the_same_by_itself_by_hash_and_by_prefixed_hash() -> None:
    digest = hashlib.sha256(b"sk-0123456789abcdef").hexdigest()
    for text in (
        f"sha256: {digest.upper()}",
        f"key: 'sha256:{digest}'",
        "key: sk-0123456789abcdef",
    ):
        assert read(f"keys: [{{name: a, {text}}}]").config.keys[0].digest == digest


NOTICED = [
    ("server: {workers: 4}", "1:19: server.workers"),
    ("server: {timeout: 60}", "1:19: server.timeout"),
    ("server: {dev_mode: true}", "1:20: server.dev_mode"),
    ("server: {tls: {cert_file: a, key_file: b, http2: true}}", "1:50: server.tls.http2"),
    ("server: {features: [x]}", "1:20: server.features"),
    ("server: {trusted_proxies: [10.0.0.1]}", "1:27: server.trusted_proxies"),
    (
        "router: {load_balancer: {session_timeout: 60}}",
        "1:43: router.load_balancer.session_timeout",
    ),
    ("router: {strategy: {type: adaptive, window: 5}}", "1:37: router.strategy.window"),
    ("storage: {database: {enabled: true}}", "1:31: storage.database.enabled"),
    ("storage: {redis: {enabled: true}}", "1:28: storage.redis.enabled"),
    ("storage: {vector_db: {db_type: qdrant}}", "1:22: storage.vector_db"),
    ("auth: {enable_api_key: false}", "1:24: auth.enable_api_key"),
    ("auth: {jwt_secret: 0123456789abcdef0123456789ABCDEF}", "1:20: auth.jwt_secret"),
    ("auth: {api_key_header: X-My-Key}", "1:24: auth.api_key_header"),
    ("auth: {api_key_hmac_secret: x}", "1:29: auth.api_key_hmac_secret"),
    ("auth: {rbac: {enabled: true}}", "1:24: auth.rbac.enabled"),
    ("monitoring: {metrics: {port: 9999}}", "1:30: monitoring.metrics.port"),
    ("monitoring: {metrics: {path: /m}}", "1:30: monitoring.metrics.path"),
    ("monitoring: {tracing: {enabled: true}}", "1:33: monitoring.tracing.enabled"),
    ("monitoring: {logging: {outputs: [{file: {path: x}}]}}", "1:33: monitoring.logging.outputs"),
    ("cache: {enabled: true}", "1:18: cache.enabled"),
    ("cache: {semantic_cache: true}", "1:25: cache.semantic_cache"),
    ("rate_limit: {enabled: true}", "1:23: rate_limit.enabled"),
    ("enterprise: {enabled: true}", "1:23: enterprise.enabled"),
    ("enterprise: {sso: {provider: oidc}}", "1:19: enterprise.sso"),
    ("pricing: {source: prices.json}", "1:19: pricing.source"),
    (
        "providers: [{name: a, provider_type: openai, settings: {region: eu}}]",
        "1:57: providers[0].settings.region",
    ),
]


@pytest.mark.parametrize(("text", "where"), NOTICED)
def test_what_has_no_effect_is_named(text: str, where: str) -> None:
    (notice,) = notices(text)
    assert notice.startswith(f"g.yaml:{where}: has no effect")


QUIET = [
    "server: {workers: 1, timeout: 30, features: [], tls: null}",
    "cache: {enabled: false, ttl: 60, max_size: 5}",
    "storage: {redis: {url: redis://h, cluster: true}, database: {url: postgres://x}}",
    "auth: {enable_jwt: true, api_key_header: X-API-Key, jwt_expiration: 300}",
    "monitoring: {logging: {level: WARN, format: structured, outputs: [console]}}",
    "providers: [{name: a, provider_type: openai, health_check: null, rpm: 1, tags: [x]}]",
    "providers: [{name: a, provider_type: openai, health_check: {interval: 9}}]",
]


@pytest.mark.parametrize("text", QUIET)
def test_what_changes_nothing_is_not_named(text: str) -> None:
    assert notices(text) == []


def test_log_words_are_normalised() -> None:
    logging = read(
        "monitoring: {logging: {level: WARN, format: structured}}"
    ).config.monitoring.logging
    assert (logging.level, logging.format) == ("warning", "json")


def test_a_target_of_a_disabled_provider_is_noticed() -> None:
    text = (
        "providers: [{name: a, provider_type: openai, enabled: false}]\n"
        "models: [{name: f, targets: [a/m, echo/echo]}]\n"
    )
    assert notices(text) == [
        "g.yaml:2:30: models[0].targets[0].target: provider 'a' is not enabled; "
        "the target is left out"
    ]


def test_mutual_fallbacks_are_noticed_once() -> None:
    text = (
        "models:\n"
        "  - {name: a, targets: [echo/echo], fallbacks: {general: [b]}}\n"
        "  - {name: b, targets: [echo/echo], fallbacks: {general: [a]}}\n"
    )
    assert notices(text) == [
        "g.yaml:2:58: models[0].fallbacks.general: goes round in a circle, tried once "
        "each: a → b → a"
    ]


def test_patterns_and_the_catalogs_models_are_believed() -> None:
    text = (
        "providers:\n"
        "  - {name: open, provider_type: openai, models: ['gpt-*', o3]}\n"
        "  - {name: any, provider_type: vllm}\n"
        "models:\n"
        "  - {name: 'my-*', targets: [open/gpt-4.1, any/whatever]}\n"
        "  - {name: f, targets: [open/o3], fallbacks: {general: [my-x, gpt-5, whatever]}}\n"
        "model_aliases: {old: f, older: old, x: some-catalog-model}\n"
    )
    assert notices(text) == []


def test_a_notice_does_not_show_what_a_variable_held() -> None:
    text = (
        "providers: [{name: a, provider_type: openai, models: [m]}]\n"
        "models:\n  - name: f\n    targets: [a/m]\n    fallbacks: {general: ['${WRONG}']}\n"
    )
    assert notices(text, {"WRONG": "hunter2hunter2"}) == [
        "g.yaml:5:27: models[0].fallbacks.general[0]: left out: no model or route is named '${…}'"
    ]

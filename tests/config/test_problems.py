"""What is said of a broken file, to the letter: where, what, and how to mend it."""

import pytest

from portico.config.load import ConfigInvalid, load

ENV = {"PORT": "abc", "UP_KEY": "sk-upstream-0123456789", "EMPTY": ""}

UP = "providers: [{name: up, provider_type: openai, models: [m]}]\n"

CASES = [
    # form
    ("- a\n", "1:1: the file must be a mapping of settings; write 'providers:' and the like"),
    ("just text\n", "1:1: the file must be a mapping of settings; write 'providers:' and the like"),
    ("server:\n\tport: 1\n", "2:1: not YAML: a tab is used for indentation; use spaces"),
    (
        "server: {port: 1\nmodels: 2",
        "2:7: not YAML: ',' or '}' is missing; close the braces",
    ),
    ("server: [1\n", "2:1: not YAML: ',' or ']' is missing; close the brackets"),
    (
        "server: a: b\n",
        "1:10: not YAML: a ':' is not allowed here; quote the value, or check the indentation",
    ),
    (
        "server:\n  port: 1\n host: x\n",
        "3:2: not YAML: the indentation does not fit the lines above; align it with its neighbours",
    ),
    (
        "data_dir: 'x\n",
        "2:1: not YAML: the text ends inside a quoted value; close the quotes",
    ),
    (
        "data_dir: @x\n",
        "1:11: not YAML: this character cannot begin a value; quote the value",
    ),
    ("data_dir: *x\n", "1:11: nothing is anchored as '&x' above"),
    ("keys: &k [*k]\n", "1:11: '*k' stands within what it names"),
    (
        "data_dir: x\n---\na: 1\n",
        "2:1: a second document begins here; keep one document in the file",
    ),
    ("data_dir: !custom x\n", "1:11: tag '!custom' has no meaning here; leave it out"),
    ("? [a]\n: 1\n", "1:5: a key must be a plain word, not a list or a mapping"),
    ("data_dir: x\ndata_dir: y\n", "2:1: key 'data_dir' is given twice; the first is in line 1"),
    ("server: {<<: 5}\n", "1:14: '<<' takes a mapping or a list of mappings"),
    ("keys: " + "[" * 70 + "]" * 70, "1:70: nested deeper than 64 levels"),
    # keys
    ("sever: 1\n", "1:1: sever: unknown key; did you mean 'server'?"),
    ("server:\n  prot: 80\n", "2:3: server.prot: unknown key; did you mean 'port'?"),
    (
        "server: {cors: {allow_origins: []}}\n",
        "1:17: server.cors.allow_origins: unknown key; did you mean 'allowed_origins'?",
    ),
    (
        "server: {limits: {xxxxx: 1}}\n",
        "1:19: server.limits.xxxxx: unknown key; known: header_timeout, body_timeout, keep_alive, "
        "max_in_flight, max_queued, max_wait_share, queue_timeout, drain_delay, drain_timeout",
    ),
    (
        "providers:\n  - name: a\n",
        "2:5: providers[0]: 'provider_type' is missing; What it is: a name that `portico "
        "providers` prints",
    ),
    (
        "providers:\n  - {name: , provider_type: openai}\n",
        "2:12: providers[0].name: needs a value; Your name for it; unique, without `/`",
    ),
    # types
    ("server: {port: abc}\n", "1:16: server.port: must be a whole number, not abc"),
    (
        "server: {port: ${PORT}}\n",
        "1:17: not YAML: '${...}' within braces or brackets needs quotes; write \"${NAME}\"",
    ),
    (
        "server:\n  port: ${PORT}\n",
        "2:9: server.port: must be a whole number, which the value of ${PORT} is not",
    ),
    (
        "server: {port: '8000'}\n",
        "1:16: server.port: must be a whole number, not '8000'; leave out the quotes",
    ),
    ("server: {port: 1.5}\n", "1:16: server.port: must be a whole number, not 1.5"),
    (
        "server: {port: 70000}\n",
        "1:16: server.port: must be at least 0 and at most 65535, not 70000",
    ),
    ("server: {port: [1]}\n", "1:16: server.port: must be a whole number, not a list"),
    ("server: 5\n", "1:9: server: must be a mapping, not 5"),
    (
        "server: {dev_mode: yes}\n",
        "1:20: server.dev_mode: must be true or false, not yes; write true",
    ),
    (
        "server: {dev_mode: 'true'}\n",
        "1:20: server.dev_mode: must be true or false, not 'true'; leave out the quotes",
    ),
    (
        "server: {max_connections: 0}\n",
        "1:27: server.max_connections: must be at least 1, not 0",
    ),
    ("server: {host: ''}\n", "1:16: server.host: must not be empty"),
    (
        UP.replace("[m]", "m"),
        "1:55: providers[0].models: must be a list, not m; write it in brackets: [...]",
    ),
    (
        UP.replace("models", "weight: 101, models"),
        "1:55: providers[0].weight: must be more than 0 and at most 100, not 101",
    ),
    (
        UP.replace("models", "weight: .nan, models"),
        "1:55: providers[0].weight: must be finite",
    ),
    (
        "router: {strategy: least_latncy}\n",
        "1:20: router.strategy: must be one of the known values, not least_latncy; did you mean "
        "'least_latency'?",
    ),
    (
        "router: {strategy: {typ: round_robin}}\n",
        "1:20: router.strategy: 'type' is missing; did you mean 'typ'?",
    ),
    (
        "schema_version: 2\n",
        "1:17: schema_version: must be one of the known values, not 2; known: 1.0",
    ),
    (
        "pricing: {models: {m: {input: cheap}}}\n",
        "1:31: pricing.models.m.input: must be a price such as 0.15, not cheap",
    ),
    (
        "pricing: {models: {m: {input: -1}}}\n",
        "1:31: pricing.models.m.input: must be between 0 and 1000000000, not -1",
    ),
    (
        "keys: [{name: a, key: sk-0123456789abcdef, expires_at: soon}]\n",
        "1:56: keys[0].expires_at: must be a date and time such as 2027-01-31T12:00:00Z, not soon",
    ),
    # substitution
    (
        "data_dir: ${NOPE}\n",
        "1:11: data_dir: environment variable NOPE is not set; set it, or write ${NAME:-default}",
    ),
    (
        "data_dir: ${NOPE\n",
        "1:11: data_dir: '${' has no closing brace; a literal '${' is '$${'",
    ),
    (
        "data_dir: ${A B}\n",
        "1:11: data_dir: '${...}' does not hold the name of a variable; a literal '${' is '$${'",
    ),
    # providers
    (
        "providers:\n - {name: a, provider_type: openai}\n - {name: a, provider_type: openai}\n",
        "3:11: providers[1].name: a provider named 'a' exists already; the first is in line 2",
    ),
    (
        "providers: [{name: a/b, provider_type: openai}]\n",
        "1:20: providers[0].name: a provider's name must be printable and without '/' and spaces; "
        "targets are written provider/model",
    ),
    (
        "providers: [{name: a, provider_type: opnai}]\n",
        "1:38: providers[0].provider_type: no provider type 'opnai'; did you mean 'openai'?",
    ),
    (
        UP.replace("models", "base_url: 'ftp://x', models"),
        "1:57: providers[0].base_url: must be an absolute http or https address",
    ),
    (
        UP.replace("models", "base_url: 'api.openai.com/v1', models"),
        "1:57: providers[0].base_url: must be an absolute http or https address",
    ),
    (
        UP.replace("models", "base_url: 'https://u:p@x', models"),
        "1:57: providers[0].base_url: must not hold a user or password; put the key in api_key",
    ),
    (
        UP.replace("models", "base_url: 'https://x?a=b', models"),
        "1:57: providers[0].base_url: must not have a query or a fragment; end it with the path",
    ),
    (
        UP.replace("models", "base_url: 'https://x:99999', models"),
        "1:57: providers[0].base_url: is not an address; write https://host[:port][/path]",
    ),
    (
        UP.replace("models", "settings: {headers: {Host: x}}, models"),
        "1:67: providers[0].settings.headers: 'Host' is set by Portico itself; leave it out",
    ),
    (
        UP.replace("models", "retry: {base_delay: 10, max_delay: 5}, models"),
        "1:67: providers[0].retry.base_delay: must not be more than max_delay",
    ),
    # routes
    (
        UP + "models: [{name: f, targets: [upp/m]}]\n",
        "2:30: models[0].targets[0].target: no provider named 'upp'; did you mean 'up'?",
    ),
    (
        UP + "models: [{name: f, targets: [up/mm]}]\n",
        "2:30: models[0].targets[0].target: provider 'up' does not list model 'mm'; did you "
        "mean 'm'?",
    ),
    (
        UP + "models: [{name: f, targets: [m]}]\n",
        "2:30: models[0].targets[0].target: 'm' is not a target; write provider/model",
    ),
    (
        UP + "models: [{name: f, targets: []}]\n",
        "2:29: models[0].targets: needs at least 1 entry",
    ),
    (
        UP + "models: [{name: f, targets: [up/m], fallbacks: {general: [f]}}]\n",
        "2:59: models[0].fallbacks.general[0]: 'f' cannot fall back to itself",
    ),
    (
        UP + "models: [{name: f, targets: [up/m]}, {name: f, targets: [up/m]}]\n",
        "2:45: models[1].name: a model named 'f' exists already; the first is in line 2",
    ),
    (
        UP + "models: [{name: f, targets: [up/m], retries: {base_delay: 9, max_delay: 1}}]\n",
        "2:59: models[0].retries.base_delay: must not be more than max_delay",
    ),
    # aliases
    (
        UP + "model_aliases: {a: b, b: a}\n",
        "2:20: model_aliases.a: aliases go round in a circle: a → b → a",
    ),
    (
        UP + "model_aliases: {a: nothing}\n",
        "2:20: model_aliases.a: no model or route named 'nothing'; known: a, m, up/m, echo, echo/*",
    ),
    (
        UP + "models: [{name: f, targets: [up/m]}]\nmodel_aliases: {f: m}\n",
        "3:20: model_aliases.f: 'f' is a route already; rename one of them",
    ),
    # keys
    (
        "keys: [{name: a, key: sk-0123456789abcdef, user_header: 'a b'}]\n",
        "1:57: keys[0].user_header: 'a b' is not a name of a header field",
    ),
    ("keys: [{name: a}]\n", "1:8: keys[0]: has neither 'key' nor 'sha256'; give one of them"),
    (
        "keys: [{name: a, key: short}]\n",
        "1:23: keys[0].key: a key needs at least 16 characters",
    ),
    (
        "keys: [{name: a, key: 'sk 0123456789 abcdef'}]\n",
        "1:23: keys[0].key: a key must be printable ASCII without spaces",
    ),
    (
        "providers: [{name: a, provider_type: openai, api_key: sk-1, api_keys: [sk-2]}]\n",
        "1:71: providers[0].api_keys: both 'api_key' and 'api_keys' are given; keep one of them",
    ),
    (
        "providers: [{name: a, provider_type: openai, api_keys: [sk-2, sk-2]}]\n",
        "1:56: providers[0].api_keys: holds a key twice; each counts as one of its own",
    ),
    (
        "providers: [{name: a, provider_type: openai, api_keys: [sk-2, 's k']}]\n",
        "1:63: providers[0].api_keys[1]: a key must be printable ASCII without spaces",
    ),
    (
        "rules: [{route: nowhere}]\n",
        "1:17: rules[0].route: no model or route named 'nowhere'; known: echo, echo/*",
    ),
    (
        "rules: [{route: echo, min_input_tokens: 2, max_input_tokens: 1}]\n",
        "1:41: rules[0].min_input_tokens: must not be more than max_input_tokens",
    ),
    (
        "rules: [{route: echo, needs: [magic]}]\n",
        "1:31: rules[0].needs[0]: must be one of the known values, not magic; known: vision, tools",
    ),
    (
        "keys: [{name: a, sha256: abc}]\n",
        "1:26: keys[0].sha256: a SHA-256 hash is 64 hexadecimal digits; printf %s KEY | sha256sum",
    ),
    (
        "keys: [{name: a, key: 'sha256:zz'}]\n",
        "1:23: keys[0].key: a SHA-256 hash is 64 hexadecimal digits; printf %s KEY | sha256sum",
    ),
    (
        f"keys: [{{name: a, key: sk-0123456789abcdef, sha256: {'0' * 64}}}]\n",
        "1:52: keys[0].sha256: both 'key' and 'sha256' are given; keep one of them",
    ),
    (
        "keys:\n - {name: a, key: sk-0123456789abcdef}\n - {name: b, key: sk-0123456789abcdef}\n",
        "3:4: keys[1]: 'b' is the same key as 'a'; make another",
    ),
    # the rest
    (
        "server: {cors: {allowed_origins: ['*'], allow_credentials: true}}\n",
        "1:60: server.cors.allow_credentials: cannot be true while allowed_origins holds '*'; name "
        "the origins",
    ),
    (
        "server: {cors: {allowed_origins: [example.com]}}\n",
        "1:35: server.cors.allowed_origins[0]: 'example.com' is not an origin; write "
        "scheme://host[:port], without a path",
    ),
    (
        "media: {allow_hosts: ['https://example.com/']}\n",
        "1:23: media.allow_hosts[0]: 'https://example.com/' is not the name of a host, or a "
        "pattern of such; write example.com or *.example.com, without scheme, port or path",
    ),
    (
        "media: {allow_networks: [10.0.0.1/8]}\n",
        "1:26: media.allow_networks[0]: '10.0.0.1/8' is not a network; write 10.20.0.0/16 or "
        "fd00:1234::/32",
    ),
    (
        "integrations: {prometheus: {prefix: 9x}}\n",
        "1:37: integrations.prometheus.prefix: must be letters, digits and '_', not beginning with "
        "'__'",
    ),
    (
        "integrations: {prometheus: {labels: {model: x}}}\n",
        "1:45: integrations.prometheus.labels.model: label 'model' is Portico's own",
    ),
    (
        "integrations: {prometheus: {labels: {a-b: x}}}\n",
        "1:43: integrations.prometheus.labels.a-b: 'a-b' is not a name of a label",
    ),
    (
        "integrations: {prometheus: {latency_buckets: [1, 5, 5]}}\n",
        "1:46: integrations.prometheus.latency_buckets: must be positive numbers, each above the "
        "last",
    ),
    (
        "auth: {jwt_secret: short}\n",
        "1:20: auth.jwt_secret: needs at least 32 bytes",
    ),
    (
        f"auth: {{jwt_secret: {'a' * 40}}}\n",
        "1:20: auth.jwt_secret: must not be lower-case letters alone",
    ),
]


def problems_of(text: str | bytes, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        load(
            text,
            name="g.yaml",
            environ=ENV if environ is None else environ,
            provider_types=("openai", "anthropic"),
            now=1_800_000_000.0,
        )
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[case[1] for case in CASES])
def test_one_mistake_gives_exactly_one_problem(text: str, expected: str) -> None:
    found = problems_of(text)
    assert len(found) == 1, found
    first = found[0].splitlines()[0]
    assert first == f"g.yaml:{expected}"


def test_a_problem_quotes_its_line_with_a_caret() -> None:
    assert problems_of("server:\n  host: x\n  prot: 80\n") == [
        "g.yaml:3:3: server.prot: unknown key; did you mean 'port'?\n      prot: 80\n      ^"
    ]


def test_a_long_line_is_cut_around_its_caret() -> None:
    text = f"data_dir: {'x' * 300}\nserver: {{host: {'y' * 300}, prot: 1}}\n"
    _, line, caret = problems_of(text)[0].splitlines()
    assert len(line) <= 170
    assert line[caret.index("^") :].startswith("prot")


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        "sever: {}\n"
        "server:\n  port: abc\n  cors: {enabled: maybe}\n"
        "providers:\n"
        "  - {name: a/b, provider_type: opnai, wieght: 1}\n"
        "  - {provider_type: openai, base_url: nowhere}\n"
        "models:\n"
        "  - {name: f, targets: [nowhere/m], strategy: best}\n"
        "keys: [{name: k}]\n"
    )
    found = [p.splitlines()[0].split(": ")[1] + "@" + p.split(":")[1] for p in problems_of(text)]
    assert found == [
        "sever@1",
        "server.port@3",
        "server.cors.enabled@4",
        "providers[0].name@6",
        "providers[0].provider_type@6",
        "providers[0].wieght@6",
        "providers[1]@7",
        "providers[1].base_url@7",
        "models[0].strategy@9",
        "keys[0]@10",
    ]


def test_the_message_counts_and_holds_every_problem() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load("a: 1\nb: 2\n", name="g.yaml", environ={})
    assert caught.value.message.splitlines()[0] == "the configuration has 2 problems:"
    assert "g.yaml:1:1: a: unknown key" in caught.value.message
    assert "g.yaml:2:1: b: unknown key" in caught.value.message


def test_bytes_that_are_not_utf_8_are_placed() -> None:
    assert problems_of(b"data_dir: x\nserver: \xff\n") == [
        "g.yaml:2:9: byte 0xff is not UTF-8; save it as UTF-8"
    ]


def test_a_file_beyond_four_mebibytes_is_not_read() -> None:
    assert problems_of(b"#" * (4 * 1024 * 1024 + 1)) == [
        "g.yaml: is larger than 4 MiB; is it the right file?"
    ]


SECRET = "Tr0ub4dor-Zq7"

LEAKS = [
    f"providers: [{{name: a, provider_type: openai, api_key: {SECRET}, wieght: 2}}]",
    f"providers: [{{name: a, provider_type: openai, apikee: {SECRET}}}]",
    f"providers: [{{name: a, provider_type: openai, api_key: [{SECRET}]}}]",
    f"providers: [{{name: a, provider_type: openai, api_key: {{x: {SECRET}}}}}]",
    f"providers: [{{name: a, provider_type: openai, base_url: 'https://u:{SECRET}@h/v1'}}]",
    f"providers: [{{name: a, settings: {{headers: {{x-auth: {SECRET}}}}}, b: 1}}]",
    f"providers: [{{name: a, provider_type: openai, settings: {{headers: {{Host: {SECRET}}}}}}}]",
    f"keys: [{{name: a, key: {SECRET}}}]",
    f"keys: [{{name: a, key: {SECRET}, modells: 1}}]",
    f"keys: [{{name: a, key: '{SECRET}-{SECRET}', sha256: {SECRET}}}]",
    f"auth: {{jwt_secret: {SECRET}}}",
    f"storage: {{redis: {{url: 'redis://:{SECRET}@h', x: 1}}}}",
    f"keys: [{{name: a, key: {SECRET}",
    f"providers:\n  - api_key: {SECRET}\n   x: 1",
    f"api_key: {SECRET}: x",
    f'providers: [{{api_key: "{SECRET}',
    "server:\n  port: ${LEAK}",
    "keys: [{name: a, key: '${LEAK}'}]",
    "router:\n  strategy: ${LEAK}",
    f"keys: [{{name: a, key: 'abc${{{SECRET}'}}]",
    f"keys: [{{name: a, key: 'abc${{{SECRET}}}'}}]",
    "providers: [{name: a, provider_type: '${LEAK}', base_url: '${LEAK}'}]",
    f"nonsense: {SECRET}",
]


@pytest.mark.parametrize("text", LEAKS)
def test_no_secret_is_shown(text: str) -> None:
    for problem in problems_of(text, {"LEAK": SECRET}):
        assert SECRET not in problem
        assert SECRET.lower() not in problem.lower()


def test_a_problem_of_a_variable_names_the_variable_and_not_its_value() -> None:
    found = problems_of("", {"PORTICO_SERVER__PORT": SECRET})
    assert found == ["PORTICO_SERVER__PORT: server.port: must be a whole number"]

"""From a command line to a running gateway: read the configuration, say what was found, serve.

What a person needs goes to standard output, once: address, key, providers, a command to paste.
All else is log lines on standard error.
"""

import errno
import logging
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import msgspec
import uvloop

import portico
from portico import logs
from portico.app import App
from portico.catalog.providers import ProviderRow, listed_providers, provider_rows
from portico.config import environment
from portico.config.load import Loaded, load
from portico.config.schema.root import Config
from portico.errors import ConfigError
from portico.running import serve
from portico.stores.datadir import DataDir, default_data_dir, open_data_dir
from portico.types.secret import Secret

log = logging.getLogger("portico")


class Settings(msgspec.Struct, frozen=True):
    """What the command line said. `flags` maps settings' paths to texts."""

    config_path: Path | None
    flags: Mapping[str, str]
    environ: Mapping[str, str]
    began_at: float | None = None
    """When the program began, in monotonic seconds, to say how long a person has waited."""


def read_config(settings: Settings, *, may_be_empty: bool = True) -> Loaded:
    """The configuration as it stands now; raises `ConfigError` with everything that is wrong.

    Without a file, a provider is added for each credential that the environment holds. An empty
    one is all defaults to start with, but in a gateway that runs one that is being written, or was
    not for want of room on the disk: nobody means to take all routes and keys away like that.
    """
    path = settings.config_path
    text: bytes | None = None
    if path is not None:
        try:
            text = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from error
        if not may_be_empty and not text.strip():
            raise ConfigError(f"{path}: is empty; write `{{}}` to take everything away.")
    loaded = load(
        text,
        name=str(path) if path is not None else "defaults",
        environ=settings.environ,
        flags=settings.flags,
        provider_types=tuple(provider_rows()),
    )
    if path is None and not loaded.config.providers:
        found = environment.discover(settings.environ, _credentials())
        config = msgspec.structs.replace(loaded.config, providers=tuple(found))
        loaded = Loaded(config, loaded.notices)
    return loaded


def _credentials() -> Iterable[tuple[str, tuple[str, ...]]]:
    """Provider types that need nothing but a key, and the variables that may hold it."""
    for row in listed_providers():
        if row.key_env and row.base_url is not None and row.location == "cloud":
            yield row.name, row.key_env


def serve_forever(settings: Settings) -> int:
    """Returns the exit code once the gateway has stopped."""
    loaded = read_config(settings)
    config = loaded.config
    logs.set_up(level=config.monitoring.logging.level, form=config.monitoring.logging.format)
    for notice in loaded.notices:
        log.warning("%s", notice)
    try:
        uvloop.run(_run(settings, config))
    except OSError as error:
        server = config.server
        click.echo(f"portico: {_listen_problem(error, server.host, server.port)}", err=True)
        return 1
    return 0


async def _run(settings: Settings, config: Config) -> None:
    data_dir = open_data_dir(_data_dir(settings, config))
    key, is_new = data_dir.admin_key()
    app = App(
        config,
        environ=settings.environ,
        data_dir=data_dir.path,
        admin_key=key,
        config_name=str(settings.config_path) if settings.config_path is not None else None,
    )
    host = config.server.host
    began_at = settings.began_at

    def ready(bound: int) -> None:
        scheme = "https" if config.server.tls else "http"
        _note_address(data_dir, f"{scheme}://{_reached_at(host)}:{bound}")
        lines = banner(config, data_dir, key, is_new=is_new, host=host, port=bound)
        took = f" in {time.monotonic() - began_at:.2f} s" if began_at is not None else ""
        head = f"Portico {portico.__version__} ready{took}"
        click.echo("\n".join([head, *lines]))
        sys.stdout.flush()
        log.info("listening on %s:%d", host, bound)

    try:
        await serve(
            app,
            host=host,
            port=config.server.port,
            ready=ready,
            read=lambda: read_config(settings, may_be_empty=False),
            watched=settings.config_path,
        )
    finally:
        data_dir.address_file.unlink(missing_ok=True)


def _note_address(data_dir: DataDir, address: str) -> None:
    """Only `portico routes` reads it: a full disk must not keep the gateway from starting."""
    try:
        data_dir.address_file.write_text(f"{address}\n")
    except OSError as error:
        log.warning("%s cannot be written: %s", data_dir.address_file, error.strerror)


def _reached_at(host: str) -> str:
    """Where this machine reaches what listens there; all addresses are loopback too."""
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _data_dir(settings: Settings, config: Config) -> Path:
    if config.data_dir is not None:
        return Path(config.data_dir).expanduser()
    return default_data_dir(settings.environ, Path.home())


def _listen_problem(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken by another program; stop that, or choose another "
            "with --port (0 takes a free one)."
        )
    if error.errno == errno.EACCES:
        return f"port {port} on {host} needs more rights; choose one above 1023 with --port."
    return f"cannot listen on {host}:{port}: {error.strerror or error}."


def banner(
    config: Config, data_dir: DataDir, key: Secret, *, is_new: bool, host: str, port: int
) -> list[str]:
    """What a newcomer needs, ready to be pasted. The key is shown when it was made, and only
    then.
    """
    shown_host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
    if ":" in shown_host:
        shown_host = f"[{shown_host}]"
    url = f"http{'s' if config.server.tls else ''}://{shown_host}:{port}"
    shown = key.reveal() if is_new else f"$(cat {data_dir.admin_key_file})"
    kept = f"saved in {data_dir.admin_key_file}, mode 0600"
    lines = [
        "",
        f"  API      {url}/v1",
        f"  Key      {shown}   ({kept})" if is_new else f"  Key      {kept}",
        f"  Docs     {url}/docs",
        f"  Metrics  {url}/metrics",
        "",
    ]
    lines += [f"  Found    {line}" for line in _found(config)]
    lines += [
        "",
        f"  Try      curl {url}/v1/chat/completions \\",
        f'             -H "authorization: Bearer {shown}" \\',
        "             -H 'content-type: application/json' \\",
        '             -d \'{"model": "echo", "messages": '
        '[{"role": "user", "content": "Hello, Portico"}]}\'',
        "",
    ]
    return lines


def _found(config: Config) -> list[str]:
    rows: Mapping[str, ProviderRow] = provider_rows()
    lines = []
    for provider in config.providers:
        if not provider.enabled:
            continue
        row = rows.get(provider.provider_type)
        title = row.title if row is not None else provider.provider_type
        models = ", ".join(provider.models[:4]) or f"{provider.name}/<any model>"
        more = f" and {len(provider.models) - 4} more" if len(provider.models) > 4 else ""
        lines.append(f"{provider.name} ({title}): {models}{more}")
    lines.append("echo (built in): echo, which repeats what it is told")
    if len(lines) == 1:
        lines.append("no provider key in the environment; OPENAI_API_KEY and the like are read")
    return lines

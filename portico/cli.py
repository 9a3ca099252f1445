"""The command line. Exit codes: 0 done, 1 failed while running, 2 wrong usage, 78 wrong
configuration.

Commands import what they need when they run, so that `--help` stays quick.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import portico

if TYPE_CHECKING:
    from portico.config.load import Loaded

EX_CONFIG = 78
"""sysexits.h, `EX_CONFIG`."""

_GROUPS = (
    ("Run", ("serve", "routes")),
    ("Configuration", ("check", "schema", "providers", "models")),
    ("Money", ("journal",)),
    ("Shell", ("completion",)),
)


class _Grouped(click.Group):
    """Lists commands under headings, in the order a newcomer needs them."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in _GROUPS:
            rows = [(name, self.commands[name].get_short_help_str(80)) for name in names]
            with formatter.section(heading):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            formatter.write_dl(
                [
                    ("portico serve", "start with what the environment offers"),
                    ("portico serve -c portico.yaml", "start with a file; reload as it changes"),
                    ("portico check portico.yaml", "say everything that is wrong with a file"),
                    ("portico journal show --limit 20", "the last calls, and what they cost"),
                    ("portico routes --watch", "how each deployment of the running gateway does"),
                ]
            )


def run(argv: list[str] | None = None, *, began_at: float | None = None) -> int:
    """The whole command; returns the exit code. `began_at` is when the program began, monotonic."""
    from portico.errors import ConfigError

    try:
        code = main.main(argv, prog_name="portico", standalone_mode=False, obj=began_at)
    except click.exceptions.Abort:
        return 130
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ConfigError as error:
        click.echo(f"portico: {error.message}", err=True)
        return EX_CONFIG
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code if isinstance(code, int) else 0


@click.group(
    cls=_Grouped,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(portico.__version__, message="portico %(version)s")
def main() -> None:
    """One fast, exact endpoint in front of every model provider."""


@main.command()
@click.option(
    "--config",
    "-c",
    "config_path",
    envvar="PORTICO_CONFIG",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file (YAML). Without one, providers are found in the environment.",
)
@click.option("--host", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one."
)
@click.option("--data-dir", type=click.Path(file_okay=False), help="Folder for journal and key.")
@click.option(
    "--log-level",
    envvar="PORTICO_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error", "critical"], case_sensitive=False),
    help="Least level that is written.",
)
@click.option(
    "--log-format",
    envvar="PORTICO_LOG_FORMAT",
    type=click.Choice(["text", "json"], case_sensitive=False),
    help="How a log line looks.",
)
def serve(
    config_path: Path | None,
    host: str | None,
    port: int | None,
    data_dir: str | None,
    log_level: str | None,
    log_format: str | None,
) -> int:
    """Start the gateway.

    Default address: http://127.0.0.1:8000. SIGHUP, or a change of the file, reloads; SIGTERM
    drains.
    """
    from portico.serving import Settings, serve_forever

    flags = {
        "server.host": host,
        "server.port": None if port is None else str(port),
        "data_dir": data_dir,
        "monitoring.logging.level": log_level,
        "monitoring.logging.format": log_format,
    }
    settings = Settings(
        config_path=config_path,
        flags={name: value for name, value in flags.items() if value is not None},
        environ=os.environ,
        began_at=click.get_current_context().obj,
    )
    return serve_forever(settings)


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--strict", is_flag=True, help="Count notices as failures.")
def check(file: Path, strict: bool) -> int:
    """Say everything that is wrong with a configuration FILE."""
    from portico.app import check_config

    loaded = _read(file)
    check_config(loaded.config, os.environ)
    for notice in loaded.notices:
        click.echo(f"notice: {notice}")
    config = loaded.config
    counts = (
        _count(len(config.providers), "provider"),
        _count(len(config.models), "route"),
        _count(len(config.keys), "key"),
        _count(len(loaded.notices), "notice"),
    )
    click.echo(f"{file}: good: {', '.join(counts)}")
    return EX_CONFIG if strict and loaded.notices else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@main.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from portico.config.json_schema import schema_json

    click.echo(schema_json())


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.argument("name", required=False)
def providers(name: str | None, as_json: bool) -> None:
    """List the provider types, and which of them the environment has a key for.

    With NAME, only those whose name has it.
    """
    from portico.catalog.providers import listed_providers

    rows = [row for row in listed_providers() if name is None or name.lower() in row.name]
    if not rows:
        raise click.ClickException(
            f"no provider type has {name!r} in its name; without a name this lists them all, and "
            "`openai_compatible` with a `base_url` is for any other that speaks OpenAI's protocol"
        )
    if as_json:
        _json_lines(_provider_fields(row) for row in rows)
        return
    _table(
        ("NAME", "WHERE", "DIALECT", "ADDRESS", "KEY"),
        [
            (
                row.name,
                row.location,
                row.dialect,
                row.base_url or row.base_url_form or "-",
                _key_state(row.key_env),
            )
            for row in rows
        ],
    )


def _provider_fields(row: Any) -> dict[str, Any]:
    import msgspec

    return {**msgspec.to_builtins(row), "has_key": any(os.environ.get(n) for n in row.key_env)}


def _key_state(names: Iterable[str]) -> str:
    names = tuple(names)
    for name in names:
        if os.environ.get(name):
            return f"{name} (set)"
    return names[0] if names else "-"


@main.command()
@click.option(
    "--config",
    "-c",
    "config_path",
    envvar="PORTICO_CONFIG",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file; without one, what the environment offers.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def models(config_path: Path | None, as_json: bool) -> None:
    """List the public model names, where each leads, and what a million tokens cost."""
    from portico.app import describe_models

    rows = describe_models(_read(config_path).config, os.environ)
    if as_json:
        _json_lines(rows)
        return
    _table(
        ("MODEL", "STRATEGY", "DEPLOYMENTS", "DIALECTS", "USD / M INPUT", "USD / M OUTPUT"),
        [
            (
                row["model"],
                row["strategy"],
                ", ".join(row["deployments"]),
                ", ".join(dict.fromkeys(speaks[0] for speaks in row["dialects"])),
                row["input_usd_per_million"] or "-",
                row["output_usd_per_million"] or "-",
            )
            for row in rows
        ],
    )


@main.group()
def journal() -> None:
    """Read the record of calls."""


_data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="PORTICO_DATA_DIR",
    help="The gateway's data folder.",
)


@main.command()
@_data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--watch", "-w", is_flag=True, help="Show it again each second.")
def routes(data_dir: Path | None, as_json: bool, watch: bool) -> None:
    """Show each deployment of the running gateway: state, load, limits, last error."""
    import time

    while True:
        try:
            answer = _ask_routing(data_dir)
        except click.ClickException as error:
            if not watch or as_json:
                raise
            _show(f"{error.message}; trying again\n")
        else:
            if as_json:
                _json_lines(answer["deployments"])
            else:
                _show_routes(answer, watch=watch)
        if not watch:
            return
        sys.stdout.flush()
        time.sleep(1.0)


def _show_routes(answer: Mapping[str, Any], *, watch: bool) -> None:
    """As wide as the terminal is, and on watch no longer, with those that are not well on top."""
    import shutil

    from portico.api import routing_table

    is_terminal = sys.stdout.isatty()
    size = shutil.get_terminal_size()
    width = size.columns if is_terminal else None
    rows = answer["deployments"]
    if not watch:
        click.echo("\n".join(routing_table.lines(rows, width)))
        return
    lines = [routing_table.summary(answer["at"], rows), ""]
    lines += routing_table.lines(routing_table.troubled_first(rows), width)
    if is_terminal and len(lines) >= size.lines:
        left_out = len(lines) - size.lines + 2
        lines = [*lines[: size.lines - 2], f"… and {left_out} more"]
    _show("\n".join(lines) + "\n")


def _show(text: str) -> None:
    """In place of what the terminal shows."""
    click.clear()
    click.echo(text, nl=False)


def _ask_routing(data_dir: Path | None) -> dict[str, Any]:
    """`GET /admin/routing` of the gateway that uses this data folder, with that folder's key."""
    import http.client
    import json
    import ssl
    from urllib.parse import urlsplit

    from portico.stores.datadir import DataDir, default_data_dir

    folder = DataDir(data_dir or default_data_dir(os.environ, Path.home()))
    try:
        address = folder.address_file.read_text().strip()
        key = folder.admin_key_file.read_text().strip()
    except OSError as error:
        raise click.ClickException(
            f"no gateway seems to run with the data folder {folder.path} "
            f"({error.strerror}); start one, or name its folder with --data-dir"
        ) from error
    parts = urlsplit(address)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        # This machine's own gateway, by an address that its certificate need not name.
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(parts.netloc, timeout=10, context=trusting)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request("GET", "/admin/routing", headers={"authorization": f"Bearer {key}"})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise click.ClickException(f"{address} does not answer: {error}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise click.ClickException(f"{address} answered {response.status}: {body[:500]!r}")
    answer: dict[str, Any] = json.loads(body)
    return answer


@journal.command()
@_data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--limit", type=click.IntRange(1), help="Only the last so many calls.")
@click.option("--follow", "-f", is_flag=True, help="Go on with calls as they come.")
def show(data_dir: Path | None, as_json: bool, limit: int | None, follow: bool) -> None:
    """Print calls: when, who, where to, how many tokens, what they cost."""
    import time
    from collections import deque

    from portico.stores import journal_reader, journal_report

    folder = _journal_folder(data_dir)
    form = journal_report.show_json if as_json else journal_report.show_table
    records: Iterable[Any] = journal_reader.read_records(folder)
    if limit is not None:
        records = deque(records, maxlen=limit)
    seen: dict[str, Any] = {}
    for line in form(_noting(records, seen)):
        click.echo(line)
    if follow:
        later = journal_reader.follow(folder, pause=lambda: time.sleep(0.5), seen=seen)
        for placed in later:
            line = (
                next(journal_report.show_json([placed]))
                if as_json
                else (journal_report.table_row(placed[1]))
            )
            click.echo(line)


def _noting(records: Iterable[Any], seen: dict[str, Any]) -> Iterable[Any]:
    for position, record in records:
        seen[position.worker] = position
        yield position, record


@journal.command()
@_data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def verify(data_dir: Path | None, as_json: bool) -> int:
    """Check every byte: checksums, gaps, calls recorded twice. Exit code 1 if it is not sound."""
    from portico.stores import journal_reader, journal_report

    report = journal_reader.verify(_journal_folder(data_dir))
    if as_json:
        click.echo(journal_report.verify_json(report))
    else:
        for line in journal_report.verify_table(report):
            click.echo(line)
    return 0 if report.is_sound else 1


def _journal_folder(data_dir: Path | None) -> Path:
    from portico.stores.datadir import DataDir, default_data_dir

    return DataDir(data_dir or default_data_dir(os.environ, Path.home())).journal


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a SHELL: `eval "$(portico completion bash)"`."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "portico", "_PORTICO_COMPLETE").source())


def _read(path: Path | None) -> "Loaded":
    from portico.serving import Settings, read_config

    return read_config(Settings(config_path=path, flags={}, environ=os.environ))


def _json_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    import msgspec

    for row in rows:
        click.echo(msgspec.json.encode(row))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    for row in [head, *rows]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())

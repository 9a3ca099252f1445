"""`media:`, files that requests name by URL."""

from typing import Annotated

from msgspec import Meta

from portico.config.schema.base import Count, NonEmpty, PositiveSeconds, Section


class MediaConfig(Section, frozen=True, kw_only=True):
    fetch: Annotated[
        bool,
        Meta(
            description="Fetch pictures and documents that a request names by URL, for providers "
            "that take them only as data (Bedrock, Ollama …). Others are told the URL. Addresses "
            "that are not public are refused, redirects are checked anew, no proxy is used."
        ),
    ] = False
    allow_hosts: Annotated[
        tuple[NonEmpty, ...],
        Meta(description="Fetch only from these; patterns such as `*.example.com`; empty is any."),
    ] = ()
    deny_hosts: Annotated[
        tuple[NonEmpty, ...], Meta(description="Never fetch from these; patterns too.")
    ] = ()
    allow_networks: Annotated[
        tuple[NonEmpty, ...],
        Meta(
            description="Private networks that may be fetched from all the same, such as "
            "`10.20.0.0/16`. Where clouds hand out credentials stays closed."
        ),
    ] = ()
    allow_http: Annotated[bool, Meta(description="Fetch from `http://` addresses, too.")] = False
    ports: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65535)], ...],
        Meta(description="Ports to connect to beside 443, and 80 with `allow_http`."),
    ] = ()
    max_files: Annotated[Count, Meta(description="Most files that one request may name.")] = 16
    max_file_size: Annotated[
        Annotated[int, Meta(ge=1, le=1 << 28)],
        Meta(description="Largest file, in bytes. 10 MiB by default."),
    ] = 10 * 1024 * 1024
    max_total_size: Annotated[
        Annotated[int, Meta(ge=1, le=1 << 28)],
        Meta(description="Most bytes of all files of one request. 20 MiB by default."),
    ] = 20 * 1024 * 1024
    timeout: Annotated[
        PositiveSeconds, Meta(description="Seconds in which all files of a request must be here.")
    ] = 10.0
    max_concurrent: Annotated[
        Count, Meta(description="Files of all requests that are fetched at once; others wait.")
    ] = 32

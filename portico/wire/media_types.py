"""What a file is, by how it begins: what a server says of it is not to be relied on. Pure.

Signatures: https://mimesniff.spec.whatwg.org/ section 6 and the formats' own documents
(2026-11-23). Only what models take is known here; SVG and HTML are text, and no pictures.
"""

import re
from typing import Final

NEEDED: Final = 512
"""So many bytes from the beginning are enough."""

_SIGNATURES: Final = tuple(
    (re.compile(pattern, re.DOTALL), media_type)
    for pattern, media_type in (
        (rb"\x89PNG\r\n\x1a\n", "image/png"),
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"RIFF....WEBP", "image/webp"),
        (rb"BM....\x00\x00\x00\x00", "image/bmp"),
        (rb"II\*\x00|MM\x00\*", "image/tiff"),
        (rb"....ftyp(?:heic|heix|hevc|heim|heis)", "image/heic"),
        (rb"....ftyp(?:mif1|msf1)", "image/heif"),
        (rb"....ftypavi[fs]", "image/avif"),
        (rb"%PDF-", "application/pdf"),
        (rb"RIFF....WAVE", "audio/wav"),
        (rb"fLaC", "audio/flac"),
        (rb"OggS", "audio/ogg"),
        (rb"FORM....AIF[FC]", "audio/aiff"),
        (rb"....ftypM4[AB]", "audio/mp4"),
        (rb"ID3|\xff[\xfb\xf3\xf2\xfa]", "audio/mpeg"),
        (rb"\xff[\xf1\xf9]", "audio/aac"),
        (rb"....ftypqt  ", "video/quicktime"),
        (rb"....ftyp3g", "video/3gpp"),
        (rb"....ftyp", "video/mp4"),
        (rb"\x1aE\xdf\xa3.{0,64}webm", "video/webm"),
        (rb"\x1aE\xdf\xa3", "video/x-matroska"),
        (rb"\x00\x00\x01[\xb3\xba]", "video/mpeg"),
        (rb"FLV\x01", "video/x-flv"),
        (rb"RIFF....AVI ", "video/x-msvideo"),
    )
)
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_DOCUMENTS: Final = (
    (b"PK\x03\x04", f"{_OFFICE}wordprocessingml.document"),
    (b"PK\x03\x04", f"{_OFFICE}spreadsheetml.sheet"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/vnd.ms-excel"),
)
"""Containers: what is inside is as the server says."""


def media_type_of(beginning: bytes, declared: str) -> str | None:
    """The media type of a file that begins so; `declared` decides where its bytes cannot.

    Text is `text/…` only where it is said to be and holds no NUL. `None` is anything else.
    """
    for pattern, media_type in _SIGNATURES:
        if pattern.match(beginning):
            return media_type
    said = declared.partition(";")[0].strip().lower()
    for signature, media_type in _DOCUMENTS:
        if said == media_type and beginning.startswith(signature):
            return media_type
    if said.startswith("text/") and b"\x00" not in beginning:
        return said
    return None


def is_of_kind(media_type: str, kind: str) -> bool:
    """`kind` is `image`, `audio`, `video` or `document`."""
    if kind == "document":
        return media_type.startswith(("text/", "application/"))
    return media_type.startswith(f"{kind}/")

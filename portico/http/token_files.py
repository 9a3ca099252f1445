"""Files of credentials on this machine: those of the clouds' own tools."""

import os
import tempfile
from pathlib import Path


def read_text(path: str) -> str:
    """Raises OSError or UnicodeDecodeError."""
    return Path(path).expanduser().read_text("utf-8")


def replace_text(path: str, text: str) -> None:
    """Put `text` in the file's place, whole or not at all, readable by its owner alone."""
    target = Path(path).expanduser()
    fd, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

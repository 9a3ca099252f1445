"""The data folder: where it is, that it can be used, and the admin key it holds."""

import errno
import logging
import os
import secrets
import stat
import string
from collections.abc import Mapping
from pathlib import Path

import msgspec

from portico.errors import ConfigError
from portico.types.secret import Secret

log = logging.getLogger(__name__)

_ALPHABET = string.ascii_letters + string.digits
_KEY_LENGTH = 32
_SHORTEST_KEY = 16
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class DataDir(msgspec.Struct, frozen=True):
    path: Path

    @property
    def journal(self) -> Path:
        return self.path / "journal"

    @property
    def admin_key_file(self) -> Path:
        return self.path / "admin.key"

    @property
    def address_file(self) -> Path:
        """Where the gateway that uses this folder answers; there while it runs."""
        return self.path / "address"

    def admin_key(self) -> tuple[Secret, bool]:
        """The admin key, and whether it was made just now (it is shown only then).

        A key file that others may read is tightened to 0600. Raises ConfigError when it cannot be
        read or written, or does not hold one key.
        """
        try:
            return _read_key(self.admin_key_file), False
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _key_error(self.admin_key_file, "read", error) from error
        key = new_key()
        try:
            is_ours = _create_key(self.admin_key_file, key)
            return (Secret(key), True) if is_ours else (_read_key(self.admin_key_file), False)
        except OSError as error:
            raise _key_error(self.admin_key_file, "made", error) from error


def default_data_dir(environ: Mapping[str, str], home: Path) -> Path:
    """XDG Base Directory 0.8: `$XDG_DATA_HOME/portico`; a relative value there is to be ignored."""
    base = Path(environ.get("XDG_DATA_HOME", ""))
    return (base if base.is_absolute() else home / ".local" / "share") / "portico"


def open_data_dir(path: Path) -> DataDir:
    """Make the folder (0700) if need be and see that it can be written.

    Raises ConfigError with what is in the way. A full disk is only logged: the journal refuses
    calls by itself until there is room.
    """
    path = path.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise _unusable(path, "a file of that name is in the way") from error
    except OSError as error:
        raise _unusable(path, f"it cannot be made: {error.strerror}") from error
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o022:
        log.warning("data folder %s can be written by others (%04o): chmod 700 it", path, mode)
    _check_writable(path)
    return DataDir(path)


def new_key() -> str:
    """A gateway key: `gw-` and 32 letters and digits, 190 bits of randomness."""
    return "gw-" + "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_LENGTH))


def _check_writable(path: Path) -> None:
    """Only writing tells: access(2) knows no read-only mount for root, and no quota."""
    probe = path / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        os.close(_open_new(probe))
        probe.unlink()
    except OSError as error:
        if error.errno in _FULL:
            log.warning("data folder %s: %s", path, error.strerror)
            return
        raise _unusable(path, f"it is not writable: {error.strerror}") from error


def _unusable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"data folder {path} cannot be used: {why}; "
        f"give user {os.geteuid()} write permission there or choose another data folder"
    )


def _key_error(path: Path, verb: str, error: OSError) -> ConfigError:
    return ConfigError(
        f"admin key file {path} cannot be {verb}: {error.strerror}; "
        f"it must be a file that user {os.geteuid()} can read"
    )


def _read_key(path: Path) -> Secret:
    with path.open("rb") as file:
        _tighten(file.fileno(), path)
        text = file.read(4096).decode("ascii", "replace").strip()
    if len(text) < _SHORTEST_KEY or not all(" " < c <= "~" for c in text):
        raise ConfigError(
            f"admin key file {path} does not hold one key of at least {_SHORTEST_KEY} printable "
            "characters; write one into it, or delete the file and a new key is made"
        )
    return Secret(text)


def _tighten(fd: int, path: Path) -> None:
    mode = stat.S_IMODE(os.fstat(fd).st_mode)
    if not mode & 0o077:
        return
    try:
        os.fchmod(fd, mode & 0o700)
    except OSError as error:
        log.warning("admin key file %s can be read by others: %s", path, error.strerror)
    else:
        log.warning("admin key file %s could be read by others (%04o): tightened", path, mode)


def _create_key(path: Path, key: str) -> bool:
    """Put a complete file there in one step; False when another process was first."""
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    fd = _open_new(draft)
    try:
        try:
            os.write(fd, key.encode() + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)
        return _move_if_absent(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _move_if_absent(draft: Path, path: Path) -> bool:
    """link(2) refuses to replace; where a file system has no links, rename(2) must do."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        draft.rename(path)
    return True


def _open_new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

"""What the engine may ask of stores."""

from typing import Protocol

from portico.types.call import CallRecord


class Journal(Protocol):
    """The append-only record of calls: the authority for money."""

    def admit(self) -> None:
        """Before dispatch: raise `JournalUnavailable` if one more call could not be recorded."""

    def append(self, record: CallRecord) -> None:
        """Write one record; when this returns, a `kill -9` does not lose it."""

"""`python -m portico` and the `portico` command."""

import sys
import time


def main() -> None:
    began_at = time.monotonic()
    from portico.cli import run

    sys.exit(run(began_at=began_at))


if __name__ == "__main__":
    main()

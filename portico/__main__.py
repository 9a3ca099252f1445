"""`python -m portico` and the `portico` command."""

import sys


def main() -> None:
    from portico.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()

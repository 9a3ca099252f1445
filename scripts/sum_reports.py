"""Add up JUnit reports and print one closing line: `N passed, N failed, N skipped`."""

import sys
from xml.etree import ElementTree


def main() -> None:
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for path in sys.argv[1:]:
        for suite in ElementTree.parse(path).iter("testsuite"):
            for name in totals:
                totals[name] += int(suite.get(name, 0))
    failed = totals["failures"] + totals["errors"]
    passed = totals["tests"] - failed - totals["skipped"]
    print(f"{passed} passed, {failed} failed, {totals['skipped']} skipped")


if __name__ == "__main__":
    main()

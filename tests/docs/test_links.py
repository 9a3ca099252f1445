"""`scripts/check_links`: what it finds broken, and what it lets pass."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "check_links"

PAGE = """# One page

[here](#one-page), [its second part](#two-words--a-code), [again](#again-1),
[other](sub/other.md#top)
[the web](https://example.com/nowhere#there), `[in code](nowhere.md)`, `portico/cli.py`, `cli.py`

```
[in a block](nowhere.md)
# no heading
```

## Two words: & a `code`
## Again
## Again
"""

BROKEN = """[gone](nowhere.md) and [no heading](#no-heading)
[elsewhere](sub/other.md#bottom), `wire/gone.py`
"""


def check(root: Path, *pages: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, SCRIPT, root, *pages], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def write(root: Path) -> None:
    for folder in ("sub", "portico"):
        (root / folder).mkdir()
    (root / "sub" / "other.md").write_text("# [Top](page.md)\n")
    (root / "portico" / "cli.py").touch()
    (root / "page.md").write_text(PAGE)
    (root / "broken.md").write_text(BROKEN)


def test_links_files_and_headings_that_exist_pass(tmp_path: Path) -> None:
    write(tmp_path)
    assert check(tmp_path, "page.md") == (0, "")


def test_each_thing_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path)
    assert check(tmp_path, "page.md", "broken.md") == (
        1,
        "broken.md:1: nowhere.md: there is no such file\n"
        "broken.md:1: #no-heading: broken.md has no such heading\n"
        "broken.md:2: sub/other.md#bottom: other.md has no such heading\n"
        "broken.md:2: wire/gone.py: there is no such file\n",
    )


def test_the_pages_of_this_checkout_point_at_what_is_there() -> None:
    pages = [str(page.relative_to(ROOT)) for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))]
    assert len(pages) > 20
    assert check(ROOT, *pages) == (0, "")

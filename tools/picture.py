"""Make the README's picture of the list: ``python tools/picture.py`` (or ``make picture``).

Takes `reports/prospects.html` as `make repro` left it, cuts it off behind the
first rows and photographs it with Chromium (Debian: ``apt-get install chromium``).
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "reports" / "prospects.html"
PICTURE = ROOT / "docs" / "images" / "prospects.png"

WIDTH, ROWS, COLOURS = 1280, 10, 128
LARGEST = 300_000
"""Bytes. A README is read on slow lines, too."""

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
_MEASURE = "<script>document.title = document.querySelector('main').offsetHeight</script>"
_HEIGHT = re.compile(r"<title>(\d+)</title>")


def cut(page: str, *, rows: int) -> str:
    """Hide what comes behind the first rows of the list, and the space below."""
    hidden = f"tbody tr:nth-child(n+{rows + 1}), .columns {{ display: none }}"
    return page.replace("</style>", f"{hidden} body {{ padding-bottom: 2rem }}</style>", 1)


def measured(page: str) -> str:
    """Let the page say its height: ours forbids scripts, its copy does not."""
    return _POLICY.sub("", page, count=1).replace("</body>", f"{_MEASURE}</body>", 1)


def photograph(page: str, picture: Path, *, browser: str) -> None:
    """Write what a browser shows of a page, all of its height."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "page.html")

        def run(content: str, *options: str) -> str:
            place.write_text(content, encoding="utf-8")
            profile = f"--user-data-dir={folder}/profile"
            command = [browser, *FLAGS, profile, *options, place.as_uri()]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
            return done.stdout

        found = _HEIGHT.search(run(measured(page), f"--window-size={WIDTH},1000", "--dump-dom"))
        if found is None:
            raise SystemExit(f"{browser} did not say how high the page is.")
        picture.parent.mkdir(parents=True, exist_ok=True)
        height = int(found[1]) + 64  # the padding of 2 rem above and below
        photo = Path(folder, "photo.png")
        run(page, f"--window-size={WIDTH},{height}", f"--screenshot={photo}")
        with Image.open(photo) as image:  # few colours are enough, and a third of the bytes
            image.convert("RGB").quantize(COLOURS).save(picture, optimize=True)


def main() -> None:
    """Make the picture, or say what is missing for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    options = parser.parse_args()
    browser = shutil.which("chromium")
    if browser is None:
        raise SystemExit("Chromium is not installed. On Debian: apt-get install chromium.")
    if not options.page.is_file():
        raise SystemExit(f"There is no {options.page}. Run `make repro` first.")
    page = cut(options.page.read_text(encoding="utf-8"), rows=ROWS)
    photograph(page, options.picture.absolute(), browser=browser)
    size = options.picture.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{options.picture} has {size:,} bytes, more than {LARGEST:,}.")
    sys.stdout.write(f"{options.picture}: {WIDTH} pixels wide, {size:,} bytes\n")


if __name__ == "__main__":
    main()

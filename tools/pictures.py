"""Make the pictures of the README and the guides: ``python tools/pictures.py`` (``make pictures``).

Takes the pages as `make repro` left them in `reports/`, and `reports/audit/audit.html` as
`microconv audit --out reports/audit` wrote it, cuts each down to what the reader is told of,
and photographs it with Chromium (Debian: ``apt-get install chromium``).
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]

WIDTH = 1_280
LARGEST = 150_000
"""Bytes. Guides are read on slow lines, too."""

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """A picture and what it shows of its page.

    Attributes
    ----------
    picture, page : str
        Files below `docs/images` and `reports`.
    hidden : str
        What is left out, as a CSS selector.
    click : str or None
        What is clicked first, as a CSS selector.
    colours : int
    """

    picture: str
    page: str
    hidden: str
    click: str | None = None
    colours: int = 128


SHOTS = (
    Shot(
        "prospects.png",
        "prospects.html",
        "tbody tr:nth-child(n+11), .columns, .more",
        colours=64,
    ),
    Shot(
        "row.png",
        "prospects.html",
        "header, .note, .tiles, .filters, tbody tr:nth-child(n+4), .columns, .more",
        click="tbody tr:first-child button.open",
    ),
    Shot(
        "model.png",
        "model.html",
        "main > .note, main > .scroll, main > p, h2, .three ~ *, h2 + .note",
    ),
    Shot("journey.png", "journey.html", "section:nth-of-type(n+2), section details, footer"),
    Shot("audit.png", "audit/audit.html", ".columns ~ *"),
)
"""The list for the README, a row for sales, the model for data scientists, the journey for
marketing, the audit for operations."""

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
_HEIGHT = re.compile(r"<title>(\d+)</title>")


def cut(page: str, shot: Shot) -> str:
    """Hide what is not shown, and click what is to be open; our policy lets no such script run."""
    css = f"{shot.hidden} {{ display: none !important }} body {{ padding-bottom: 2rem }}"
    click = f"document.querySelector({shot.click!r}).click();" if shot.click else ""
    height = "document.title = document.querySelector('main').offsetHeight"
    page = _POLICY.sub("", page, count=1).replace("</style>", f"{css}</style>", 1)
    return page.replace("</body>", f"<script>{click}{height}</script></body>", 1)


def photograph(page: str, shot: Shot, picture: Path, *, browser: str) -> None:
    """Write what a browser shows of a page, as high as it is."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "page.html")
        place.write_text(page, encoding="utf-8")

        def run(*options: str) -> str:
            profile = f"--user-data-dir={folder}/profile"
            command = [browser, *FLAGS, profile, *options, place.as_uri()]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
            return done.stdout

        found = _HEIGHT.search(run(f"--window-size={WIDTH},1000", "--dump-dom"))
        if found is None:
            raise SystemExit(f"{browser} did not say how high {shot.page} is.")
        picture.parent.mkdir(parents=True, exist_ok=True)
        height = int(found[1]) + 64  # the padding of 2 rem above and below
        photo = Path(folder, "photo.png")
        run(f"--window-size={WIDTH},{height}", f"--screenshot={photo}")
        with Image.open(photo) as image:  # few colours are enough, and a third of the bytes
            image.convert("RGB").quantize(shot.colours).save(picture, optimize=True)


def main() -> None:
    """Make the pictures, or say what is missing for them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=Path, default=ROOT / "reports")
    parser.add_argument("--pictures", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    browser = shutil.which("chromium")
    if browser is None:
        raise SystemExit("Chromium is not installed. On Debian: apt-get install chromium.")
    missing = []
    for shot in SHOTS:
        page, picture = options.reports / shot.page, options.pictures.absolute() / shot.picture
        if not page.is_file():
            missing.append(f"{shot.picture} stays as it is: there is no {page}.")
            continue
        photograph(cut(page.read_text(encoding="utf-8"), shot), shot, picture, browser=browser)
        size = picture.stat().st_size
        if size > LARGEST:
            raise SystemExit(f"{picture} has {size:,} bytes, more than {LARGEST:,}.")
        sys.stdout.write(f"{picture}: {WIDTH} pixels wide, {size:,} bytes\n")
    if missing:
        missing.append("Run `make repro` first, and for the audit `microconv audit`.")
        raise SystemExit("\n".join(missing))


if __name__ == "__main__":
    main()

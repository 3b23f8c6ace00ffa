"""The guides' pictures: there, small, described, and each made by the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
SHOWN = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_guide_shows_a_picture_and_says_what_is_on_it(page) -> None:
    """Whoever does not see it hears it; whoever has a slow line need not wait for it."""
    shown = SHOWN.findall(page.read_text(encoding="utf-8"))
    assert shown
    for says, place in shown:
        assert len(says.split()) >= 6, place
        picture = (page.parent / place).resolve()
        assert picture.read_bytes().startswith(b"\x89PNG\r\n"), place
        assert picture.stat().st_size <= 150_000, place


def test_pictures_are_made_by_the_code_and_none_is_left_over() -> None:
    """One that nobody can make again shows what the page looked like once."""
    tool = (ROOT / "tools" / "pictures.py").read_text(encoding="utf-8")
    made = re.findall(r'Shot\(\s*"([a-z]+\.png)"', tool)
    lying = sorted(picture.name for picture in IMAGES.iterdir())
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    shown = {Path(place).name for text in texts for _, place in SHOWN.findall(text)}
    assert sorted(made) == lying == sorted(shown)

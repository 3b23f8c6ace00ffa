"""docs/reference.md: every setting and every table, as the code has them."""

from __future__ import annotations

from reference import PAGE, page, undocumented


def test_the_reference_is_what_the_code_says():
    """A reference that is out of date is worse than none."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make reference`"


def test_every_setting_is_explained():
    """A key without a meaning sends its reader to the source."""
    assert undocumented() == []

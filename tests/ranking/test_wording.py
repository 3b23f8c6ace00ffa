"""What feature values read like in reasons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.features.matrix import column_names
from microconv.journey import JourneyMap
from microconv.ranking.explanations.wording import ReasonWriter
from microconv.settings import read_settings

ROOT = Path(__file__).parents[2]
STATES = {
    "attributes": {
        "columns": [
            {"name": "company_size"},
            {"name": "source", "categories": ["webinar", "[ago x] {number} =1+1"]},
        ]
    }
}


def wording_of(params: str, **features: object) -> ReasonWriter:
    """Apply the table to every column that a params.yaml makes."""
    settings = read_settings(ROOT / params)
    journey = JourneyMap.from_settings(settings.journey)
    feature_settings = settings.features.model_copy(update=features)
    names = [
        name
        for fitted in (False, True)
        for name in column_names(journey, feature_settings, STATES, fitted=fitted)
    ]
    return ReasonWriter(tuple(names), journey)


DEMO = wording_of("params.yaml")
LOANS = wording_of("examples/bpi2012/params.yaml")
FOLDED = wording_of("params.yaml", max_steps=6, pairs="none")


def describe(column: str, writer: ReasonWriter = DEMO, **values: float) -> str:
    """Put one column of an otherwise empty row into words."""
    row = np.full(len(writer.columns), np.nan, np.float32)
    for position, name in enumerate(writer.columns):
        if name.startswith("counts."):
            row[position] = 0
    for name, value in values.items():
        row[writer.columns.index(name)] = value
    return writer.describe(writer.columns.index(column), row)[0]


def test_a_step_reads_as_when_it_was_done() -> None:
    """The sentence that sales feature_settings for."""
    values = {"recency.pricing_visit.last": 2.4, "counts.pricing_visit.7d": 1}
    assert describe("recency.pricing_visit.last", **values) == "visited pricing 2 days ago"
    assert describe("counts.pricing_visit.7d", **values) == "visited pricing 2 days ago"


def test_a_count_says_how_often_and_when_last() -> None:
    """Three visits, the last of them yesterday, are one fact."""
    values = {"recency.pricing_visit.last": 1.1, "counts.pricing_visit.30d": 3}
    expected = "visited pricing 3 times in 30 days, last 1 day ago"
    assert describe("counts.pricing_visit.30d", **values) == expected


def test_what_was_done_long_ago_is_told_from_what_was_never_done() -> None:
    """Both have a count of zero in the window, and they are different people."""
    assert describe("counts.pricing_visit.30d") == "not yet: visited pricing"
    old = describe("counts.pricing_visit.30d", **{"recency.pricing_visit.last": 45.0})
    assert old == "visited pricing 45 days ago, not since"


def test_unopened_emails_are_counted() -> None:
    """The other sentence that sales feature_settings for."""
    expected = "4 emails, none opened in 30 days"
    assert describe("counts.email_opened.30d", **{"counts.email_sent.30d": 4}) == expected
    one = describe("counts.email_opened.ever", **{"counts.email_sent.ever": 1})
    assert one == "1 email, none ever opened"


def test_sequences_stages_and_silence_read_well() -> None:
    """One of each of the families that are about order and pace."""
    pair = "path.comparison_guide>demo_video"
    done = {f"{pair}.done": 1, f"{pair}.days": 2.2}
    assert describe(f"{pair}.done", **done) == "comparison guide, then demo video within 3 days"
    assert describe(f"{pair}.done", **{f"{pair}.done": 0}) == (
        "not yet: comparison guide, then demo video"
    )
    stage = {"ladder.stage.highest": 3}
    assert describe("ladder.stage.highest", **stage) == "reached the decision stage"
    assert describe("path.last_1.days", **{"path.last_1.days": 21.7}) == "quiet for 21 days"


def test_a_category_is_put_in_last_and_means_nothing() -> None:
    """Brackets and braces in data are letters, not slots."""
    name = "attributes.source=[ago x] {number} =1+1"
    assert describe(name, **{name: 1}) == "source: [ago x] {number} =1+1"


@pytest.mark.parametrize("writer", [DEMO, LOANS], ids=["demo", "loans"])
@pytest.mark.parametrize("value", [np.nan, 0.0, 0.4, 1.0, 2.5, 3.0, 40.0])
def test_every_column_has_a_sentence(writer: ReasonWriter, value: float) -> None:
    """Whatever feature matters most, the reader gets words, never a column's name."""
    row = np.full(len(writer.columns), value, np.float32)
    codes = [".highest", ".stage", ".commitment"]
    for position, name in enumerate(writer.columns):
        if any(name.endswith(code) for code in codes) and not np.isnan(value):
            row[position] = min(round(value), 3) or (0 if "highest" in name else 1)
    for position, name in enumerate(writer.columns):
        text, _ = writer.describe(position, row)
        kept = "[ago x]" in name
        assert text.strip(), name
        assert "nan" not in text.split(), (name, text)
        assert kept or not set("[]{}_<>=") & set(text), (name, text)
        assert len(text) <= 120, (name, text)


def test_steps_without_columns_of_their_own_read_as_another_step() -> None:
    """The column says of many steps that one of them was done, and so does the reason."""
    values = {"recency.(other).last": 2.4, "counts.(other).7d": 3}
    said = "did another step 3 times in 7 days, last 2 days ago"
    assert describe("counts.(other).7d", FOLDED, **values) == said
    assert describe("recency.(other).last", FOLDED, **values) == "did another step 2 days ago"
    assert describe("path.last=(other)", FOLDED, **{"path.last=(other)": 1}) == (
        "latest step: did another step"
    )


@pytest.mark.parametrize("writer", [DEMO, LOANS, FOLDED], ids=["demo", "loans", "folded"])
def test_no_column_that_can_occur_falls_to_the_generic_text(writer: ReasonWriter) -> None:
    """A family added without texts shows here, before it shows on a list."""
    generic = [
        name
        for name, subject in zip(writer.columns, writer.subjects, strict=True)
        if name == subject
    ]
    assert generic == []


def test_windows_of_one_step_have_one_subject_and_steps_their_own() -> None:
    """Reasons are grouped by it: 7 and 30 days of pricing are one reason, pricing and blog two."""
    subject = dict(zip(DEMO.columns, DEMO.subjects, strict=True))
    about_pricing = {
        subject[name]
        for name in (
            "counts.pricing_visit.7d",
            "counts.pricing_visit.30d",
            "recency.pricing_visit.last",
            "recency.pricing_visit.first",
        )
    }
    assert len(about_pricing) == 1
    assert subject["counts.blog_read.7d"] not in about_pricing
    assert subject["attributes.source=webinar"] == subject["attributes.source=(other)"]


@given(name=st.text(min_size=1, max_size=40), value=st.floats(width=32))
def test_a_family_nobody_thought_of_still_reads(name: str, value: float) -> None:
    """An unknown column falls to a plain generic sentence, whatever it is called."""
    writer = ReasonWriter((name,), DEMO.journey)
    text, weak = writer.describe(0, np.array([value], np.float32))
    assert text.isprintable()
    assert len(text) <= 120
    assert isinstance(weak, bool)

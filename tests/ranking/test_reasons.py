"""Reasons add up to the log-odds and name the strongest subjects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from microconv.histories.arrays import microseconds
from microconv.histories.load import load_histories
from microconv.histories.visible import visible_events
from microconv.model.calibration import UNCALIBRATED
from microconv.model.ensemble import BASE_MODELS, EQUAL_WEIGHTS
from microconv.ranking.bucket import model_features
from microconv.ranking.explanations.reasons import by_subject, explain, reasons_of, sum_by
from microconv.ranking.explanations.wording import ReasonWriter
from worlds.logs import JOURNEY
from worlds.ranking import END, trained, world

COLUMNS = (
    "counts.pricing.7d",
    "counts.pricing.30d",
    "recency.pricing.last",
    "recency.blog.last",
    "attributes.source=webinar",
    "attributes.source=referral",
    "path.last_1.days",
)
WORDING = ReasonWriter(COLUMNS, JOURNEY)
ADA = np.array([[1], [2], [2.5], [9.0], [0], [1], [21.0]], np.float32)
"""Ada: pricing twice, last 2 days ago; blog 9 days ago; a referral; quiet for 21 days."""


def reasons(*contributions: float, most: int = 3) -> list[str | None]:
    """Give Ada's reasons if her columns contribute so much."""
    return reasons_of(ADA, np.array([contributions]), WORDING, most=most)[0]


def test_near_duplicates_are_one_reason() -> None:
    """Pricing 0.3 + 0.3 + 0.3 outweighs the blog's 0.5, and is said once."""
    assert reasons(0.3, 0.3, 0.3, 0.5, 0, 0, 0) == [
        "↑ pricing 2 days ago",
        "↑ blog 9 days ago",
        None,
    ]


def test_a_reason_is_told_by_its_heaviest_column() -> None:
    """Twice in 30 days is what moved the model here, so that is what is said."""
    assert reasons(0.1, 0.4, 0.1, 0, 0, 0, 0)[0] == "↑ pricing twice in 30 days, last 2 days ago"


def test_the_direction_is_that_of_the_sum() -> None:
    """+0.2 − 0.7 is against, and told by the column that made it so."""
    assert reasons(0.2, 0, -0.7, 0, 0, 0, 0)[0] == "↓ pricing 2 days ago"


def test_for_and_against_stand_side_by_side_by_weight() -> None:
    """What weighs most comes first, whichever way it pulls."""
    assert reasons(0.2, 0, 0, -0.1, 0, 0, -0.4) == [
        "↓ quiet for 21 days",
        "↑ pricing 2 days ago",
        "↓ blog 9 days ago",
    ]


def test_an_attribute_is_told_by_what_it_is() -> None:
    """The model may have used "is not webinar"; the reader wants to know that it is a referral."""
    assert reasons(0, 0, 0, 0, 0.5, 0.1, 0)[0] == "↑ source: referral"


def test_what_moves_nothing_is_no_reason() -> None:
    """A model that knows only the base rate has nothing to say, and says nothing."""
    assert reasons(0, 0, 0, 0, 0, 0, 0) == [None, None, None]


def test_opposite_columns_of_one_subject_cancel() -> None:
    """+0.4 and −0.4 about pricing is no reason at all."""
    assert reasons(0.4, -0.4, 0, 0.1, 0, 0, 0) == ["↑ blog 9 days ago", None, None]


@pytest.fixture(scope="module")
def features():
    """Return the model's columns for the first prospects of the world."""
    log = world()
    histories = load_histories(log.read_events(0), JOURNEY, log.read_prospects(0))
    rows = np.arange(40)
    visible = visible_events(histories, rows, np.full(40, microseconds(END)))
    return model_features(visible, trained())


def test_all_reasons_of_a_row_add_up_to_its_probability(features) -> None:
    """Reasons are exact: with the intercept they are the logit, nothing is left over."""
    model = trained()
    contributions = model.logit_contributions(features)
    logit = contributions.sum(axis=1)
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), model.predict(features), rtol=1e-12)


@pytest.mark.parametrize("base_model", [*BASE_MODELS, None], ids=[*BASE_MODELS, "all three"])
def test_all_subjects_and_the_base_are_the_logit_of_the_list(features, base_model) -> None:
    """Grouped as on the list: nothing is left over and nothing is counted twice."""
    model = trained()
    shares = (
        EQUAL_WEIGHTS
        if base_model is None
        else tuple(float(base_model == name) for name in BASE_MODELS)
    )
    ensemble = replace(model.ensemble, weights=shares, calibration=UNCALIBRATED, shift=0.0)
    parts = ensemble.contributions(features)
    subjects = sum_by(by_subject(ReasonWriter(model.columns, model.journey)), parts[:, :-1])
    assert 5 < subjects.shape[1] < len(model.columns) / 2  # near-duplicates stand together
    logits = ensemble.base_logits(features)
    mixed = sum(share * logits[name] for share, name in zip(shares, BASE_MODELS, strict=True))
    assert np.abs(subjects.sum(axis=1) + parts[:, -1] - mixed).max() < 1e-9


def test_a_row_is_explained_by_itself(features) -> None:
    """Who else is on the list changes nobody's reasons."""
    together = explain(features, trained(), most=3)
    alone = explain(features[:, 7:8], trained(), most=3)
    assert alone.iloc[0].tolist() == together.iloc[7].tolist()


def test_the_heaviest_subject_of_a_real_row_comes_first(features) -> None:
    """By hand for every row: sum the contributions by subject, take the largest."""
    model = trained()
    writer = ReasonWriter(model.columns, model.journey)
    found = explain(features, model, most=1)["reason_1"]
    for row, parts in enumerate(model.logit_contributions(features)[:, :-1]):
        sums: dict[str, float] = {}
        for name, part in zip(writer.subjects, parts, strict=True):
            sums[name] = sums.get(name, 0.0) + part
        heaviest = max(sums, key=lambda name: abs(sums[name]))
        about = [i for i, name in enumerate(writer.subjects) if name == heaviest]
        arrow = "↑ " if sums[heaviest] > 0 else "↓ "
        assert found[row] in {arrow + writer.describe(i, features[:, row])[0] for i in about}


def test_nobody_listed_is_nothing_to_explain(features) -> None:
    """An empty list keeps its columns."""
    empty = explain(features[:, :0], trained(), most=2)
    assert empty.columns.tolist() == ["reason_1", "reason_2"]
    assert len(empty) == 0

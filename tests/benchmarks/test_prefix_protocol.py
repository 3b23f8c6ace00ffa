"""The published prefix protocol: which cases, rows and events count, and the score."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from prefix_controls import encode
from prefix_features import fill_families, load_cases, read_journey
from prefix_protocol import (
    Cases,
    Rows,
    auc,
    drop_outcomes,
    outer_split,
    read_cases,
    split_rows,
    weighted_auc,
)

REAL = os.environ.get("MICROCONV_REAL_DATA")
needs_data = pytest.mark.skipif(REAL is None, reason="MICROCONV_REAL_DATA is not set")


def cases_of(*histories, labels=None) -> Cases:
    """Make cases from lists of (minute, name[, resource]), in the order given."""
    rows = [
        {"case": case, "name": name, "time": minute, "resource": (who or ["1"])[0], "amount": 5.0}
        for case, history in enumerate(histories)
        for minute, name, *who in history
    ]
    events = pd.DataFrame(rows)
    events["time"] = pd.Timestamp("2012-01-02", tz="UTC") + pd.to_timedelta(events["time"], "min")
    offsets = np.append(0, np.cumsum([len(history) for history in histories]))
    won = np.array(labels or [True] * len(histories))
    return Cases(events, offsets, won, np.zeros(len(won), bool))


def test_train_events_after_the_test_began_are_not_seen():
    """Two cases train; what they do from minute 30 on, when the third begins, is dropped."""
    cases = cases_of(
        [(0, "a"), (10, "b"), (30, "c"), (40, "d")], [(5, "a"), (29, "b")], [(30, "a"), (99, "b")]
    )
    train, test = split_rows(cases, range(2), range(2, 3))
    assert list(zip(train.case, train.length, train.end, strict=True)) == [
        (0, 1, 1), (0, 2, 2), (1, 1, 5), (1, 2, 6),
    ]  # fmt: skip
    assert test.end.tolist() == [7, 8]


def test_inner_folds_see_nothing_of_the_test_period():
    """The second case is predicted only up to minute 30, when the test part begins."""
    cases = cases_of([(0, "a"), (5, "b")], [(4, "a"), (30, "b")], [(30, "a")])
    train, test_rows = split_rows(cases, range(1), range(1, 2), before=2)
    assert train.length.tolist() == [1]
    assert test_rows.length.tolist() == [1]


def test_a_case_weighs_one_however_long():
    """Three prefixes of one case weigh as much together as the one of another."""
    rows = Rows(*np.array([[0, 0, 0, 1], [1, 2, 3, 1], [1, 2, 3, 4]]), *np.ones((2, 4), bool))
    assert rows.weights().tolist() == [1 / 3, 1 / 3, 1 / 3, 1]


def test_the_score_weighs_lengths_by_their_rows_and_counts_undefined_as_nothing():
    """Length 1: three of four pairs right (.75), 4 rows; length 2: one outcome, 0, 1 row."""
    rows = Rows(
        np.array([0, 1, 2, 3, 0]), np.array([1, 1, 1, 1, 2]), np.arange(1, 6),
        np.array([True, True, False, False, True]), np.zeros(5, bool),
    )  # fmt: skip
    scores = np.array([0.9, 0.4, 0.5, 0.1, 0.7])
    assert weighted_auc(scores, rows) == pytest.approx((4 * 0.75 + 1 * 0) / 5)


def test_drawing_a_case_twice_is_having_it_twice():
    """The bootstrap counts rows; scikit-learn's AUC on repeated rows is the same."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(3)
    scores = rng.integers(0, 6, 60) / 5  # many ties
    labels, drawn = rng.random(60) < 0.4, rng.integers(0, 4, 60)
    expected = roc_auc_score(np.repeat(labels, drawn), np.repeat(scores, drawn))
    assert auc(scores, labels, drawn.astype(float)) == pytest.approx(expected)


def test_cutting_keeps_a_withdrawn_offer_that_was_replaced():
    """The first offer was withdrawn and another accepted: the cut is at the acceptance."""
    cases = cases_of(
        [(0, "O_SENT|COMPLETE"), (1, "O_CANCELLED|COMPLETE"), (2, "O_SENT|COMPLETE"),
         (3, "A_REGISTERED|COMPLETE"), (4, "O_ACCEPTED|COMPLETE")],
        [(0, "O_SENT|COMPLETE"), (1, "O_CANCELLED|COMPLETE"), (2, "W_Nabellen|COMPLETE")],
    )  # fmt: skip
    last = cases.events["case"].map({0: "O_ACCEPTED|COMPLETE", 1: "O_CANCELLED|COMPLETE"})
    assert drop_outcomes(cases.events, last).groupby("case").size().to_dict() == {0: 3, 1: 1}


def test_the_controls_encoding_is_what_pandas_says_of_each_prefix():
    """Counts, sums, means, deviations and extremes of a prefix, one group at a time."""
    cases = cases_of([(0, "a"), (7, "b"), (9, "a"), (300, "a")], [(2, "b"), (65, "b")])
    minutes = cases.events.groupby("case")["time"].transform(
        lambda t: (t - t.min()) / pd.Timedelta("1min")
    )
    encoded = encode(cases)
    assert encoded.shape == (6, 2 + 1 + 1 + 5 * 8)
    seen = minutes[:3]  # since the case began: column 5 of each block of eight numbers
    blocks = encoded[2, 4:].reshape(5, 8)[:, 5]
    expected = [seen.sum(), seen.mean(), seen.std(), seen.max(), seen.min()]
    np.testing.assert_allclose(blocks, expected, rtol=1e-5)
    assert encoded[2, :2].tolist() == [2, 1]
    assert encoded[5, :2].tolist() == [0, 2]


@needs_data
def test_the_public_log_has_the_published_cases():
    """4,685 cases got an offer and ended, as many as the publication says."""
    cases = read_cases(Path(REAL) / "bpi2012", "accepted")
    train, test = outer_split(cases)
    assert (len(cases), len(train), len(test)) == (4685, 3748, 937)
    assert cases.labels.sum() == 2243
    assert not (cases.labels & cases.exits).any()
    assert cases.exits.sum() == read_cases(Path(REAL) / "bpi2012", "declined").labels.sum()


@needs_data
def test_our_columns_of_a_prefix_do_not_know_what_follows():
    """The same prefix has the same columns whether or not its case goes on."""
    whole = read_cases(Path(REAL) / "bpi2012", "accepted")
    ends = whole.labels[:40], whole.exits[:40]
    few = Cases(whole.events[: whole.offsets[40]], whole.offsets[:41], *ends)
    case = np.arange(40)
    length = np.full(40, 9)
    rows = Rows(case, length, few.offsets[case] + length, *ends)
    events = few.events[few.events.groupby("case").cumcount() < 9].reset_index(drop=True)
    short = Cases(events, np.arange(41) * 9, *ends)
    short_rows = Rows(case, length, (case + 1) * 9, *ends)
    journey = read_journey()
    full, names = fill_families(load_cases(few, journey), rows, journey)
    cut, _ = fill_families(load_cases(short, journey), short_rows, journey)
    assert len(names) == len(full)
    np.testing.assert_array_equal(full, cut)

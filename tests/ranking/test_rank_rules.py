"""The rules of who is listed, through a whole ranking: log and model in, list out."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from microconv.errors import SettingsError
from microconv.ranking.rank import rank_prospects
from microconv.ranking.ranked_list import Ranking
from microconv.settings import EngineSettings
from worlds.logs import AS_OF, event, log_of
from worlds.ranking import END, SplitLog, settings, trained, trained_on_events, world

DAY = timedelta(days=1)


def rank(log=None, *, as_of=END, threads=None, limit=20, **rules) -> Ranking:
    """Rank the world, or another log, by some rules."""
    given = settings().score.model_dump() | {"limit": limit} | rules
    score = type(settings().score).model_validate(given)
    engine = EngineSettings(threads=threads)
    model = trained_on_events() if getattr(log, "prospects", ...) is None else trained()
    return rank_prospects(log or world(), model=model, as_of=as_of, settings=score, engine=engine)


def test_two_passes_say_the_same_as_one() -> None:
    """Room for everybody: capacities that bind nobody change no bit of the list."""
    free = rank(capacities={"owner": {"each": 1000}})
    pd.testing.assert_frame_equal(free.frame, rank().frame, check_exact=True)


@pytest.mark.parametrize("buckets", [1, 8])
@pytest.mark.parametrize("threads", [1, 2])
def test_buckets_and_threads_change_no_bit_and_nobody_gets_lost(buckets, threads) -> None:
    """Three owners, five places each, two drawn: the same list on every machine."""
    rules = {
        "capacities": {"owner": {"each": 5, "named": {"owner-1": 0}}},
        "exploration": {"slots": 2, "seed": 3},
    }
    expected, found = rank(**rules), rank(SplitLog(world(), buckets), threads=threads, **rules)
    pd.testing.assert_frame_equal(found.frame, expected.frame, check_exact=True)
    assert found.left_out == expected.left_out
    assert found.prospects == 300
    by_rank = found.frame[found.frame["selection_reason"] == "rank"]
    assert by_rank["owner"].value_counts().to_dict() == {"owner-0": 5, "owner-2": 5}
    drawn = found.frame[found.frame["selection_reason"] == "exploration"]
    assert len(drawn) == 2
    assert "owner-1" not in set(drawn["owner"])
    assert (drawn["selection_probability"] < 1).all()
    assert found.selection_rules["exploration"] == {"slots": 2, "seed": 3}


def test_what_comes_first_may_be_the_expected_value() -> None:
    """The list falls in expected value; percentiles stay those of the probability."""
    found, plain = rank(rank_by="expected_value"), rank(limit=300)
    assert found.frame["expected_value"].is_monotonic_decreasing
    by_value = plain.frame.sort_values("expected_value", ascending=False)["expected_value"][:20]
    np.testing.assert_array_equal(found.frame["expected_value"], by_value)
    both = found.frame.merge(plain.frame, on="prospect_id")
    assert (both["percentile_x"] == both["percentile_y"]).all()


def test_whoever_was_spoken_to_lately_is_left_alone() -> None:
    """By hand, 14 days: a talk on the first day of the span counts, one just before does not."""
    rows = [
        event("inside", "reference", AS_OF - 14 * DAY),
        event("before", "reference", AS_OF - 14 * DAY - timedelta(seconds=1)),
        event("unseen", "reference", AS_OF - DAY, seen=AS_OF),
        event("unseen", "blog", AS_OF - 2 * DAY),
        event("never", "blog", AS_OF - DAY),
    ]
    found = rank(log_of(*rows), as_of=AS_OF, cool_off={"steps": ["reference"], "days": 14})
    assert set(found.frame["prospect_id"]) == {"before", "unseen", "never"}
    assert found.left_out["cooling_off"] == 1
    assert (found.scored, found.prospects) == (4, 4)


def test_exits_are_counted_by_step_and_a_machines_apart() -> None:
    """A scanner that unsubscribed is obeyed, and reported; only what was visible counts."""
    rows = [
        event("gone", "left", AS_OF - 3 * DAY),
        event("scanned", "left", AS_OF - 3 * DAY, human_probability=0.2),
        event("both", "left", AS_OF - 4 * DAY, human_probability=0.2),
        event("both", "left", AS_OF - 3 * DAY, human_probability=0.9),
        event("later", "blog", AS_OF - 3 * DAY),
        event("later", "left", AS_OF + DAY),
    ]
    found = rank(log_of(*rows), as_of=AS_OF)
    assert found.exits == {"left": 2, "left (probably an automated scan)": 1}
    assert found.left_out["exited"] == 3
    assert found.frame["prospect_id"].tolist() == ["later"]


@pytest.mark.parametrize(
    ("rules", "error", "says"),
    [
        pytest.param({"capacities": {"team": {"each": 3}}}, SettingsError, "`team`", id="column"),
        pytest.param({"one_per_account": True}, SettingsError, "`account_id`", id="no account"),
        pytest.param(
            {"cool_off": {"steps": ["referense"], "days": 3}},
            SettingsError,
            "`reference`",
            id="step",
        ),
    ],
)
def test_rules_that_cannot_be_followed_are_refused(rules, error, says) -> None:
    """No list is better than one that ignores a rule."""
    with pytest.raises(error, match=says):
        rank(**rules)


def test_slots_must_leave_a_row_for_the_best() -> None:
    """Ten rows, ten drawn: nobody would be called for a reason."""
    with pytest.raises(ValueError, match="leaves none for the best"):
        rank(limit=10, exploration={"slots": 10, "seed": 1})
    score = settings().score.model_copy(update={"limit": 20})
    score = type(score).model_validate(
        score.model_dump() | {"exploration": {"slots": 10, "seed": 1}}
    )
    with pytest.raises(SettingsError, match="leaves none for the best"):
        rank_prospects(world(), model=trained(), as_of=END, settings=score, limit=10)

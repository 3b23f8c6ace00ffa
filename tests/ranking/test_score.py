"""`score`: who is listed, in which order, and how the others are counted."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from microconv.errors import OtherJourneyError, SettingsError, TimeError
from microconv.features.matrix import build_features
from microconv.features.training_set import locate_snapshots
from microconv.histories.folds import plan_as_ofs
from microconv.histories.load import load_histories
from microconv.histories.snapshots import cohort_snapshots
from microconv.histories.visible import visible_events
from microconv.ranking.rank import rank_prospects
from microconv.ranking.ranked_list import Ranking
from microconv.settings import EngineSettings
from microconv.storage.log import MemoryLog
from microconv.storage.schema import EVENT_ORDER
from worlds.logs import AS_OF, JOURNEY, event, log_of
from worlds.ranking import END, SplitLog, settings, trained, trained_on_events, world

SCORE = settings().score


def rank(log=None, *, as_of=END, limit=None, **more) -> Ranking:
    """Rank the world with its model, or a log without prospects with one that needs none."""
    model = trained_on_events() if getattr(log, "prospects", ...) is None else trained()
    return rank_prospects(log or world(), model=model, as_of=as_of, limit=limit, **more)


@pytest.fixture(scope="module")
def everyone() -> Ranking:
    """Rank everybody in the world."""
    return rank()


def test_whom_the_list_leaves_out_and_why() -> None:
    """One prospect of each kind, by hand; everyone in the log is accounted for."""
    day = timedelta(days=1)
    rows = [
        event("active", "pricing", AS_OF - day),
        event("also active", "blog", AS_OF - 3 * day),
        event("customer", "blog", AS_OF - 5 * day),
        event("customer", "won", AS_OF - 2 * day),
        event("gone", "blog", AS_OF - 5 * day),
        event("gone", "left", AS_OF - 2 * day),
        event("quiet", "blog", AS_OF - 31 * day),
        event("tomorrow", "blog", AS_OF),
        event("merged", "blog", AS_OF - 5 * day, visible_until=AS_OF - day),
        event("unmapped", "no such step", AS_OF - day),
    ]
    ranking = rank(log_of(*rows), as_of=AS_OF, limit=1)
    assert ranking.left_out == {
        "converted": 1, "exited": 1, "inactive": 1, "not_yet_known": 1, "merged_away": 1,
        "no_step": 1, "below_the_limit": 1,
    }  # fmt: skip
    assert (ranking.prospects, ranking.known, ranking.scored, len(ranking.frame)) == (8, 5, 2, 1)


def test_a_prospect_without_an_event_is_counted_too() -> None:
    """The CRM knows 300 prospects; whoever never did anything is left out with a reason."""
    log = world()
    seen = set(log.read_events(0).column("prospect_id").to_pylist())
    one_less = log.events.filter(pc.not_equal(log.events.column("prospect_id"), min(seen)))
    assert rank(MemoryLog(one_less, log.prospects)).left_out["no_step"] == 300 - len(seen) + 1


def test_the_list_is_in_order_and_probabilities_are_the_models(everyone: Ranking) -> None:
    """Rank 1 is the most probable; nothing is dropped on the way."""
    frame = everyone.frame
    assert frame["rank"].tolist() == list(range(1, everyone.scored + 1))
    assert frame["probability"].is_monotonic_decreasing
    assert frame["prospect_id"].is_unique


def test_a_limit_cuts_the_list_and_changes_nothing_else(everyone: Ranking) -> None:
    """Percentiles stay among everyone scored, reasons are those of the full list."""
    short = rank(limit=7)
    pd.testing.assert_frame_equal(short.frame, everyone.frame[:7])
    assert short.scored == everyone.scored
    assert short.left_out["below_the_limit"] == everyone.scored - 7


def test_renaming_prospects_permutes_the_list_and_nothing_else(everyone: Ranking) -> None:
    """An id is a name, not a feature: reversed names, hence another order of the log."""
    log = world()

    def renamed(table: pa.Table) -> pa.Table:
        ids = [name[::-1] for name in table.column("prospect_id").cast(pa.string()).to_pylist()]
        return table.set_column(
            table.column_names.index("prospect_id"), "prospect_id", pa.array(ids)
        )

    events = renamed(log.events).sort_by([(name, "ascending") for name in EVENT_ORDER])
    people = renamed(log.prospects).sort_by("prospect_id")
    found = rank(MemoryLog(events, people)).frame
    found["prospect_id"] = [name[::-1] for name in found["prospect_id"]]
    pd.testing.assert_frame_equal(found, everyone.frame)


@pytest.mark.parametrize("buckets", [2, 8])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("limit", [None, 7])
def test_buckets_and_threads_change_no_bit(everyone, buckets, threads, limit) -> None:
    """A bigger machine, or a log cut finer, gives the same list."""
    found = rank(SplitLog(world(), buckets), limit=limit, engine=EngineSettings(threads=threads))
    pd.testing.assert_frame_equal(found.frame, everyone.frame[:limit], check_exact=True)
    assert {**found.left_out, "below_the_limit": 0} == {**everyone.left_out, "below_the_limit": 0}


def test_the_future_never_reaches_the_list(everyone: Ranking) -> None:
    """Everything at or after `as_of` is deleted, and the list is the same."""
    as_of = END - timedelta(days=40)
    log = world()
    past = MemoryLog(log.events.filter(pc.less(log.events["time"], as_of)), log.prospects)
    pd.testing.assert_frame_equal(
        rank(as_of=as_of).frame, rank(past, as_of=as_of).frame, check_exact=True
    )


def test_scoring_at_a_past_instant_gives_the_snapshots_of_the_backtest() -> None:
    """Same cohort, same features, hence the same probabilities."""
    given, log, model = settings(), world(), trained()
    histories = load_histories(log.read_events(0), JOURNEY, log.read_prospects(0))
    as_ofs = plan_as_ofs(given.snapshots, observed_until=END)
    snapshots, _ = cohort_snapshots(histories, JOURNEY, given.snapshots, as_ofs, END)
    rows = snapshots.filter(pc.equal(snapshots["as_of"], as_ofs[4]))
    visible = visible_events(histories, *locate_snapshots(rows, histories))
    values = np.concatenate(
        [
            build_features(visible, JOURNEY, given.features, model.states, fitted=f)
            for f in (False, True)
        ]
    )
    expected = dict(
        zip(rows["prospect_id"].to_pylist(), model.predict(values).tolist(), strict=True)
    )
    found = rank(as_of=as_ofs[4]).frame
    assert dict(zip(found["prospect_id"], found["probability"], strict=True)) == expected


def test_contacts_and_facts_are_the_prospects_own(everyone: Ranking) -> None:
    """Whoever stands in a row is who it is about: checked against the raw events."""
    log = world()
    owners = dict(
        zip(
            log.prospects["prospect_id"].to_pylist(),
            log.prospects["owner"].to_pylist(),
            strict=True,
        )
    )
    frame = log.events.to_pandas()
    micro = {step.name for step in JOURNEY.steps if step.kind == "micro"}
    acts = frame[frame["event_name"].isin(micro) & (frame["time"] < pd.Timestamp(END))]
    latest = acts.groupby("prospect_id")["time"].max()
    for _, row in everyone.frame.iterrows():
        assert row["owner"] == owners[row["prospect_id"]]
        if row["prospect_id"] in latest.index:
            assert row["last_activity"] == latest[row["prospect_id"]]
        else:
            assert pd.isna(row["last_activity"])
    frame = everyone.frame
    np.testing.assert_allclose(frame["expected_value"], frame["probability"] * frame["amount"])
    assert frame["amount"].between(100, 900).all()


def test_further_horizons_never_fall_from_a_shorter_to_a_longer_one() -> None:
    """One model answers for a week, its own month and a quarter; the order is the same."""
    frame = rank(settings=SCORE.model_copy(update={"horizons_days": (7.0, 60.0)})).frame
    named = [name for name in frame.columns if name.startswith("probability")]
    assert named == ["probability", "probability_7d", "probability_60d"]
    assert (frame["probability_7d"] < frame["probability"]).all()
    assert (frame["probability"] < frame["probability_60d"]).all()
    assert frame["probability_7d"].is_monotonic_decreasing


def test_settings_give_limit_grades_and_reasons() -> None:
    """The section `score` of params.yaml shapes the list."""
    frame = rank(settings=SCORE.model_copy(update={"reasons": 5})).frame
    assert len(frame) == SCORE.limit
    assert [name for name in frame if name.startswith("reason_")][-1] == "reason_5"
    by_hand = [
        next(g for g, least in SCORE.grades.items() if p >= least) for p in frame["probability"]
    ]
    assert frame["grade"].tolist() == by_hand


def test_an_empty_cohort_is_an_empty_list_that_says_why() -> None:
    """Everybody has converted or gone quiet: no crash, and the reader learns the reason."""
    day = timedelta(days=1)
    rows = [event("ada", "blog", AS_OF - 5 * day), event("ada", "won", AS_OF - day)]
    ranking = rank(log_of(*rows), as_of=AS_OF, settings=SCORE)
    assert len(ranking.frame) == 0
    assert ranking.frame.columns[:2].tolist() == ["rank", "prospect_id"]
    assert ranking.notes[-1] == "Nobody is in the cohort, so the list is empty: 1 converted."


def test_no_event_at_all_is_an_empty_list() -> None:
    """A quiet first night of a new log."""
    ranking = rank(log_of(), as_of=AS_OF, settings=SCORE)
    assert len(ranking.frame) == 0
    assert "no events" in ranking.notes[-1]


@pytest.mark.parametrize(
    ("as_of", "error"),
    [
        pytest.param("2024-06-03 00:00", TimeError, id="naive"),
        pytest.param("2020-01-01T00:00:00Z", TimeError, id="before the log begins"),
    ],
)
def test_an_impossible_instant_is_refused(as_of: str, error: type[Exception]) -> None:
    """No list is better than one about the wrong instant."""
    with pytest.raises(error):
        rank(as_of=as_of)


@pytest.mark.parametrize("limit", [0, -1, 2.5, "7", True])
def test_a_list_has_at_least_one_row_and_a_whole_number_of_them(limit: object) -> None:
    """A limit of 0 is a mistake, not a wish."""
    with pytest.raises(SettingsError, match=f"`limit` is {limit!r};"):
        rank(limit=limit)


def test_a_log_of_another_journey_is_refused() -> None:
    """None of its names is known to the model."""
    with pytest.raises(OtherJourneyError, match="none of the 1 event names"):
        rank(log_of(event("ada", "A_SUBMITTED", AS_OF - timedelta(days=1))), as_of=AS_OF)

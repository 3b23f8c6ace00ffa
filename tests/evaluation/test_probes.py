"""Samples and probes: nothing that a row may not see gets into it, and nothing depends on order."""

from __future__ import annotations

import numpy as np
import pytest

from microconv.evaluation.leakage.probes import shuffle_order, volume_columns
from microconv.evaluation.leakage.sample import sample_fold
from microconv.features.matrix import build_features, column_names
from microconv.features.training_set import TrainingSet, locate_snapshots
from microconv.histories.visible import visible_events
from microconv.settings import FeatureSettings
from worlds.leaks import FOLDS, clean
from worlds.logs import AS_OF, JOURNEY, event, histories_of, instant
from worlds.training_sets import reordered

DAY = 86_400


def test_a_sample_stands_for_the_whole_fold():
    """Weights add up to the rows of each outcome; half of the sample may be conversions."""
    training_set = clean()
    whole = sample_fold(training_set, FOLDS, seed=1, most=10**6)
    part = sample_fold(training_set, FOLDS, seed=1, most=400)
    assert len(part) == 400
    assert not whole.weight[whole.weight != 1].size
    for outcome in (True, False):
        stands = part.weight[part.labels == outcome].sum()
        assert stands == pytest.approx((whole.labels == outcome).sum())


def test_the_sample_does_not_depend_on_the_order_of_the_rows():
    """Rows come by bucket; another number of buckets must give the same alarms."""
    training_set = clean()
    order = np.random.default_rng(3).permutation(len(training_set))
    one = sample_fold(training_set, FOLDS, seed=1, most=400)
    other = sample_fold(reordered(training_set, order), FOLDS, seed=1, most=400)
    asked = ["prospect_id", "as_of"]
    assert one.rows.snapshots[asked].equals(other.rows.snapshots[asked])
    np.testing.assert_array_equal(one.rows.values, other.rows.values)


def test_too_few_conversions_are_a_reason_and_no_figure():
    """Twenty-five of each outcome on both sides, or nothing is said."""
    reason = sample_fold(clean(), FOLDS, seed=1, most=10)
    assert not isinstance(reason, str)
    few = clean()
    few.snapshots.loc[:, "converted"] = False
    assert "only 0 of" in sample_fold(few, FOLDS, seed=1)


@pytest.fixture
def asked() -> TrainingSet:
    """Ask about two prospects; one of them does something after the instant, too."""
    import pandas as pd
    import pyarrow as pa

    rows = [
        event("ada", name, instant(-day * DAY))
        for name, day in (("blog", 5), ("guide", 4), ("pricing", 3), ("blog", 2))
    ]
    rows += [event("ada", "reference", instant(DAY)), event("bob", "blog", instant(-DAY))]
    histories = histories_of(*rows)
    table = pa.table({"prospect_id": ["ada", "bob"], "as_of": [AS_OF, AS_OF]})
    table = table.set_column(1, "as_of", table["as_of"].cast(pa.timestamp("us", "UTC")))
    visible = visible_events(histories, *locate_snapshots(table, histories))
    settings = FeatureSettings(families=("counts", "path"), windows_days=(30,))
    return TrainingSet(
        pd.DataFrame({"prospect_id": ["ada", "bob"], "as_of": [AS_OF, AS_OF]}),
        column_names(JOURNEY, settings, {}, fitted=False),
        build_features(visible, JOURNEY, settings, {}, fitted=False),
        visible,
        JOURNEY,
        settings,
    )


def test_shuffling_deals_only_what_a_row_may_see(asked):
    """The same steps at the same instants, in another order; the future stays where it is."""
    reference = JOURNEY.step_names.index("reference")
    orders = set()
    for seed in range(20):
        seen = shuffle_order(asked, np.random.default_rng(seed)).visible
        parts = [seen.step[a:b] for a, b in zip(seen.start, seen.end, strict=True)]
        before = asked.visible
        for row, part in enumerate(parts):
            there = slice(before.start[row], before.end[row])
            assert sorted(part) == sorted(before.step[there])
            assert (
                seen.time[seen.start[row] : seen.end[row]].tolist() == before.time[there].tolist()
            )
        assert reference not in np.concatenate(parts)
        orders.add(tuple(parts[0]))
    assert len(orders) > 5


def test_counts_survive_a_shuffle_and_order_does_not(asked):
    """All four steps of ada lie in the window, so only path columns may change."""
    changed = set()
    for seed in range(20):
        shuffled = shuffle_order(asked, np.random.default_rng(seed))
        differs = ~np.isclose(shuffled.values, asked.values, equal_nan=True).all(axis=1)
        changed |= {asked.names[k].split(".")[0] for k in np.flatnonzero(differs)}
    assert changed == {"path"}


def test_volume_counts_events_and_does_not_tell_them_apart(asked):
    """Hand: ada has four, bob one; in all windows and in the last thirty days."""
    columns = volume_columns(asked)
    assert (columns == [4, 1]).all()
    names = [name for name in asked.names if name.startswith("counts.")]
    assert len(columns) == 1 + len({name.rsplit(".", 1)[1] for name in names})

"""Fold samples and probes: no row sees its future, and the order of rows does not matter."""

from __future__ import annotations

import numpy as np
import pytest

from microconv.evaluation.leakage.probes import event_counts, shuffle_order
from microconv.evaluation.leakage.sample import sample_fold
from microconv.features.matrix import build_features, column_names
from microconv.features.training_set import TrainingSet, locate_snapshots
from microconv.histories.visible import visible_events
from microconv.settings import FeatureSettings
from worlds.leaks import FOLDS, clean
from worlds.logs import AS_OF, JOURNEY, event, histories_of, instant
from worlds.training_sets import reordered

DAY = 86_400


def test_the_weights_of_a_sample_add_up_to_the_fold():
    """Weights add up to the rows of each outcome; half of the sample may be conversions."""
    training_set = clean()
    whole = sample_fold(training_set, FOLDS, seed=1, max_rows=10**6)
    part = sample_fold(training_set, FOLDS, seed=1, max_rows=400)
    assert len(part) == 400
    assert not whole.weight[whole.weight != 1].size
    for outcome in (True, False):
        total = part.weight[part.labels == outcome].sum()
        assert total == pytest.approx((whole.labels == outcome).sum())


def test_the_sample_does_not_depend_on_the_order_of_the_rows():
    """Rows come by bucket; another number of buckets must give the same figures."""
    training_set = clean()
    order = np.random.default_rng(3).permutation(len(training_set))
    one = sample_fold(training_set, FOLDS, seed=1, max_rows=400)
    other = sample_fold(reordered(training_set, order), FOLDS, seed=1, max_rows=400)
    keys = ["prospect_id", "as_of"]
    assert one.rows.snapshots[keys].equals(other.rows.snapshots[keys])
    np.testing.assert_array_equal(one.rows.values, other.rows.values)


def test_too_few_conversions_give_a_reason_instead_of_a_sample():
    """Twenty-five of each outcome on both sides, or there is no sample."""
    reason = sample_fold(clean(), FOLDS, seed=1, max_rows=10)
    assert not isinstance(reason, str)
    few = clean()
    few.snapshots.loc[:, "converted"] = False
    assert "only 0 of" in sample_fold(few, FOLDS, seed=1)


@pytest.fixture
def two_rows() -> TrainingSet:
    """Return the rows of two prospects; one of them also has an event after `as_of`."""
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


def test_shuffling_moves_only_the_events_that_a_row_may_see(two_rows):
    """The same steps at the same instants, in another order; the future stays where it is."""
    reference = JOURNEY.step_names.index("reference")
    orders = set()
    for seed in range(20):
        shuffled = shuffle_order(two_rows, np.random.default_rng(seed)).visible
        parts = [shuffled.step[a:b] for a, b in zip(shuffled.start, shuffled.end, strict=True)]
        before = two_rows.visible
        for row, part in enumerate(parts):
            rows = slice(before.start[row], before.end[row])
            assert sorted(part) == sorted(before.step[rows])
            assert (
                shuffled.time[shuffled.start[row] : shuffled.end[row]].tolist()
                == before.time[rows].tolist()
            )
        assert reference not in np.concatenate(parts)
        orders.add(tuple(parts[0]))
    assert len(orders) > 5


def test_counts_survive_a_shuffle_and_order_does_not(two_rows):
    """All four steps of ada lie in the window, so only path columns may change."""
    changed = set()
    for seed in range(20):
        shuffled = shuffle_order(two_rows, np.random.default_rng(seed))
        differs = ~np.isclose(shuffled.values, two_rows.values, equal_nan=True).all(axis=1)
        changed |= {two_rows.names[k].split(".")[0] for k in np.flatnonzero(differs)}
    assert changed == {"path"}


def test_event_counts_do_not_distinguish_the_events(two_rows):
    """Hand: ada has four, bob one; in all windows and in the last thirty days."""
    columns = event_counts(two_rows)
    assert (columns == [4, 1]).all()
    names = [name for name in two_rows.names if name.startswith("counts.")]
    assert len(columns) == 1 + len({name.rsplit(".", 1)[1] for name in names})

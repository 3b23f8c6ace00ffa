"""Blocks: every snapshot once, none too large, the same columns and the same list."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.features import featurize_log as featurizing
from microconv.features.matrix import CELLS_PER_EVENT, row_blocks
from microconv.ranking import bucket
from microconv.ranking.score import score
from microconv.stages.featurize import featurize
from microconv.stages.snapshot import snapshot
from worlds.logs import event, histories_of, instant
from worlds.ranking import END, on_disk, settings, trained, world


def people(lengths):
    """Make prospects with so many events each."""
    return histories_of(
        *(
            event(f"p{p:02d}", "blog", instant(-k))
            for p, n in enumerate(lengths)
            for k in range(n, 0, -1)
        )
    )


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(1, 90))
def test_every_snapshot_is_in_one_block_and_no_block_is_too_large(lengths, cells):
    """A block of several snapshots keeps the bound, and the next one would have broken it."""
    cost = [5 + CELLS_PER_EVENT * n for n in lengths]
    found = list(row_blocks(people(lengths), np.arange(len(lengths)), n_columns=5, cells=cells))
    assert [row for part in found for row in range(part.start, part.stop)] == [*range(len(lengths))]
    for part in found:
        assert part.stop - part.start == 1 or sum(cost[part]) <= cells
        assert part.stop == len(lengths) or sum(cost[part.start : part.stop + 1]) > cells


def test_no_snapshots_are_one_empty_block():
    """An empty bucket has a file as well."""
    assert list(row_blocks(people([1]), np.empty(0, np.int64), n_columns=5)) == [slice(0, 0)]


@pytest.fixture
def small_blocks(monkeypatch):
    """Let a block hold a dozen snapshots, whatever it is for."""

    def few(histories, prospect, *, n_columns, cells):
        return row_blocks(
            histories, prospect, n_columns=n_columns, cells=min(cells, 12 * n_columns)
        )

    def use():
        monkeypatch.setattr(featurizing, "row_blocks", few)
        monkeypatch.setattr(bucket, "row_blocks", few)

    return use


def test_features_written_in_blocks_are_the_same_table(tmp_path, small_blocks):
    """Only the row groups differ."""
    on_disk(tmp_path / "log")
    places = {"log": tmp_path / "log", "snapshots": tmp_path / "snapshots"}
    snapshot(settings(), **places)
    featurize(settings(), **places, features=tmp_path / "whole")
    small_blocks()
    featurize(settings(), **places, features=tmp_path / "parts")
    files = sorted(path.name for path in (tmp_path / "whole").glob("*.parquet"))
    assert any(pq.ParquetFile(tmp_path / "parts" / f).num_row_groups > 5 for f in files)
    for file in files:
        whole, parts = (pq.read_table(tmp_path / name / file) for name in ("whole", "parts"))
        for name in whole.column_names:
            np.testing.assert_array_equal(whole[name].to_numpy(), parts[name].to_numpy())


@pytest.mark.parametrize("limit", [7, None])
def test_a_list_made_in_blocks_is_the_same_list(limit, small_blocks):
    """The same prospects, reasons and percentiles."""
    request = {"model": trained(), "as_of": END, "limit": limit}
    whole = score(world(), **request)
    small_blocks()
    parts = score(world(), **request)
    assert whole.equals(parts)
    assert whole.attrs == parts.attrs

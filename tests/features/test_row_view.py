"""Row views: they read like the copy that they avoid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.features import row_view as module
from microconv.features.row_view import RowView, score_in_blocks, view_all_rows

ABOVE = np.arange(30, dtype=np.float32).reshape(3, 10)
BELOW = 100 + np.arange(20, dtype=np.float32).reshape(2, 10)
WHOLE = np.concatenate([ABOVE, BELOW])


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(0, 12), st.integers(0, 12))
def test_a_view_reads_like_a_copy(rows, begin, end):
    """In any order, one twice or none at all; column by column and block by block."""
    rows = np.array(rows, np.intp)
    picked, copy = RowView((ABOVE, BELOW), rows), WHOLE[:, rows]
    assert picked.shape == copy.shape
    assert np.array_equal(np.array(list(picked)), copy)
    assert np.array_equal(picked.block(begin, end), copy[:, begin:end])


def test_there_is_no_column_beyond_the_last():
    """A position too far is an error and not another column."""
    with pytest.raises(IndexError):
        RowView((ABOVE, BELOW), np.array([0]))[5]


@pytest.mark.parametrize("threads", [1, 2, None])
def test_scoring_in_blocks_equals_scoring_at_once(monkeypatch, threads):
    """In order, on any number of threads, with one score per row or several."""
    monkeypatch.setattr(module, "BLOCK_ROWS", 3)
    picked = view_all_rows(WHOLE)
    total = score_in_blocks(
        lambda block: block.sum(axis=0, dtype=np.float64), picked, threads=threads
    )
    assert np.array_equal(total, WHOLE.sum(axis=0))
    twice = score_in_blocks(lambda block: np.stack([block[0], -block[0]]), picked, threads=threads)
    assert np.array_equal(twice, np.stack([WHOLE[0], -WHOLE[0]]))

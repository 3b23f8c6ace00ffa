"""What holds for every family of features, whatever it computes."""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher

from features.hand_made_snapshots import (
    Snapshot,
    any_snapshot,
    fill_columns,
    make_snapshot,
    visible_of,
)
from microconv.features.matrix import FAMILIES
from microconv.histories.arrays import DAY

STATELESS = {name: family for name, family in FAMILIES.items() if family.fit is None}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
every_stateless_family = pytest.mark.parametrize("family", STATELESS.values(), ids=STATELESS)


def columns(family, snapshots):
    """Fill a family's columns for several snapshots."""
    return fill_columns(family, visible_of(snapshots))[1]


@every_stateless_family
@given(snapshots=st.lists(any_snapshot(), min_size=2, max_size=5), data=st.data())
def test_reordering_snapshots_permutes_the_rows(family, snapshots, data):
    """A row depends on its own history alone."""
    order = data.draw(st.permutations(range(len(snapshots))))
    shuffled = columns(family, [snapshots[row] for row in order])
    np.testing.assert_array_equal(shuffled, columns(family, snapshots)[:, order])


@every_stateless_family
@given(snapshot=any_snapshot(), weeks=st.integers(-150, 150))
def test_no_feature_knows_the_date(family, snapshot, weeks):
    """Moving a history and its `as_of` together by whole weeks gives identical features."""
    shift = weeks * 7 * DAY
    moved = Snapshot(
        snapshot.as_of + shift, tuple((time + shift, *rest) for time, *rest in snapshot.events)
    )
    np.testing.assert_array_equal(columns(family, [snapshot]), columns(family, [moved]))


@every_stateless_family
def test_every_cell_is_written(family):
    """No cell keeps what was in memory, not even for an empty history."""
    snapshots = visible_of(
        [make_snapshot(), make_snapshot(("pricing", 1)), make_snapshot(("sent", 50), ("left", 2))]
    )
    names, out = fill_columns(family, snapshots)
    assert not np.isin(out, [1234.5]).any()
    assert all(FAMILIES[name.partition(".")[0]] is family for name in names)
    assert len(set(names)) == len(names)


@every_stateless_family
def test_no_snapshots_make_columns_without_rows(family):
    """A bucket without snapshots has columns without rows."""
    names, out = fill_columns(family, visible_of([]))
    assert out.shape == (len(names), 0)


@every_stateless_family
def test_each_kernel_is_compiled_once_for_any_kind_of_array(family):
    """Read-only or not, strided or not, each kernel is compiled once: compiling costs seconds."""
    visible = visible_of([make_snapshot(("blog", 3), ("pricing", 1))])
    arrays = {
        name: getattr(visible, name).copy()
        for name in ("as_of", "time", "step", "human_probability")
    }
    for array in arrays.values():
        array.flags.writeable = False
    frozen = replace(visible, **arrays, end=np.stack([visible.end] * 2, axis=1)[:, 0])
    np.testing.assert_array_equal(fill_columns(family, frozen)[1], fill_columns(family, visible)[1])
    assert len(inspect.getmodule(family.fill)._kernel.signatures) == 1


@every_family
def test_a_kernel_depends_on_no_other_file(family):
    """Numba's cache watches the kernel's own file: code from another file would go stale."""
    module = inspect.getmodule(family.fill)
    tree = ast.parse(inspect.getsource(module))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("microconv")
        for alias in node.names
    }
    kernels = [value for value in vars(module).values() if isinstance(value, Dispatcher)]
    assert kernels
    for kernel in kernels:
        assert not imported & set(kernel.py_func.__code__.co_names)

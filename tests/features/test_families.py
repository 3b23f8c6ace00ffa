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

from features.hand_made_snapshots import Question, asked, filled, questions, visible_of
from microconv.features.matrix import FAMILIES
from microconv.histories.arrays import DAY

STATELESS = {name: family for name, family in FAMILIES.items() if family.fit is None}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
every_stateless_family = pytest.mark.parametrize("family", STATELESS.values(), ids=STATELESS)


def columns(family, several):
    """Fill a family's columns for several questions."""
    return filled(family, visible_of(several))[1]


@every_stateless_family
@given(several=st.lists(questions(), min_size=2, max_size=5), data=st.data())
def test_asking_in_another_order_permutes_the_answers(family, several, data):
    """A row depends on its own history alone, to the bit."""
    order = data.draw(st.permutations(range(len(several))))
    shuffled = columns(family, [several[row] for row in order])
    np.testing.assert_array_equal(shuffled, columns(family, several)[:, order])


@every_stateless_family
@given(question=questions(), weeks=st.integers(-150, 150))
def test_no_feature_knows_the_date(family, question, weeks):
    """A history and its question moved together by whole weeks look the same, to the bit."""
    shift = weeks * 7 * DAY
    moved = Question(
        question.as_of + shift, tuple((time + shift, *rest) for time, *rest in question.events)
    )
    np.testing.assert_array_equal(columns(family, [question]), columns(family, [moved]))


@every_stateless_family
def test_every_cell_is_written(family):
    """Nothing of what was in memory shows through, not even for an empty history."""
    several = visible_of([asked(), asked(("pricing", 1)), asked(("sent", 50), ("left", 2))])
    names, out = filled(family, several)
    assert not np.isin(out, [1234.5]).any()
    assert all(FAMILIES[name.partition(".")[0]] is family for name in names)
    assert len(set(names)) == len(names)


@every_stateless_family
def test_nobody_asks_and_nobody_answers(family):
    """A bucket without questions has columns without rows."""
    names, out = filled(family, visible_of([]))
    assert out.shape == (len(names), 0)


@every_stateless_family
def test_arrows_arrays_and_numpys_are_one_type_to_the_kernel(family):
    """Read-only or not, strided or not, each kernel is compiled once: compiling costs seconds."""
    visible = visible_of([asked(("blog", 3), ("pricing", 1))])
    arrays = {
        name: getattr(visible, name).copy()
        for name in ("as_of", "time", "step", "human_probability")
    }
    for array in arrays.values():
        array.flags.writeable = False
    frozen = replace(visible, **arrays, end=np.stack([visible.end] * 2, axis=1)[:, 0])
    np.testing.assert_array_equal(filled(family, frozen)[1], filled(family, visible)[1])
    assert len(inspect.getmodule(family.fill)._kernel.signatures) == 1


@every_family
def test_a_kernel_depends_on_no_other_file(family):
    """Numba's cache watches the kernel's own file: what it takes from another goes stale."""
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

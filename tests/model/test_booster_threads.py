"""LightGBM's number of threads is one for the process: calls that differ wait for each other."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from microconv.model.booster import ThreadCountLock


def test_calls_that_agree_are_inside_together():
    """Each of three waits inside for the two others."""
    lock, together = ThreadCountLock(), threading.Barrier(3, timeout=20)

    def call(_):
        with lock.hold(2):
            together.wait()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(call, range(3)))


def test_calls_that_differ_are_never_inside_together():
    """Two hundred calls of three numbers: whoever looks around inside sees only their own."""
    lock, inside, seen = ThreadCountLock(), [], set()

    def call(n):
        number = n % 3
        with lock.hold(number):
            inside.append(number)
            time.sleep(0.0005)
            seen.add(frozenset(inside))
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(200)))
    assert seen == {frozenset({n}) for n in range(3)}


def test_a_call_that_fails_lets_the_next_in():
    """An error inside leaves nobody waiting."""
    lock = ThreadCountLock()
    with pytest.raises(ZeroDivisionError), lock.hold(1):
        _ = 1 / 0
    with lock.hold(2):
        pass


FITS = """
import numpy as np
from concurrent.futures import ThreadPoolExecutor
from microconv.model import booster, trees
from microconv.settings import TreeSettings
booster.MAX_SINGLE_THREAD_CELLS = 0  # so that each fit gets the threads it requests
rng = np.random.default_rng(0)
values = ((rng.random((200, 8_000)) < 0.03) * rng.random((200, 8_000))).astype(np.float32)
labels, weights = rng.random(8_000) < 0.1, np.ones(8_000)
settings = TreeSettings(num_iterations=3)
def fit(number):
    threads = 1 + number % 2
    grown = trees.fit_trees(values, labels, weights, settings, seed=1, threads=threads)
    return grown.logit(values[:, :500], threads=2 - number % 2).tobytes()
with ThreadPoolExecutor(4) as pool:
    assert len(set(pool.map(fit, range(200)))) == 1
"""


@pytest.mark.slow
def test_fits_and_predictions_with_different_numbers_do_not_end_the_process():
    """Without the lock four runs in five end with a segmentation fault."""
    done = subprocess.run([sys.executable, "-c", FITS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

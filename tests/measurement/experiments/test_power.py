"""Power analysis, against R and simulation; the command `microconv power`."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from microconv import cli
from microconv.errors import SettingsError
from microconv.measurement.experiments.power import (
    Design,
    minimum_detectable_effect,
    power_report,
    required_sample_size,
)


@pytest.mark.parametrize(
    ("design", "effect", "needed"),
    [
        (Design(0.50, power=0.90), 0.5, 77),  # power.prop.test(p1=.5, p2=.75, power=.9): 76.7
        (Design(0.10), 0.25, 2507),  # power.prop.test(p1=.1, p2=.125, power=.8): 2506.5
        (Design(0.10, arms=3), 0.25, 3035),  # ..., sig.level=.025): 3034.1 by the formula below
    ],
)
def test_the_sample_size_is_that_of_r(design, effect, needed):
    """Figures of R's `power.prop.test`, rounded up to whole units."""
    p, q = design.baseline, design.baseline * (1 + effect)
    level = norm.isf(design.alpha / (design.arms - 1) / 2)
    middle = (p + q) / 2
    spread = level * np.sqrt(2 * middle * (1 - middle))
    spread += norm.ppf(design.power) * np.sqrt(p * (1 - p) + q * (1 - q))
    assert np.ceil((spread / (p - q)) ** 2) == required_sample_size(design, effect)
    assert required_sample_size(design, effect) == pytest.approx(needed, abs=1)


def test_an_experiment_of_that_size_has_the_nominal_power():
    """Eighty times in a hundred, drawn from the binomial directly."""
    size = required_sample_size(Design(0.10), 0.25)
    rng = np.random.default_rng(1)
    done = rng.binomial(size, [[0.125], [0.10]], (2, 4000)) / size
    pooled = done.mean(axis=0)
    z = (done[0] - done[1]) / np.sqrt(2 * pooled * (1 - pooled) / size)
    assert (np.abs(z) > norm.isf(0.025)).mean() == pytest.approx(0.8, abs=0.02)


def test_the_detectable_effect_is_the_inverse_of_the_sample_size():
    """Both functions use one formula."""
    design = Design(0.04, arms=4, power=0.9)
    assert minimum_detectable_effect(design, required_sample_size(design, 0.3)) == pytest.approx(
        0.3, abs=1e-3
    )
    assert minimum_detectable_effect(design, 2) is None


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: Design(0.0), "baseline"),
        (lambda: Design(0.1, arms=1), "arms"),
        (lambda: required_sample_size(Design(0.6), 0.9), "1.14"),
        (lambda: required_sample_size(Design(0.6), 0.0), "relative effect of 0"),
        (lambda: power_report(Design(0.1), effect=None, units=None, per_day=None), "--effect"),
        (lambda: power_report(Design(0.1), effect=0.1, units=None, per_day=0), "per_day"),
    ],
    ids=[
        "baseline of 0",
        "one arm",
        "rate above 1",
        "effect of 0",
        "neither effect nor units",
        "no units per day",
    ],
)
def test_impossible_designs_are_errors(call, word):
    """One sentence with the value that is wrong."""
    with pytest.raises(SettingsError, match=word):
        call()


def test_the_report_includes_the_duration():
    """2 × 2,507 units at 60 a day are 84 days."""
    (text,) = power_report(Design(0.10), effect=0.25, units=None, per_day=60)
    assert "2,507" in text
    assert "84 days" in text


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command line in this process; return exit code, output and errors."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["microconv", *map(str, words)])
        with pytest.raises(SystemExit) as leaving:
            cli.main()
        said = capsys.readouterr()
        return int(leaving.value.code or 0), said.out, said.err

    return run


def test_the_command_prints_the_report(command):
    """R's power.prop.test gives 2506.5."""
    code, out, _ = command("power", "--baseline", 0.1, "--effect", 0.25, "--per-day", 60)
    assert code == 0
    assert "each of the 2 arms needs 2,507 units" in out
    assert "84 days" in out


def test_the_command_reports_invalid_values(command):
    """Exit code 2, one sentence, nothing on standard output."""
    code, out, err = command("power", "--baseline", 1.2, "--effect", 0.25)
    assert (code, out) == (2, "")
    assert err == "microconv: `baseline` is 1.2; it must be strictly between 0 and 1.\n"

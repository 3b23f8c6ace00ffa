"""How reliable a list is, in sentences made from the evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from microconv.report.pages import percent


@dataclass(frozen=True)
class Reliability:
    """What the backtest says about the model, for those who call prospects.

    Attributes
    ----------
    sentences : tuple of str
    unreliable : bool
        Whether the list should not be used.
    """

    sentences: tuple[str, ...]
    unreliable: bool


def summarize_reliability(evaluation: Mapping[str, Any]) -> Reliability:
    """Summarise an evaluation in plain words.

    Parameters
    ----------
    evaluation : mapping
        The content of `evaluation.json`.
    """
    verdict, ready = evaluation["verdict"], evaluation["readiness"]
    if not verdict["better_than_chance"]:
        return Reliability((verdict["summary"],), unreliable=True)
    if ready["state"] == "not enough":
        return Reliability((ready["summary"],), unreliable=True)
    pooled = evaluation["models"][evaluation["candidate"]]["pooled"]
    caution = () if ready["state"] == "ready" else (ready["summary"],)
    return Reliability(
        (*caution, *_lift(pooled["lift"], evaluation), _calibration(pooled)), unreliable=False
    )


def _lift(lift: Mapping[str, Any], evaluation: Mapping[str, Any]) -> tuple[str, ...]:
    if lift["value"] is None:
        return ()
    size = f"{evaluation['list_size']:,}"
    sentence = (
        f"In backtests, the top {size} of each list converted {lift['value']:.1f} times as often "
        "as the average prospect"
    )
    if lift.get("low") is None:
        return (f"{sentence}.",)
    confidence = percent(evaluation["confidence"])
    return (f"{sentence} ({lift['low']:.1f} to {lift['high']:.1f}, {confidence} interval).",)


def _calibration(pooled: Mapping[str, Any]) -> str:
    """Compare predicted with observed conversion rates."""
    predicted, observed = percent(pooled["mean_probability"]), percent(pooled["base_rate"])
    both = f"{predicted} predicted on average, {observed} observed"
    calibration = pooled["calibration"]
    level, slope = calibration["calibration_in_the_large"], calibration["slope"]
    if slope["value"] is None:
        return f"The calibration of the probabilities is unknown: {slope['reason']}."
    if level["high"] < 0:
        return f"The probabilities are somewhat too high ({both}). Rely on the order."
    if level["low"] > 0:
        return f"The probabilities are somewhat too low ({both}). Rely on the order."
    if slope["high"] < 1:
        return f"High probabilities are too high and low ones too low ({both})."
    if slope["low"] > 1:
        return f"High probabilities are too low and low ones too high ({both})."
    if calibration["ece"] > calibration["ece_chance_limit_by_prospect"]:
        return f"Some probabilities are off by more than chance explains ({both})."
    return f"The probabilities are well calibrated: {both}."

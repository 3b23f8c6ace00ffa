"""How far a list's probabilities can be believed, in sentences made from the evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from microconv.report.pages import percent


@dataclass(frozen=True)
class Reliability:
    """What the backtest says about the model, for somebody who has to call by it.

    Attributes
    ----------
    sentences : tuple of str
    alarm : bool
        Whether the list is not to be called by.
    """

    sentences: tuple[str, ...]
    alarm: bool


def summarize_reliability(evaluation: Mapping[str, Any]) -> Reliability:
    """Put an evaluation into plain words.

    Parameters
    ----------
    evaluation : mapping
        The content of `evaluation.json`.
    """
    verdict, ready = evaluation["verdict"], evaluation["readiness"]
    if not verdict["better_than_chance"]:
        return Reliability((verdict["summary"],), alarm=True)
    if ready["state"] == "not enough":
        return Reliability((ready["summary"],), alarm=True)
    pooled = evaluation["models"][evaluation["candidate"]]["pooled"]
    little = () if ready["state"] == "ready" else (ready["summary"],)
    return Reliability((*little, *_top(pooled["lift"], evaluation), _level(pooled)), alarm=False)


def _top(lift: Mapping[str, Any], evaluation: Mapping[str, Any]) -> tuple[str, ...]:
    if lift["value"] is None:
        return ()
    size = f"{evaluation['list_size']:,}"
    sentence = (
        f"Asked about the past, the first {size} of each list converted {lift['value']:.1f} times "
        "as often as the average prospect"
    )
    if lift.get("low") is None:
        return (f"{sentence}.",)
    confidence = percent(evaluation["confidence"])
    return (f"{sentence} ({lift['low']:.1f} to {lift['high']:.1f}, {confidence} interval).",)


def _level(pooled: Mapping[str, Any]) -> str:
    """Compare what was promised with what came true."""
    promised, came = percent(pooled["mean_probability"]), percent(pooled["base_rate"])
    both = f"{promised} was promised on average and {came} came true"
    calibration = pooled["calibration"]
    level, slope = calibration["calibration_in_the_large"], calibration["slope"]
    if slope["value"] is None:
        return f"Whether the probabilities are right cannot be told: {slope['reason']}."
    if level["high"] < 0:
        return f"The probabilities are somewhat too high: {both}. Trust their order more."
    if level["low"] > 0:
        return f"The probabilities are somewhat too low: {both}. Trust their order more."
    if slope["high"] < 1:
        return f"High probabilities are too high and low ones too low, though {both}."
    if slope["low"] > 1:
        return f"High probabilities are too low and low ones too high, though {both}."
    if calibration["ece"] > calibration["ece_chance_limit_by_prospect"]:
        return f"They are off by more than chance explains here and there, though {both}."
    return f"The probabilities can be taken as they stand: {both}."

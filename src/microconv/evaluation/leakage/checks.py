"""Honesty alarms: what would have fooled whoever reads the figures, in words and numbers.

========================  =======  ===========================================
code                      severe   fires when
========================  =======  ===========================================
single_feature             alarm    one column ranks better than all the history
missingness    alarm    an attribute is there mostly for one outcome
pure_values            alarm    an attribute's values are as good as the outcome
auc_drop          alarm    a column ranked in training and not afterwards
shuffled_labels           alarm    outcomes dealt at random are still predicted
random_rows               note     a random split would look better
strong_attribute          note     an attribute ranks, and no history is there to compare
known_after_outcome      note     an attribute is known only after conversions
drift                     note     the newest questions, or outcomes, look different
no_order_gain        note     the order of steps is worth nothing here
event_count_suffices          note     counting events ranks as well
synthetic_times            note     there is no time: the split is by prospect
not_checked               note     there was too little to look for leaks in
========================  =======  ===========================================

An `alarm` keeps a model from being promoted; a `note` is for whoever reads on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from microconv.evaluation.leakage.rules import (
    CheckResult,
    auc_drop,
    drift,
    event_count_suffices,
    known_after_outcome,
    missingness,
    no_order_gain,
    pure_values,
    random_rows,
    shuffled_labels,
    single_feature,
    strong_attribute,
)
from microconv.settings import LeakageCheckSettings

Severity = Literal["failed", "warning"]
Rule = Callable[[Mapping[str, Any], LeakageCheckSettings], Iterator[CheckResult]]


@dataclass(frozen=True)
class Alarm:
    """One alarm.

    Attributes
    ----------
    check : str
    status : {"failed", "warning"}
    columns : tuple of str
        The columns or attributes it is about; often none.
    observed, meaning, remedy : str
        What was found, with figures; what it means; what to do.
    figures : dict
        The same numbers, for programs.
    """

    check: str
    status: Severity
    columns: tuple[str, ...]
    observed: str
    meaning: str
    remedy: str
    figures: dict[str, Any] = field(default_factory=dict, repr=False)


RULES: dict[str, tuple[Severity, Rule]] = {
    "single_feature": ("failed", single_feature),
    "pure_values": ("failed", pure_values),
    "missingness": ("failed", missingness),
    "auc_drop": ("failed", auc_drop),
    "shuffled_labels": ("failed", shuffled_labels),
    "strong_attribute": ("warning", strong_attribute),
    "random_split": ("warning", random_rows),
    "known_after_outcome": ("warning", known_after_outcome),
    "drift": ("warning", drift),
    "no_order_gain": ("warning", no_order_gain),
    "event_count_suffices": ("warning", event_count_suffices),
}
"""Every rule, the grave ones first. A new one is one function and one line here."""


def check_leakage(notes: Mapping[str, Any], settings: LeakageCheckSettings) -> list[dict[str, Any]]:
    """Judge the diagnostics of a backtest.

    Parameters
    ----------
    notes : mapping
        Of the backtest: `diagnostics`, and `synthetic_times` where instants were made up.
    settings : LeakageCheckSettings

    Returns
    -------
    list of dict
        The fields of :class:`Alarm`, grave ones first.
    """
    diagnostics = notes.get("leakage_diagnostics")
    found: list[Alarm] = []
    if diagnostics is None or "reason" in diagnostics:
        found.append(
            _not_checked("nobody looked" if diagnostics is None else diagnostics["reason"])
        )
    else:
        for code, (status, rule) in RULES.items():
            found += [
                Alarm(code, status, r.columns, r.observed, r.meaning, r.remedy, r.figures)
                for r in rule(diagnostics, settings)
            ]
    if notes.get("synthetic_times"):
        found.append(_synthetic_times(notes["synthetic_times"]))
    return [asdict(alarm) for alarm in found]


def _not_checked(why: str) -> Alarm:
    return Alarm(
        "not_checked",
        "warning",
        (),
        f"Leaks were not looked for: {why}.",
        "That no alarm was raised says nothing.",
        "Run the stage `backtest` on more data.",
    )


def _synthetic_times(sources: list[str]) -> Alarm:
    return Alarm(
        "synthetic_times",
        "warning",
        (),
        f"The instants of {', '.join(f'`{name}`' for name in sources)} were dealt by a hash of the "
        "prospect's id, because the export has none.",
        "Training and test differ by prospect and not by time: the figures do not say how the "
        "model does on later prospects, and whether a value was known before the outcome cannot "
        "be checked.",
        "Bring an export with the instant of each value (`known_at`) and of each event.",
        {"sources": sources},
    )

"""Honesty alarms: what would have fooled whoever reads the figures, in words and numbers.

========================  =======  ===========================================
code                      severe   fires when
========================  =======  ===========================================
single_column             alarm    one column ranks better than all the history
filled_for_one_outcome    alarm    an attribute is there mostly for one outcome
pure_values            alarm    an attribute's values are as good as the outcome
column_collapses          alarm    a column ranked in training and not afterwards
shuffled_labels           alarm    outcomes dealt at random are still predicted
random_rows               note     a random split would look better
strong_attribute          note     an attribute ranks, and no history is there to compare
filled_after_outcome      note     an attribute is known only after conversions
drift                     note     the newest questions, or outcomes, look different
order_adds_nothing        note     the order of steps is worth nothing here
volume_is_enough          note     counting events ranks as well
dealt_instants            note     there is no time: the split is by prospect
not_checked               note     there was too little to look for leaks in
========================  =======  ===========================================

An `alarm` keeps a model from being promoted; a `note` is for whoever reads on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from microconv.evaluation.leakage.rules import (
    Raised,
    column_collapses,
    drift,
    filled_after_outcome,
    filled_for_one_outcome,
    order_adds_nothing,
    pure_values,
    random_rows,
    shuffled_labels,
    single_column,
    strong_attribute,
    volume_is_enough,
)
from microconv.settings import AlarmSettings

Severity = Literal["alarm", "note"]
Rule = Callable[[Mapping[str, Any], AlarmSettings], Iterator[Raised]]


@dataclass(frozen=True)
class Alarm:
    """One alarm.

    Attributes
    ----------
    code : str
    severity : {"alarm", "note"}
    columns : tuple of str
        The columns or attributes it is about; often none.
    measured, means, way_out : str
        What was found, with figures; what it means; what to do.
    figures : dict
        The same numbers, for programs.
    """

    code: str
    severity: Severity
    columns: tuple[str, ...]
    measured: str
    means: str
    way_out: str
    figures: dict[str, Any] = field(default_factory=dict, repr=False)


RULES: dict[str, tuple[Severity, Rule]] = {
    "single_column": ("alarm", single_column),
    "pure_values": ("alarm", pure_values),
    "filled_for_one_outcome": ("alarm", filled_for_one_outcome),
    "column_collapses": ("alarm", column_collapses),
    "shuffled_labels": ("alarm", shuffled_labels),
    "strong_attribute": ("note", strong_attribute),
    "random_rows": ("note", random_rows),
    "filled_after_outcome": ("note", filled_after_outcome),
    "drift": ("note", drift),
    "order_adds_nothing": ("note", order_adds_nothing),
    "volume_is_enough": ("note", volume_is_enough),
}
"""Every rule, the grave ones first. A new one is one function and one line here."""


def raise_alarms(notes: Mapping[str, Any], settings: AlarmSettings) -> list[dict[str, Any]]:
    """Judge the findings of a backtest.

    Parameters
    ----------
    notes : mapping
        Of the backtest: `findings`, and `dealt` where instants were made up.
    settings : AlarmSettings

    Returns
    -------
    list of dict
        The fields of :class:`Alarm`, grave ones first.
    """
    findings = notes.get("findings")
    found: list[Alarm] = []
    if findings is None or "reason" in findings:
        found.append(_not_checked("nobody looked" if findings is None else findings["reason"]))
    else:
        for code, (severity, rule) in RULES.items():
            found += [
                Alarm(code, severity, r.columns, r.measured, r.means, r.way_out, r.figures)
                for r in rule(findings, settings)
            ]
    if notes.get("dealt"):
        found.append(_dealt(notes["dealt"]))
    return [asdict(alarm) for alarm in found]


def _not_checked(why: str) -> Alarm:
    return Alarm(
        "not_checked",
        "note",
        (),
        f"Leaks were not looked for: {why}.",
        "That no alarm was raised says nothing.",
        "Run the stage `backtest` on more data.",
    )


def _dealt(sources: list[str]) -> Alarm:
    return Alarm(
        "dealt_instants",
        "note",
        (),
        f"The instants of {', '.join(f'`{name}`' for name in sources)} were dealt by a hash of the "
        "prospect's id, because the export has none.",
        "Training and test differ by prospect and not by time: the figures do not say how the "
        "model does on later prospects, and whether a value was known before the outcome cannot "
        "be checked.",
        "Bring an export with the instant of each value (`known_at`) and of each event.",
        {"sources": sources},
    )

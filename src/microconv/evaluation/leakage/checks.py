"""The leakage checks: diagnostics and thresholds in, findings with a remedy out.

====================  =======  =====================================================
check                 status   reports
====================  =======  =====================================================
single_feature        failed   one column ranks better than all other history columns
pure_values           failed   values of an attribute that determine the outcome
missingness           failed   an attribute that is filled in mostly for one outcome
auc_drop              failed   a column that ranked in training and not afterwards
shuffled_labels       failed   shuffled labels are predicted better than by chance
strong_attribute      warning  an attribute that ranks where no history is available
random_split          warning  a random split would give a higher AUC
known_after_outcome   warning  an attribute that becomes known only after conversions
drift                 warning  the newest snapshots, or the base rate, have shifted
no_order_gain         warning  the order of steps adds nothing to the ranking
event_count_suffices  warning  the number of events ranks as well as the model
synthetic_times       warning  the export has no times: the split is by prospect
not_checked           warning  there was too little data to check
====================  =======  =====================================================

A model with a failed check is not promoted; a warning is information for the reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from microconv.settings import LeakageCheckSettings as Thresholds

CHANCE = 0.5

MIN_Z = 5.0
"""A difference of fewer standard errors than this may be chance."""

INTERVAL_WIDTH = 3.92
"""Width of a 95 % interval in standard errors."""

CHECK_WHEN_FILLED = (
    "Ask whoever maintains this field when it is filled in. If that is after the outcome is known, "
    "remove it from `attributes` of its source, or provide its history with `known_at`."
)

Diagnostics = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    observed, meaning, remedy : str
        What was observed, with figures; what it means; what to do.
    columns : tuple of str
        The columns or attributes concerned; often none.
    figures : dict
        The same figures, for programs.
    """

    observed: str
    meaning: str
    remedy: str
    columns: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict, repr=False)


def check_leakage(notes: Mapping[str, Any], thresholds: Thresholds) -> list[dict[str, Any]]:
    """Run every check on the diagnostics of a backtest.

    Parameters
    ----------
    notes : mapping
        Notes of the backtest: `leakage_diagnostics`, and `synthetic_times` where the times
        of some sources are synthetic.
    thresholds : LeakageCheckSettings

    Returns
    -------
    list of dict
        `check`, `status` (failed, warning) and the fields of :class:`Finding`; failed first.
    """
    diagnostics = notes.get("leakage_diagnostics")
    results: list[tuple[str, str, Finding]] = []
    if diagnostics is None or "reason" in diagnostics:
        reason = "the backtest has no diagnostics" if diagnostics is None else diagnostics["reason"]
        results.append(("not_checked", "warning", _not_checked(reason)))
    else:
        for name, (status, check) in CHECKS.items():
            results += [(name, status, finding) for finding in check(diagnostics, thresholds)]
    if notes.get("synthetic_times"):
        results.append(("synthetic_times", "warning", _synthetic_times(notes["synthetic_times"])))
    return [{"check": name, "status": status, **asdict(found)} for name, status, found in results]


def _not_checked(reason: str) -> Finding:
    return Finding(
        f"Leakage was not checked: {reason}.",
        "The absence of failed checks says nothing about leakage.",
        "Run the stage `backtest` on more data.",
    )


def _synthetic_times(sources: list[str]) -> Finding:
    return Finding(
        f"The export has no times for {', '.join(f'`{name}`' for name in sources)}: each "
        "prospect got a synthetic one, computed from a hash of its id.",
        "Training and test rows differ by prospect and not by time. The evaluation does not show "
        "how the model performs on later prospects, and whether a value was known before the "
        "outcome cannot be checked.",
        "Bring an export with the time of each value (`known_at`) and of each event.",
        figures={"sources": sources},
    )


def _single_feature(diagnostics: Diagnostics, thresholds: Thresholds) -> Iterator[Finding]:
    """Compare each column alone with all other history columns together."""
    leaking = [
        entry
        for entry in diagnostics["strongest_history_columns"]
        if _suspicious(entry["auc"], entry["auc_without"]["value"], thresholds)
    ]
    for entry in leaking:
        step = entry["step"]
        yield Finding(
            f"`{entry['column']}` alone has an AUC of {_range(entry['auc'])}; all history columns "
            f"without `{step}` together have {entry['auc_without']['value']:.3f}.",
            "A step that predicts better than all others together often records the outcome.",
            f"Check when events of `{step}` are written. If that is once the outcome is known, "
            "make it `major` or `exit` in the journey, or ignore it.",
            (entry["column"],),
            entry,
        )
    if not _history_ranks(diagnostics):
        return
    # a leaking column is no benchmark for the attributes
    last = diagnostics["strongest_history_columns"][-1:]
    benchmark = last[0]["auc_without"] if leaking else diagnostics["probes"]["history"]
    level = max(CHANCE, benchmark["value"])
    for name, auc in _strongest(diagnostics["attribute_aucs"]):
        if _suspicious(auc, level, thresholds):
            yield Finding(
                f"The attribute `{name}` alone has an AUC of {_range(auc)}; the history columns, "
                f"without any attribute, have {level:.3f}.",
                "It predicts the outcome better than everything the prospect did. Such fields are "
                "mostly filled in once the outcome is known or under way.",
                CHECK_WHEN_FILLED,
                (name,),
                {"auc": auc, "history": level},
            )


def _strong_attribute(diagnostics: Diagnostics, thresholds: Thresholds) -> Iterator[Finding]:
    """Name the strongest attributes where there is no history to compare them with."""
    strong = {
        name: auc
        for name, auc in _strongest(diagnostics["attribute_aucs"])
        if _ahead(auc, CHANCE, thresholds)
    }
    if strong and not _history_ranks(diagnostics):
        each = ", ".join(f"`{name}` {auc['value']:.3f}" for name, auc in strong.items())
        yield Finding(
            f"AUC of single attributes: {each}. The history columns rank no better than chance, "
            "so there is nothing to compare these with.",
            "Some may be known at first contact and simply be good predictors; others may be "
            "filled in on the way to the outcome. The data cannot tell the two apart.",
            CHECK_WHEN_FILLED,
            tuple(strong),
            strong,
        )


def _history_ranks(diagnostics: Diagnostics) -> bool:
    history = diagnostics["probes"]["history"]
    return history["value"] is not None and history["low"] > CHANCE


def _suspicious(auc: Mapping[str, float], rest: float, thresholds: Thresholds) -> bool:
    return auc["value"] >= thresholds.suspicious_auc and _ahead(auc, rest, thresholds)


def _ahead(auc: Mapping[str, float], rest: float, thresholds: Thresholds) -> bool:
    return auc["value"] >= rest + thresholds.single_feature and auc["low"] > rest


def _strongest(aucs: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(aucs.items(), key=lambda item: (-item[1]["value"], item[0]))


def _pure_values(diagnostics: Diagnostics, thresholds: Thresholds) -> Iterator[Finding]:
    """Find attributes with values that (almost) always, or never, go with a conversion."""
    for name, entry in diagnostics["missingness"].items():
        if entry["pure_share"] < thresholds.pure_values:
            continue
        shown = ", ".join(f"`{w}` ({rate:.1%})" for w, rate in entry["pure_values"].items())
        yield Finding(
            f"{entry['pure_share']:.0%} of the rows with a value of `{name}` have one that "
            f"determines the outcome; the most frequent, with their conversion rates: {shown}.",
            "Values that settle the outcome are mostly entered by somebody who knew it.",
            CHECK_WHEN_FILLED,
            (name,),
            entry,
        )


def _missingness(diagnostics: Diagnostics, thresholds: Thresholds) -> Iterator[Finding]:
    """Find attributes that are filled in far more often for one outcome."""
    for name, entry in diagnostics["missingness"].items():
        converted, others = entry["filled_share_converted"], entry["filled_share_not_converted"]
        if abs(converted - others) < thresholds.missingness_gap or abs(entry["z"]) < MIN_Z:
            continue
        yield Finding(
            f"`{name}` is filled in for {converted:.0%} of the rows that convert and for "
            f"{others:.0%} of the others.",
            "Whether it is filled in reveals the outcome: it is entered on the way to a "
            "conversion, or because of one.",
            CHECK_WHEN_FILLED,
            (name,),
            entry,
        )


def _known_after_outcome(diagnostics: Diagnostics, thresholds: Thresholds) -> Iterator[Finding]:
    """Find attributes that become known at the conversion or later."""
    for name, late in diagnostics["known_after_conversion"].items():
        enough = late["converters"] >= thresholds.min_converters
        if enough and late["share"] >= thresholds.filled_after:
            yield Finding(
                f"`{name}` became known only at the conversion or later for {late['share']:.0%} of "
                f"the {late['converters']:,} converted prospects that have it.",
                "No snapshot sees it in time, so it does not affect the ranking here; a model "
                "trained without `known_at` would have learned the outcome from it.",
                "Remove it from `attributes`, or find out why it is recorded late.",
                (name,),
                late,
            )


def _auc_drop(diagnostics: Diagnostics, thresholds: Thresholds) -> Iterator[Finding]:
    """Find columns that ranked in training and hardly rank afterwards."""
    dropped = {
        name: aucs
        for name, aucs in diagnostics["auc_drops"].items()
        if aucs["train"] - CHANCE >= thresholds.collapse_from
        and aucs["test"] - CHANCE <= thresholds.collapse_to * (aucs["train"] - CHANCE)
    }
    if dropped:
        order = sorted(dropped, key=lambda n: (dropped[n]["test"] - dropped[n]["train"], n))
        worst = dropped[order[0]]
        yield Finding(
            f"{len(dropped)} columns ranked well in training and hardly in the test that followed, "
            f"most of all `{order[0]}`: AUC {worst['train']:.3f}, then {worst['test']:.3f} "
            f"(fold {worst['fold']}).",
            "Either the relation has changed, or older rows were filled in later with what is "
            "known now.",
            "Compare how the column was recorded then and now; provide its history with "
            "`known_at`, or leave it out.",
            tuple(order),
            dropped,
        )


def _shuffled_labels(diagnostics: Diagnostics, thresholds: Thresholds) -> Iterator[Finding]:
    """Report a pipeline that predicts shuffled labels."""
    auc = diagnostics["probes"]["shuffled_labels"]
    error = (auc["high"] - auc["low"]) / INTERVAL_WIDTH
    if auc["value"] - CHANCE >= max(thresholds.shuffled_labels, MIN_Z * error):
        yield Finding(
            f"Trained and tested on shuffled labels, the AUC is {_range(auc)}.",
            "It must be 0.5. A fitted feature family sees the labels of test rows.",
            "Remove families from `features.families` one by one until it is 0.5; report the last "
            "one removed as a bug.",
            (),
            auc,
        )


def _random_split(diagnostics: Diagnostics, thresholds: Thresholds) -> Iterator[Finding]:
    """Report by how much a random split would overstate the AUC."""
    gap, random = (diagnostics["probes"][n] for n in ("random_split_gap", "random_split"))
    if gap["value"] >= thresholds.random_gap and gap["low"] > 0:
        yield Finding(
            f"With a random split into training and test rows the AUC is {random['value']:.3f}, "
            f"{_signed_range(gap)} compared with the split in time.",
            "The difference is what rows reveal about other rows of the same prospect or the same "
            "days. The figures of this report use the split in time.",
            "Do not compare them with figures from a random split.",
            (),
            gap,
        )


def _drift(diagnostics: Diagnostics, thresholds: Thresholds) -> Iterator[Finding]:
    """Report a base rate or columns that have shifted."""
    rate = diagnostics["base_rate"]
    if rate["psi"] >= thresholds.base_rate_drift:
        yield Finding(
            f"{rate['train']:.1%} of the training rows and {rate['test']:.1%} of the test rows "
            f"converted (PSI {rate['psi']:.2f}).",
            "Probabilities fitted on the training rows are too high or too low for the test rows.",
            "Check the calibration, and train on a more recent period.",
            (),
            rate,
        )
    if diagnostics["drift"] is None:
        return
    columns = diagnostics["drift"]["columns"]
    shifted = {name: psi for name, psi in columns.items() if psi >= thresholds.drift}
    if shifted:
        name, largest = next(iter(shifted.items()))
        yield Finding(
            f"The snapshots of {diagnostics['drift']['as_of'][:10]} differ from the training rows "
            f"in at least {len(shifted)} columns, most in `{name}` (PSI {largest:.2f}).",
            "The model scores prospects unlike those it was trained on.",
            "Check whether an export changed; if customers did, train on a more recent period.",
            tuple(shifted),
            {"columns": shifted},
        )


def _no_order_gain(diagnostics: Diagnostics, thresholds: Thresholds) -> Iterator[Finding]:
    """Report where the order of steps adds nothing beyond their number."""
    gain = diagnostics["probes"]["order_gain"]
    if gain["low"] <= 0 and _history_ranks(diagnostics):
        yield Finding(
            f"Knowing the order of the steps adds {_signed_range(gain)} AUC compared with the "
            "same steps in shuffled order.",
            "No gain from the sequence of steps can be shown on these rows.",
            "Do not draw conclusions about sequences from this model.",
            (),
            gain,
        )


def _event_count_suffices(diagnostics: Diagnostics, thresholds: Thresholds) -> Iterator[Finding]:
    """Report where counting events ranks as well as distinguishing them."""
    gain, count = (diagnostics["probes"][n] for n in ("step_type_gain", "event_count"))
    if gain["low"] <= 0 and count["low"] > CHANCE:
        yield Finding(
            f"The number of events alone has an AUC of {_range(count)}; distinguishing the steps "
            f"adds {_signed_range(gain)}.",
            "These rows do not show that the model knows more than who is active.",
            "Compare the list with the baseline `activity` before relying on it.",
            (),
            {"event_count": count, "step_type_gain": gain},
        )


def _range(auc: Mapping[str, float]) -> str:
    return f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"


def _signed_range(difference: Mapping[str, float]) -> str:
    return f"{difference['value']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})"


CHECKS: dict[str, tuple[str, Callable[[Diagnostics, Thresholds], Iterator[Finding]]]] = {
    "single_feature": ("failed", _single_feature),
    "pure_values": ("failed", _pure_values),
    "missingness": ("failed", _missingness),
    "auc_drop": ("failed", _auc_drop),
    "shuffled_labels": ("failed", _shuffled_labels),
    "strong_attribute": ("warning", _strong_attribute),
    "random_split": ("warning", _random_split),
    "known_after_outcome": ("warning", _known_after_outcome),
    "drift": ("warning", _drift),
    "no_order_gain": ("warning", _no_order_gain),
    "event_count_suffices": ("warning", _event_count_suffices),
}
"""Every check with its status. A new one is one function and one line here."""

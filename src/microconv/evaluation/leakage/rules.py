"""The rules of the alarms: diagnostics and thresholds in, what to say out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from microconv.settings import LeakageCheckSettings as Thresholds

CHANCE = 0.5

CHECK = (
    "Ask whoever fills it in when they do. If it is after the outcome is known, take it out of "
    "`attributes` of its source, or bring its history with `known_at`."
)

SIGNIFICANT = 5.0
"""Standard errors from nothing at which a estimate is no chance."""

WIDTH = 3.92
"""Width of a 95 % interval in standard errors."""


@dataclass(frozen=True)
class CheckResult:
    """What a rule has to say; the fields are those of an alarm."""

    observed: str
    meaning: str
    remedy: str
    columns: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)


def single_feature(diagnostics: Mapping[str, Any], settings: Thresholds) -> Iterator[CheckResult]:
    """Compare each column alone with everything that the histories say without it."""
    ahead = [
        suspect
        for suspect in diagnostics["history"]
        if _too_good(suspect["auc"], suspect["rest"]["value"], settings)
    ]
    for suspect in ahead:
        yield CheckResult(
            f"`{suspect['column']}` alone has an AUC of {_range(suspect['auc'])}; all that the "
            f"histories say without `{suspect['origin']}` has {suspect['rest']['value']:.3f}.",
            "One step that knows more than all others together is often a record of the outcome.",
            f"Look at when events of `{suspect['origin']}` are written. If it is once the outcome "
            "is known, make it `major` or `exit` in the journey, or ignore it.",
            (suspect["column"],),
            suspect,
        )
    if not _history_ranks(diagnostics):
        return
    # what a leak ranks is no yardstick for the attributes
    known = diagnostics["history"][-1]["rest"] if ahead else diagnostics["probes"]["history"]
    level = max(CHANCE, known["value"])
    for name, auc in _strongest(diagnostics["attributes"]):
        if _too_good(auc, level, settings):
            yield CheckResult(
                f"The attribute `{name}` alone has an AUC of {_range(auc)}; the histories, without "
                f"any attribute, have {level:.3f}.",
                "It knows more about the outcome than all that the prospect did. Such columns are "
                "mostly filled in once the outcome, or the way to it, is known.",
                CHECK,
                (name,),
                {"auc": auc, "history": level},
            )


def strong_attribute(diagnostics: Mapping[str, Any], settings: Thresholds) -> Iterator[CheckResult]:
    """Name the strongest attributes where no history is there to hold them against."""
    strong = {
        name: auc
        for name, auc in _strongest(diagnostics["attributes"])
        if _ahead(auc, CHANCE, settings)
    }
    if strong and not _history_ranks(diagnostics):
        each = ", ".join(f"`{name}` {auc['value']:.3f}" for name, auc in strong.items())
        yield CheckResult(
            f"AUC of single attributes: {each}. The histories rank no better than chance, so there "
            "is nothing to hold these against.",
            "Some may be known at first contact and simply be good; others may have been filled in "
            "on the way to the outcome. The rows cannot tell.",
            CHECK,
            tuple(strong),
            strong,
        )


def _history_ranks(diagnostics: Mapping[str, Any]) -> bool:
    history = diagnostics["probes"]["history"]
    return history["value"] is not None and history["low"] > CHANCE


def _too_good(auc: Mapping[str, float], rest: float, settings: Thresholds) -> bool:
    return auc["value"] >= settings.suspicious_auc and _ahead(auc, rest, settings)


def _ahead(auc: Mapping[str, float], rest: float, settings: Thresholds) -> bool:
    return auc["value"] >= rest + settings.single_feature and auc["low"] > rest


def _strongest(figures: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(figures.items(), key=lambda item: (-item[1]["value"], item[0]))


def pure_values(diagnostics: Mapping[str, Any], settings: Thresholds) -> Iterator[CheckResult]:
    """Find attributes with values that (almost) always, or never, go with a conversion."""
    for name, fill in diagnostics["missingness"].items():
        if fill["pure_share"] < settings.pure_values:
            continue
        shown = ", ".join(f"`{w}` ({r:.1%})" for w, r in fill["pure_values"].items())
        yield CheckResult(
            f"{fill['pure_share']:.0%} of the rows with a value of `{name}` have one that is as "
            f"good as the outcome, most often {shown} converted.",
            "Words that settle the outcome are mostly written by somebody who knew it.",
            CHECK,
            (name,),
            fill,
        )


def missingness(diagnostics: Mapping[str, Any], settings: Thresholds) -> Iterator[CheckResult]:
    """Find attributes that are there far more often for one outcome."""
    for name, fill in diagnostics["missingness"].items():
        gap = fill["filled_share_converted"] - fill["filled_share_not_converted"]
        if abs(gap) < settings.missingness_gap or abs(fill["z"]) < SIGNIFICANT:
            continue
        yield CheckResult(
            f"`{name}` is filled in for {fill['filled_share_converted']:.0%} of the rows that "
            f"convert and for {fill['filled_share_not_converted']:.0%} of the others.",
            "That it is there tells the outcome: it is filled in on the way to a conversion, or "
            "because of one.",
            CHECK,
            (name,),
            fill,
        )


def known_after_outcome(
    diagnostics: Mapping[str, Any], settings: Thresholds
) -> Iterator[CheckResult]:
    """Find attributes that become known at a conversion or later."""
    for name, late in diagnostics["known_after_conversion"].items():
        if late["converters"] >= settings.min_converters and late["after"] >= settings.filled_after:
            yield CheckResult(
                f"`{name}` became known only at the conversion or later for {late['after']:.0%} of "
                f"the {late['converters']:,} converters that have it.",
                "No question may see it in time, so it ranks nobody here; a model trained without "
                "`known_at` would have learnt the outcome from it.",
                "Take it out of `attributes`, or find out why it is recorded late.",
                (name,),
                late,
            )


def auc_drop(diagnostics: Mapping[str, Any], settings: Thresholds) -> Iterator[CheckResult]:
    """Find columns that were worth something in training and hardly anything afterwards."""
    fallen = {
        name: fall
        for name, fall in diagnostics["auc_drops"].items()
        if fall["train"] - CHANCE >= settings.collapse_from
        and fall["test"] - CHANCE <= settings.collapse_to * (fall["train"] - CHANCE)
    }
    if fallen:
        worst = sorted(
            fallen, key=lambda name: (fallen[name]["test"] - fallen[name]["train"], name)
        )
        first = fallen[worst[0]]
        yield CheckResult(
            f"{len(fallen)} columns ranked well on training rows and no more on the rows tested "
            f"after them; most of all `{worst[0]}`: AUC {first['train']:.3f}, then "
            f"{first['test']:.3f} (fold {first['fold']}).",
            "What held has turned, or the older rows were filled in later with what is known now.",
            "Compare how the column was recorded then and now; bring its history with `known_at`, "
            "or leave it out.",
            tuple(worst),
            fallen,
        )


def shuffled_labels(diagnostics: Mapping[str, Any], settings: Thresholds) -> Iterator[CheckResult]:
    """Refuse to believe a machinery that predicts outcomes dealt at random."""
    auc = diagnostics["probes"]["shuffled_labels"]
    error = (auc["high"] - auc["low"]) / WIDTH
    if auc["value"] - CHANCE >= max(settings.shuffled_labels, SIGNIFICANT * error):
        yield CheckResult(
            f"Trained and tested on outcomes dealt to rows at random, the AUC is {_range(auc)}.",
            "It must be one half. A fitted feature family sees the outcomes of test rows.",
            "Leave families out of `features.families` one by one until it is one half; report the "
            "last as a defect.",
            (),
            auc,
        )


def random_rows(diagnostics: Mapping[str, Any], settings: Thresholds) -> Iterator[CheckResult]:
    """Say by how much a random split would flatter."""
    gap, random = diagnostics["probes"]["random_split_gap"], diagnostics["probes"]["random_split"]
    if gap["value"] >= settings.random_gap and gap["low"] > 0:
        yield CheckResult(
            f"With training and test rows drawn at random the AUC is {random['value']:.3f}, "
            f"{gap['value']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f}) against the split in "
            "time.",
            "The difference is what rows give away about other rows, of the same prospects or of "
            "the same days. The figures of this report are those of the split in time.",
            "Do not compare them with figures from a random split.",
            (),
            gap,
        )


def drift(diagnostics: Mapping[str, Any], settings: Thresholds) -> Iterator[CheckResult]:
    """Say which columns, and whether the outcomes, are not what they were."""
    rate = diagnostics["base_rate"]
    if rate["index"] >= settings.base_rate_drift:
        yield CheckResult(
            f"{rate['train']:.1%} of the training rows and {rate['test']:.1%} of the test rows "
            f"converted (PSI {rate['index']:.2f}).",
            "Probabilities learnt from the first are wrong in level for the second.",
            "Look at the calibration, and train on a more recent period.",
            (),
            rate,
        )
    if diagnostics["drift"] is None:
        return
    moved = {n: psi for n, psi in diagnostics["drift"]["columns"].items() if psi >= settings.drift}
    if moved:
        name, most = next(iter(moved.items()))
        yield CheckResult(
            f"The snapshots of {diagnostics['drift']['as_of'][:10]} differ from the training rows "
            f"in at least {len(moved)} columns, most in `{name}` (PSI {most:.2f}).",
            "The model is asked about prospects unlike those it learnt from.",
            "See whether an export changed; if the customers did, train on a more recent period.",
            tuple(moved),
            {"columns": moved},
        )


def no_order_gain(diagnostics: Mapping[str, Any], settings: Thresholds) -> Iterator[CheckResult]:
    """Say where the order of steps is worth nothing beyond their number."""
    adds = diagnostics["probes"]["order_gain"]
    if adds["low"] <= 0 and _history_ranks(diagnostics):
        yield CheckResult(
            f"Knowing which step followed which is worth {adds['value']:+.3f} AUC "
            f"({adds['low']:+.3f} to {adds['high']:+.3f}) over the same steps dealt to their "
            "instants anew.",
            "No gain from sequence can be shown on these rows.",
            "Do not tell a story about sequences from this model.",
            (),
            adds,
        )


def event_count_suffices(
    diagnostics: Mapping[str, Any], settings: Thresholds
) -> Iterator[CheckResult]:
    """Say where counting events does as well as telling them apart."""
    adds, volume = diagnostics["probes"]["step_type_gain"], diagnostics["probes"]["event_count"]
    if adds["low"] <= 0 and volume["low"] > CHANCE:
        yield CheckResult(
            f"The number of events alone has an AUC of {_range(volume)}; telling the steps apart "
            f"adds {adds['value']:+.3f} ({adds['low']:+.3f} to {adds['high']:+.3f}).",
            "That the model knows more than who is active cannot be shown on these rows.",
            "Hold the list against the baseline `activity` before it is believed.",
            (),
            {"event_count": volume, "step_type_gain": adds},
        )


def _range(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"

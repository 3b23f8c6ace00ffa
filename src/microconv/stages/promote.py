"""`microconv promote`: compare the challenger with the champion, then move the alias."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from microconv.errors import OtherJourneyError, PromotionError
from microconv.evaluation.promotion import (
    METRIC_LABELS,
    Blocker,
    ModelComparison,
    check_against_baseline,
    check_against_champion,
    check_challenger,
    compare_with_champion,
    format_difference,
)
from microconv.journey import JourneyMap
from microconv.model.prospect_model import ProspectModel, require_same_journey
from microconv.ranking.newly_labelled import newly_labelled_rows, out_of_time_predictions, rescore
from microconv.settings import EvaluateSettings, Settings, read_settings
from microconv.stages.runner import progress
from microconv.storage.log import EventLog
from microconv.tracking.champion import (
    ModelVersion,
    fetch_version,
    registry_status,
    roll_back,
    set_champion,
)
from microconv.tracking.store import Store

MAX_LABEL_CONFLICTS = 0.02
"""Share of common rows with different labels above which two event logs are not the same."""


@dataclass(frozen=True)
class PromotionRequest:
    """What `microconv promote` was called with.

    Attributes
    ----------
    log : Path or None
        Event log whose newly labelled snapshots both models are compared on, too.
    because : str or None
        Promote despite blockers; the reason is recorded.
    root : Path or None
        Folder of the MLflow database; by default the repository.
    """

    log: Path | None = None
    because: str | None = None
    root: Path | None = None


def promote(params: Path, request: PromotionRequest) -> str:
    """Make the challenger the champion, and return a summary of the comparison.

    Parameters
    ----------
    params : Path
        The params.yaml.
    request : PromotionRequest

    Raises
    ------
    PromotionError
        If there are blockers and no reason was given to promote despite them.
    """
    settings, store = read_settings(params), Store.find(request.root)
    name = settings.track.registered_model
    because = None if request.because is None else request.because.strip()
    if because == "":
        raise PromotionError("--because is empty. Give the reason, or omit the option.")
    with progress("promote"):
        now = registry_status(name, store)
        if now.challenger is None:
            raise PromotionError(f"`{name}` has no challenger. The stage `track` registers one.")
        if now.challenger == now.champion:
            return f"{name} version {now.champion} is already the champion"
        with fetch_version(name, now.challenger, store) as challenger:
            if now.champion is None:
                blockers, figures = _first(challenger, settings)
            else:
                with fetch_version(name, now.champion, store) as champion:
                    blockers, figures = _contest(challenger, champion, settings, request.log)
        if blockers and because is None:
            raise PromotionError(_refusal(name, now.challenger, blockers, figures))
        codes = tuple(sorted({blocker.code for blocker in blockers}))
        set_champion(name, now.challenger, store=store, because=because, blockers=codes)
    before = "the first" if now.champion is None else f"it was version {now.champion}"
    despite = f"; despite {', '.join(codes)}, because: {because}" if blockers else ""
    return f"{name} version {now.challenger} is the champion now ({before}){despite}{figures}"


def rollback(params: Path, request: PromotionRequest) -> str:
    """Make the previous champion the champion again, and return a summary.

    Parameters
    ----------
    params : Path
        The params.yaml.
    request : PromotionRequest
        Only its `root` counts.
    """
    name = read_settings(params).track.registered_model
    was, now = roll_back(name, store=Store.find(request.root))
    return f"{name} version {now} is the champion again (it was version {was})"


def _refusal(name: str, number: str, blockers: list[Blocker], figures: str) -> str:
    reasons = "; ".join(blocker.message for blocker in blockers)
    return (
        f"Version {number} of `{name}` is not promoted: {reasons}. Fix this and run again, or "
        f'promote it anyway with --because "REASON".{figures}'
    )


def _first(challenger: ModelVersion, settings: Settings) -> tuple[list[Blocker], str]:
    """Check a first champion: its own figures, and the comparison with the best baseline."""
    blockers = _journey(
        challenger.model, JourneyMap.from_settings(settings.journey), "the settings"
    )
    rows = out_of_time_predictions(challenger.model)
    blockers += check_challenger(rows, challenger.evaluation, settings.evaluate)
    if challenger.evaluation is None:
        return blockers, ""
    blockers += check_against_baseline(challenger.evaluation)
    verdict = challenger.evaluation["verdict"]["summary"]
    return blockers, f"\n  {verdict}"


def _contest(
    challenger: ModelVersion, champion: ModelVersion, settings: Settings, log: Path | None
) -> tuple[list[Blocker], str]:
    """Check a challenger: its own figures, and the comparison with the champion."""
    mine, theirs = challenger.model, champion.model
    blockers = _journey(mine, theirs.journey, "the champion")
    if mine.snapshot_settings.horizon != theirs.snapshot_settings.horizon:
        blockers.append(
            Blocker(
                "other_horizon",
                f"it predicts {mine.snapshot_settings.horizon_days:g} days ahead and the champion "
                f"{theirs.snapshot_settings.horizon_days:g}",
            )
        )
    rows = out_of_time_predictions(mine)
    blockers += check_challenger(rows, challenger.evaluation, settings.evaluate)
    if any(o.code in ("other_journey", "other_horizon") for o in blockers):
        return blockers, ""
    met = compare_with_champion(*_rows(mine, theirs, log), settings.evaluate)
    if isinstance(met, Blocker):
        return [*blockers, met], ""
    if met.label_conflicts > MAX_LABEL_CONFLICTS * met.metrics["rows"]:
        says = f"{met.label_conflicts} of {met.metrics['rows']} common rows have another label"
        blockers.append(Blocker("other_labels", says))
    return [*blockers, *check_against_champion(met, settings.evaluate)], _figures(
        met, settings.evaluate
    )


def _rows(
    challenger: ProspectModel, champion: ProspectModel, log: Path | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the predictions of both: of their backtests, and on snapshots labelled since."""
    mine, theirs = out_of_time_predictions(challenger), out_of_time_predictions(champion)
    if log is None:
        return mine, theirs
    events = EventLog.open(log)
    mine = _joined(mine, newly_labelled_rows(events, challenger))
    return mine, _joined(theirs, rescore(events, champion, mine))


def _joined(first: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """Concatenate predictions; of two for one prospect and `as_of` the first is kept."""
    if len(more) == 0:
        return first
    rows = pd.concat([first, more], ignore_index=True)
    return rows.drop_duplicates(["prospect_id", "as_of"], ignore_index=True)


def _journey(model: ProspectModel, other: JourneyMap, whose: str) -> list[Blocker]:
    try:
        require_same_journey(model.journey, other, "The model", whose)
    except OtherJourneyError as error:
        said = str(error).split(". ")[0].removeprefix("The model ")
        return [Blocker("other_journey", f"it {said}")]
    return []


def _figures(met: ModelComparison, settings: EvaluateSettings) -> str:
    figures = met.metrics
    head = (
        f"\n  on {figures['rows']:,} common rows of {figures['prospects']:,} prospects with "
        f"{figures['conversions']:,} conversions, challenger minus champion "
        f"({settings.confidence:.0%} interval, by prospect):"
    )
    lines = [
        f"\n  {says}: {figures[name]['one']['value']:.4f} against "
        f"{figures[name]['other']['value']:.4f}, {format_difference(figures[name]['difference'])}"
        for name, says in METRIC_LABELS.items()
        if figures[name]["difference"].get("low") is not None
    ]
    return head + "".join(lines)

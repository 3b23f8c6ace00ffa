"""Rare-step grouping: which steps have columns of their own, and which share ``(other)``.

Every step has a dozen columns, so a journey of thousands of steps would make the matrix
too wide. At most `features.max_steps` steps keep their own columns: first those named in
`pairs` and `sequences`, then the others in the order of the journey, which does not depend
on the data. The rest count together as one step named ``(other)``. Kinds, stages and the
ladder still know every step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from microconv.errors import JourneyError, SettingsError, did_you_mean
from microconv.journey import JourneyMap
from microconv.settings import FeatureSettings

OTHER = "(other)"
"""Name of the group of all steps without columns of their own."""

MAX_PAIRS = 10_000
"""Upper bound of ordered pairs: each has four columns."""


class StepGroups(NamedTuple):
    """The groups of steps that have columns.

    Attributes
    ----------
    names : tuple of str
        Steps with their own columns, in the order of the journey; :data:`OTHER` last, if
        any step is grouped.
    group : ndarray of int16, shape (n_steps,)
        Position of each step of the journey in `names`.
    """

    names: tuple[str, ...]
    group: npt.NDArray[np.int16]


def group_rare_steps(journey: JourneyMap, settings: FeatureSettings) -> StepGroups:
    """Choose the steps with columns of their own and group all others.

    Parameters
    ----------
    journey : JourneyMap
    settings : FeatureSettings

    Returns
    -------
    StepGroups
    """
    names, limit = journey.step_names, settings.max_steps
    if len(names) <= limit:
        return StepGroups(names, np.arange(len(names), dtype=np.int16))
    named = _named_steps(settings)
    first = sorted(range(len(names)), key=lambda code: (names[code] not in named, code))
    own = sorted(first[: limit - 1])
    group = np.full(len(names), len(own), dtype=np.int16)
    group[own] = np.arange(len(own))
    return StepGroups((*(names[code] for code in own), OTHER), group)


def describe_grouping(journey: JourneyMap, settings: FeatureSettings) -> str:
    """Describe how many steps share columns.

    Parameters
    ----------
    journey : JourneyMap
    settings : FeatureSettings

    Returns
    -------
    str
        One sentence; empty if no steps share columns.
    """
    grouped = len(journey) - settings.max_steps + 1
    if grouped <= 1:
        return ""
    return (
        f"{grouped:,} of the {len(journey):,} steps have no columns of their own and count "
        f"together as `{OTHER}`, as `features.max_steps` is {settings.max_steps:,}."
    )


def check_steps(journey: JourneyMap, settings: FeatureSettings) -> None:
    """Check that the journey has the steps of all pairs and sequences, and that they fit.

    Parameters
    ----------
    journey : JourneyMap
    settings : FeatureSettings

    Raises
    ------
    JourneyError
        Naming the first unknown step.
    SettingsError
        If there are more named steps or pairs than fit.
    """
    pairs = () if isinstance(settings.pairs, str) else settings.pairs
    for sequence in (*pairs, *settings.sequences):
        for step in sequence:
            if step not in journey.step_names:
                raise JourneyError(
                    f"`features` has the sequence {' > '.join(sequence)}, but the journey has "
                    f"no step `{step}`." + did_you_mean(step, journey.step_names)
                )
    if OTHER in journey.step_names:
        raise JourneyError(f"A step cannot be named `{OTHER}`: grouped steps have that name.")
    named = len(_named_steps(settings))
    if len(journey) > settings.max_steps <= named:
        raise SettingsError(
            f"`features.pairs` and `features.sequences` name {named:,} steps, and "
            f"`features.max_steps` leaves {settings.max_steps - 1:,} with columns of their own. "
            f"Name fewer, or raise `features.max_steps` above {named:,}."
        )
    n_pairs = len(pairs)
    if settings.pairs == "all":
        own = group_rare_steps(journey, settings).names
        micro = sum(step.kind == "micro" and step.name in own for step in journey.steps)
        n_pairs = micro * (micro - 1)
    if n_pairs > MAX_PAIRS:
        raise SettingsError(
            f"`features.pairs` makes {n_pairs:,} ordered pairs of steps with four columns each; "
            f"the limit is {MAX_PAIRS:,}. Name the pairs that matter, or set `none`: the columns "
            "of the latest steps still show their order."
        )


def _named_steps(settings: FeatureSettings) -> set[str]:
    pairs = () if isinstance(settings.pairs, str) else settings.pairs
    return {step for sequence in (*pairs, *settings.sequences) for step in sequence}

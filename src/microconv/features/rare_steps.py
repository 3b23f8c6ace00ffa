"""Steps with columns of their own, and the others that share those of ``(other)``.

Every step has a dozen columns. A journey of thousands of steps would make the matrix
as wide, so only so many are told apart as `features.max_steps` says: those that
the settings follow by name, then the others in the order of the journey, which does not
depend on the data. The rest count together as one step named ``(other)``; kinds,
stages and the ladder know every step as before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from microconv.errors import JourneyError, SettingsError, did_you_mean
from microconv.journey import JourneyMap
from microconv.settings import FeatureSettings

OTHER = "(other)"
"""The step that stands for all without columns of their own."""

MAX_PAIRS = 10_000
"""So many ordered pairs may be followed: each is four columns."""


class StepGroups(NamedTuple):
    """Which steps are told apart.

    Attributes
    ----------
    names : tuple of str
        Of the steps with columns, in the order of the journey; last :data:`OTHER`, if any
        step has none.
    place : ndarray of int16, shape (n_steps,)
        Position of each step of the journey in `names`.
    """

    names: tuple[str, ...]
    place: npt.NDArray[np.int16]


def group_rare_steps(journey: JourneyMap, settings: FeatureSettings) -> StepGroups:
    """Choose the steps that have columns of their own."""
    names, most = journey.step_names, settings.max_steps
    if len(names) <= most:
        return StepGroups(names, np.arange(len(names), dtype=np.int16))
    followed = _followed(settings)
    first = sorted(range(len(names)), key=lambda code: (names[code] not in followed, code))
    own = sorted(first[: most - 1])
    place = np.full(len(names), len(own), dtype=np.int16)
    place[own] = np.arange(len(own))
    return StepGroups((*(names[code] for code in own), OTHER), place)


def describe_grouping(journey: JourneyMap, settings: FeatureSettings) -> str:
    """Say how many steps share columns; nothing if none do."""
    folded = len(journey) - settings.max_steps + 1
    if folded <= 1:
        return ""
    return (
        f"{folded:,} of the {len(journey):,} steps have no columns of their own and count together "
        f"as `{OTHER}`, as `features.max_steps` is {settings.max_steps:,}."
    )


def check_steps(journey: JourneyMap, settings: FeatureSettings) -> None:
    """Refuse pairs or sequences that the journey does not have, and more than can be followed.

    Raises
    ------
    JourneyError
        Naming the first unknown step.
    SettingsError
        If more steps or pairs are followed than fit.
    """
    pairs = () if isinstance(settings.pairs, str) else settings.pairs
    for sequence in (*pairs, *settings.sequences):
        for step in sequence:
            if step not in journey.step_names:
                raise JourneyError(
                    f"`features` follows the sequence {' > '.join(sequence)}, but the journey has "
                    f"no step `{step}`." + did_you_mean(step, journey.step_names)
                )
    if OTHER in journey.step_names:
        raise JourneyError(f"A step cannot be named `{OTHER}`: that is what the rest is called.")
    followed = len(_followed(settings))
    if len(journey) > settings.max_steps <= followed:
        raise SettingsError(
            f"`features.pairs` and `features.sequences` follow {followed:,} steps, and "
            f"`features.max_steps` leaves {settings.max_steps - 1:,} with columns of their own. "
            f"Follow fewer, or raise `features.max_steps` above {followed:,}."
        )
    n_pairs = len(pairs)
    if settings.pairs == "all":
        own = group_rare_steps(journey, settings).names
        micro = sum(step.kind == "micro" and step.name in own for step in journey.steps)
        n_pairs = micro * (micro - 1)
    if n_pairs > MAX_PAIRS:
        raise SettingsError(
            f"`features.pairs` follows {n_pairs:,} ordered pairs of steps, four columns each, and "
            f"at most {MAX_PAIRS:,} are. Name the pairs that matter, or say `none`: the order of "
            "the latest steps is seen all the same."
        )


def _followed(settings: FeatureSettings) -> set[str]:
    pairs = () if isinstance(settings.pairs, str) else settings.pairs
    return {step for sequence in (*pairs, *settings.sequences) for step in sequence}

"""What a search for settings found, as the one file that later stages read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from microconv.errors import MissingInputError, ModelError
from microconv.settings import ModelSettings, RegressionSettings, Settings, TreeSettings
from microconv.storage.files import atomic_write

Found = dict[str, dict[str, Any]]
"""`trees`, `hazard` and `regression`, as in the section `model` of params.yaml."""


@dataclass(frozen=True)
class Trial:
    """One try of one set of settings.

    Attributes
    ----------
    number : int
        0 for the settings of params.yaml.
    settings : dict
        `trees`, `hazard`, `regression`.
    running : tuple of float
        Mean log loss of all tested rows after each inner fold.
    seconds : float
    pruned : bool
        Given up before the last fold, for being worse than the median of earlier trials.
    chosen : bool
    """

    number: int
    settings: Found
    running: tuple[float, ...]
    seconds: float
    pruned: bool = False
    chosen: bool = False

    @property
    def loss(self) -> float | None:
        """Mean log loss of the tested rows of every fold; None if it was pruned."""
        return None if self.pruned else self.running[-1]


@dataclass(frozen=True)
class SearchResult:
    """The outcome of a search, or that there was none.

    Attributes
    ----------
    says : str
        What came of it, in a sentence.
    trials : tuple of Trial
        In their order; empty if nothing was tried.
    dates : dict
        `until`, before which every outcome looked at was known, and `folds` with
        their `train` and `test` instants; empty if nothing was tried.
    """

    says: str
    trials: tuple[Trial, ...] = ()
    dates: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Found | None:
        """What was chosen; None where the settings of params.yaml stay."""
        found = [trial.settings for trial in self.trials if trial.chosen and trial.number > 0]
        return found[0] if found else None

    def apply(self, settings: Settings) -> Settings:
        """Put what was chosen in the place of what params.yaml says."""
        if self.settings is None:
            return settings
        return settings.model_copy(update={"model": with_found(settings.model, self.settings)})

    def choose(self, number: int, says: str) -> SearchResult:
        """Mark one trial as chosen."""
        marked = tuple(replace(trial, chosen=trial.number == number) for trial in self.trials)
        return replace(self, says=says, trials=marked)

    def write(self, path: str | Path) -> None:
        """Write it as JSON; a run that is killed leaves no half of it."""
        trials = [{**asdict(trial), "loss": trial.loss} for trial in self.trials]
        content = {"says": self.says, "settings": self.settings, **self.dates, "trials": trials}
        with atomic_write(path) as fresh:
            fresh.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: str | Path) -> SearchResult:
        """Read what :meth:`write` wrote.

        Raises
        ------
        MissingInputError
            If there is no such file.
        ModelError
            If it is not a search's.
        """
        if not Path(path).exists():
            raise MissingInputError(f"There is no {path}. Run the stage `search` first.")
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            trials = tuple(_trial(entry) for entry in content.pop("trials"))
            says = content.pop("says")
            content.pop("settings")
            done = cls(says, trials, content)
            if done.settings is not None:
                _checked(done.settings)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path} does not hold the outcome of a search ({type(error).__name__}: {error}). "
                "Run the stage `search` again."
            ) from None
        return done


def found_in(model: ModelSettings) -> Found:
    """Write out the settings that a search may replace."""
    return {name: getattr(model, name).model_dump() for name in ("trees", "hazard", "regression")}


def with_found(model: ModelSettings, found: Found) -> ModelSettings:
    """Replace what a search may replace."""
    return model.model_copy(update=_checked(found))


def _checked(found: Found) -> dict[str, TreeSettings | RegressionSettings]:
    return {
        "trees": TreeSettings(**found["trees"]),
        "hazard": TreeSettings(**found["hazard"]),
        "regression": RegressionSettings(**found["regression"]),
    }


def _trial(entry: dict[str, Any]) -> Trial:
    kept = {name: value for name, value in entry.items() if name != "loss"}
    return Trial(**{**kept, "running": tuple(entry["running"])})

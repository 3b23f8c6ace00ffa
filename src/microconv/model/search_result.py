"""The result of a hyper-parameter search, as the one file that later stages read."""

from __future__ import annotations

import json
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from microconv.errors import MissingInputError, ModelError
from microconv.model.artefact import STRICT
from microconv.settings import ModelSettings, Settings
from microconv.storage.files import atomic_write

Parameters = dict[Literal["trees", "hazard", "regression"], dict[str, int | float]]
"""By section of `model` in params.yaml, values of some of its parameters."""


@dataclass(frozen=True, config=STRICT)
class Trial:
    """One set of parameters that was tried.

    Attributes
    ----------
    number : int
        0 for the settings of params.yaml.
    settings : dict of str to dict
        The parameters tried, by section; the others are those of params.yaml.
    running : tuple of float
        Mean log loss of all validation rows after each inner fold.
    seconds : float
    pruned : bool
        Stopped before the last fold, because it was worse than the median of earlier trials.
    chosen : bool
    """

    number: int
    settings: Parameters
    running: tuple[float, ...]
    seconds: float
    pruned: bool = False
    chosen: bool = False

    @property
    def loss(self) -> float | None:
        """Mean log loss of the validation rows of every fold; None if it was pruned."""
        return None if self.pruned else self.running[-1]


@dataclass(frozen=True, config=STRICT)
class SearchResult:
    """The result of a search, or that there was none.

    Attributes
    ----------
    summary : str
        One sentence.
    trials : tuple of Trial
        In order; empty if nothing was tried.
    until : str or None
        Every outcome that was used was known before this instant; None if nothing was tried.
    folds : tuple of dict
        Their `train` and `test` instants.
    """

    summary: str
    trials: tuple[Trial, ...] = ()
    until: str | None = None
    folds: tuple[dict[str, list[str]], ...] = field(default=())

    @property
    def settings(self) -> Parameters | None:
        """The chosen parameters; None where the settings of params.yaml stay."""
        chosen = [trial.settings for trial in self.trials if trial.chosen and trial.number > 0]
        return chosen[0] if chosen else None

    def apply(self, settings: Settings) -> Settings:
        """Return the settings with the chosen parameters."""
        if self.settings is None:
            return settings
        model = replace_parameters(settings.model, self.settings)
        return settings.model_copy(update={"model": model})

    def choose(self, number: int, summary: str) -> SearchResult:
        """Return the result with one trial marked as chosen.

        Parameters
        ----------
        number : int
        summary : str
        """
        marked = tuple(replace(trial, chosen=trial.number == number) for trial in self.trials)
        return replace(self, summary=summary, trials=marked)

    def write(self, path: str | Path) -> None:
        """Write the result as JSON; a run that is killed leaves no partial file."""
        content = ADAPTER.dump_python(self, mode="json")
        for entry, trial in zip(content["trials"], self.trials, strict=True):
            entry["loss"] = trial.loss
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
            If it is not the result of a search.
        """
        if not Path(path).exists():
            raise MissingInputError(f"There is no {path}. Run the stage `search` first.")
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            for entry in content["trials"]:
                del entry["loss"]
            result = ADAPTER.validate_python(content)
            if result.settings is not None:
                replace_parameters(ModelSettings(seed=0), result.settings)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path} does not hold the result of a search ({type(error).__name__}: {error}). "
                "Run the stage `search` again."
            ) from None
        return result


ADAPTER = TypeAdapter(SearchResult)
"""Validates the file."""


def searched_settings(model: ModelSettings) -> Parameters:
    """Return the sections whose parameters a search may change."""
    return {
        "trees": model.trees.model_dump(),
        "hazard": model.hazard.model_dump(),
        "regression": model.regression.model_dump(),
    }


def replace_parameters(model: ModelSettings, parameters: Parameters) -> ModelSettings:
    """Return the settings with some parameters replaced; all others stay as they are.

    Parameters
    ----------
    model : ModelSettings
    parameters : dict of str to dict
        By section.
    """
    update: dict[str, Any] = {}
    for section, values in parameters.items():
        current = getattr(model, section)
        update[section] = type(current).model_validate({**current.model_dump(), **values})
    return model.model_copy(update=update)

"""`track`, `engine` and `simulate`: MLflow, where the work is done, the demo."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from microconv.settings.section import Count, Section, Seed, Share, require_zone


class TrackSettings(Section):
    """How runs are logged to MLflow.

    Attributes
    ----------
    experiment : str
        MLflow experiment of the runs.
    registered_model : str
        Name of the model in the MLflow registry.
    """

    experiment: str
    registered_model: str


class EngineSettings(Section):
    """Where the work is done; changes no value.

    Attributes
    ----------
    name : "local" or "spark"
        Spark takes over what goes bucket by bucket: `snapshot`, `featurize` and `score`.
    master : str or None
        Spark's master: ``local[2]``, ``spark://host:7077``, ``yarn``, …
    threads : int or None
        Of this machine; None takes every core.
    memory_gb : float
        What a process may take of this machine's memory, about. How many buckets
        are in work at once, and how much of one, follow from it, and the number of
        buckets of a new log where `ingest.buckets` does not say it.
    """

    name: Literal["local", "spark"] = "local"
    master: Annotated[str, Field(min_length=1)] | None = None
    threads: Count | None = None
    memory_gb: Annotated[float, Field(ge=1, le=100_000)] = 4

    @property
    def block_bytes(self) -> int:
        """What a block of features may take: a tenth of the memory, 400 MB at most."""
        return round(min(self.memory_gb / 10, 0.4) * 1e9)

    @model_validator(mode="after")
    def _master_of_spark(self) -> EngineSettings:
        if self.name == "spark" and self.master is None:
            raise ValueError("`spark` needs a `master`, like local[2] or spark://host:7077")
        if self.name == "local" and self.master is not None:
            raise ValueError(f"a `master` ({self.master}) is Spark's: set `name: spark`")
        return self


class SimulateSettings(Section):
    """The simulated company of the demo.

    Attributes
    ----------
    world : {"planted", "confounded", "null"}
        Whether a sequence raises the conversion rate, engagement explains everything, or
        nothing predicts conversion.
    prospects : int
        Number of prospects.
    days : int
        Days of history.
    start : datetime
        First instant.
    seed : int
        The same settings give identical exports.
    scanner_share : float
        Share of prospects whose mail goes through a link scanner.
    """

    world: Literal["planted", "confounded", "null"]
    prospects: Count
    days: Annotated[int, Field(ge=60)]
    start: datetime
    seed: Seed
    scanner_share: Share = 0.15

    @field_validator("world", mode="before")
    @classmethod
    def _bare_null(cls, world: object) -> object:
        """Take YAML's bare word null, which it reads as nothing, for the world of that name."""
        return "null" if world is None else world

    @field_validator("start")
    @classmethod
    def _aware(cls, instant: datetime) -> datetime | None:
        return require_zone(instant)

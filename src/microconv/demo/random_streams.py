"""One random generator per purpose: switching one thing off leaves the others as they were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Streams:
    """Independent generators, spawned from one seed in this order; new ones go last."""

    accounts: np.random.Generator
    people: np.random.Generator
    devices: np.random.Generator
    weeks: np.random.Generator
    mail: np.random.Generator
    visits: np.random.Generator
    goals: np.random.Generator
    outcomes: np.random.Generator
    deals: np.random.Generator
    email_rows: np.random.Generator
    web_rows: np.random.Generator
    crm_rows: np.random.Generator

    @classmethod
    def of(cls, seed: int) -> Streams:
        """Spawn every stream from one seed."""
        names = cls.__dataclass_fields__
        children = np.random.SeedSequence(seed).spawn(len(names))
        return cls(*(np.random.Generator(np.random.PCG64(child)) for child in children))

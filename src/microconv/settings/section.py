"""What every section has in common, and the kinds of numbers they hold."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Days = Annotated[float, Field(gt=0, le=36_500)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
"""What every library here takes for a seed."""


class Section(BaseModel):
    """What every section has in common: unknown keys refused, values frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def require_zone(instant: datetime | None) -> datetime | None:
    """Refuse an instant without a time zone: nobody could say which one it is."""
    if instant is not None and instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone; write it like 2024-01-31T00:00:00Z")
    return instant

"""Parts of a saved model, as JSON and read back."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from microconv.model.ensemble import Ensemble


def as_json(part: Any) -> Any:
    """Return a part of a model as its JSON has it."""
    return TypeAdapter(type(part)).dump_python(part, mode="json")


def through_json(part: Any, **other: Any) -> Any:
    """Write a part of a model as JSON and read it back; `other` parts have files of their own."""
    content = json.loads(json.dumps(as_json(part), allow_nan=False))
    return TypeAdapter(type(part)).validate_python({**content, **other})


def tree_texts(ensemble: Ensemble) -> tuple[str, str]:
    """Return the files of the two base models that consist of trees."""
    return ensemble.trees.booster.text, ensemble.hazard.booster.text

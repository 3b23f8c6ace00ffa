"""Rank prospects by the micro-conversions they make.

>>> import microconv
>>> sorted(microconv.__all__)
['EventLog', 'MicroconvError', 'ProspectModel', 'RawExports', 'read_settings', 'score']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from microconv.errors import MicroconvError
    from microconv.model.prospect_model import ProspectModel
    from microconv.ranking.event_inputs import RawExports
    from microconv.ranking.score import score
    from microconv.settings import read_settings
    from microconv.storage.log import EventLog

__all__ = ["EventLog", "MicroconvError", "ProspectModel", "RawExports", "read_settings", "score"]

_HOMES = {
    "EventLog": "microconv.storage.log",
    "MicroconvError": "microconv.errors",
    "ProspectModel": "microconv.model.prospect_model",
    "RawExports": "microconv.ranking.event_inputs",
    "read_settings": "microconv.settings",
    "score": "microconv.ranking.score",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the libraries behind it take seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module `microconv` has no attribute `{name}`")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted([*globals(), *__all__])

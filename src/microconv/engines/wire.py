"""How the result of a bucket crosses from the machine that worked it out to the one that asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Wire(Generic[Result]):
    """Two functions, each the inverse of the other, to the bit.

    Attributes
    ----------
    pack : callable
        Result → bytes. Reading them back must run no code from them.
    unpack : callable
        Bytes → result.
    """

    pack: Callable[[Result], bytes]
    unpack: Callable[[bytes], Result]


AS_JSON: Wire[Any] = Wire(lambda result: json.dumps(result).encode(), json.loads)
"""For whole numbers, texts, and lists and dictionaries of them."""

"""What an opened row of the list shows, as data inside the page: laid out when it is asked for.

Twenty steps and thirty reasons of 5,000 prospects are a quarter of a million lines to lay out,
so the page carries them as one small JSON: numbers, and every word once.
"""

from __future__ import annotations

import json
from itertools import chain, pairwise
from typing import Any

import pandas as pd
from markupsafe import Markup

from microconv.ranking.list_columns import DETAIL_COLUMNS

NOTHING = -1
"""Position of a word that is not there."""


class _Places:
    """Everything once, and where it stands."""

    def __init__(self) -> None:
        self.of: dict[Any, int] = {}

    def __call__(self, what: Any) -> int:
        """Say where something stands, after adding it if it is new."""
        return NOTHING if what is None else self.of.setdefault(what, len(self.of))


def embedded_details(frame: pd.DataFrame) -> Markup | None:
    r"""Write the details of a list as JSON that no HTML can be hidden in.

    Parameters
    ----------
    frame : DataFrame
        The table `ranked` as read from its file.

    Returns
    -------
    Markup or None
        ``{"words": [text, …], "vias": [[message, campaign], …], "rows": [row, …]}``, row for
        row with the list:

        - reasons: word and weight on the logit scale, in turns
        - weight of the weaker reasons
        - steps, in turns: minutes since 1970 (UTC), of each further one minutes before the
          last; word; via; percent of not being a person's
        - number of earlier steps, and of exposures
        - word of why the next step is proposed

        A word or via is its position, :data:`NOTHING` if there is none. None if the list has
        no details.
    """
    if not set(DETAIL_COLUMNS.names) <= set(frame.columns):
        return None
    words, vias = _Places(), _Places()
    columns = [
        *DETAIL_COLUMNS.names,
        *(["next_step_reason"] if "next_step_reason" in frame else []),
    ]
    records = frame[columns].to_dict("records")
    rows = [_row({str(k): v for k, v in row.items()}, words, vias) for row in records]
    pairs = [[words(message), words(campaign)] for message, campaign in vias.of]
    content = {"words": list(words.of), "vias": pairs, "rows": rows}
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":  # inside <script> these are markup, or end a line
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _row(row: dict[str, Any], words: _Places, vias: _Places) -> list[Any]:
    because = row.get("next_step_reason")
    reasons = [(words(reason["text"]), round(reason["log_odds"], 3)) for reason in row["reasons"]]
    minutes = [int(step["time"].timestamp() // 60) for step in row["recent_steps"]]
    passed = [*minutes[:1], *(last - this for last, this in pairwise(minutes))]
    steps = [
        (
            minute,
            words(step["step"].replace("_", " ")),
            _via(step, vias),
            _machine(step["human_probability"]),
        )
        for minute, step in zip(passed, row["recent_steps"], strict=True)
    ]
    return [
        list(chain.from_iterable(reasons)),
        round(row["other_reasons_log_odds"], 3),
        list(chain.from_iterable(steps)),
        int(row["earlier_steps"]),
        int(row["exposures"]),
        words(because if isinstance(because, str) else None),
    ]


def _via(step: dict[str, Any], vias: _Places) -> int:
    via = step["message"], step["campaign"]
    return vias(None if via == (None, None) else via)


def _machine(human_probability: float) -> int:
    return round(100 * (1 - human_probability))

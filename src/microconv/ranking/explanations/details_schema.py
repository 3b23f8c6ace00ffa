"""The columns of the details, for whoever reads them without making any."""

from __future__ import annotations

import pyarrow as pa

from microconv.storage.schema import INSTANT

_REASON = pa.struct([("text", pa.string()), ("log_odds", pa.float64())])
_STEP = pa.struct(
    [
        ("time", INSTANT),
        ("step", pa.string()),
        ("message", pa.string()),
        ("campaign", pa.string()),
        ("human_probability", pa.float64()),
    ]
)

DETAIL_COLUMNS = pa.schema(
    [
        ("reasons", pa.list_(_REASON)),
        ("other_reasons_log_odds", pa.float64()),
        ("recent_steps", pa.list_(_STEP)),
        ("earlier_steps", pa.int64()),
        ("exposures", pa.int64()),
    ]
)
"""Columns of the details, row for row with the list.

`reasons` are all that move the logit by
:data:`~microconv.ranking.explanations.reasons.FAINT` or more, the heaviest first, and
`other_reasons_log_odds` is what the others add to it together. `steps` are the latest
:data:`~microconv.ranking.explanations.details.LATEST` of what the prospect did (`message` is its
subject where the log knows it; `human_probability` the probability that a person did it), the
latest first; `earlier_steps` and `exposures`, what was done *to* the prospect, are counted."""

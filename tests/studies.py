"""Studies of hand-made logs."""

from __future__ import annotations

from microconv.measurement.study_load import load_study
from worlds import AS_OF, JOURNEY, log_of


def study_of(*rows, until=AS_OF, journey=JOURNEY, messages=None):
    """Load a study of some rows, looking back from an instant."""
    return load_study(log_of(*rows), journey, observed_until=until, messages=messages, threads=1)

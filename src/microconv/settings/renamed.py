"""Keys of params.yaml that were renamed; `microconv migrate` rewrites files that use them."""

from __future__ import annotations

RENAMED: dict[tuple[str, ...], dict[str, str]] = {
    ("simulate",): {"scanners": "scanner_share"},
    ("ingest",): {"max_refused_share": "max_rejected_share", "robots": "bots"},
    ("ingest", "sources", "*"): {"dealt": "synthetic_times"},
    ("journey",): {"refuse_unplaced": "reject_unmapped_events"},
    ("journey", "steps", "*"): {"says": "label"},
    ("model",): {"boosted": "trees", "linear": "regression", "cautious": "fallback"},
    ("model", "fallback"): {"per_deviation": "log_odds_per_sd", "doubt": "prior_sd"},
    ("evaluate",): {"worse_by": "max_auc_loss", "alarms": "leakage_checks"},
    ("evaluate", "leakage_checks"): {
        "single_column": "single_feature",
        "too_good": "suspicious_auc",
        "fill_gap": "missingness_gap",
        "certain_values": "pure_values",
    },
    ("score",): {"texts": "reason_texts"},
    ("measure",): {
        "min_human": "min_human_probability",
        "longest_sequence": "max_sequence_length",
        "most_sequences": "max_sequences",
    },
    ("experiments",): {"before_days": "pre_period_days"},
    ("experiments", "tests", "*"): {"smallest_effect": "minimum_effect"},
    ("benchmarks",): {"answer_days": "response_days"},
    ("benchmarks", "priors", "*"): {"worth": "weight"},
    ("bottlenecks",): {"least_asked": "min_recipients"},
    ("audit",): {"most_levels": "max_commitment_jump"},
}
"""Path of a section, in today's names ("*": any key or list item), and its keys: old → new."""


def new_name(parents: tuple[str, ...], key: str) -> str | None:
    """Return what a key of a section is called today, or None if it was never renamed.

    Parameters
    ----------
    parents : tuple of str
        Path of the section.
    key : str

    Examples
    --------
    >>> new_name(("journey", "steps", "pricing_visit"), "says")
    'label'
    """
    for pattern, names in RENAMED.items():
        if len(pattern) == len(parents) and all(
            part in ("*", name) for part, name in zip(pattern, parents, strict=True)
        ):
            return names.get(key)
    return None

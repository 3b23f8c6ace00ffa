"""Sequence mining, against enumeration of all combinations."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from microconv.measurement.impact.sequence_mining import mine_sequences
from microconv.measurement.study.human_events import select_human_events
from worlds.logs import JOURNEY, event
from worlds.studies import HOUR, LENGTH, at, study_of

STEPS = ("blog", "guide", "pricing", "reference")
WITHIN, EFFECT = 6, 4
"""In hours."""


@st.composite
def histories(draw):
    """Draw three prospects, some of whom convert."""
    hours = st.lists(st.integers(0, LENGTH - 1), min_size=2, max_size=9, unique=True)
    people = {}
    for name in ("ada", "bob", "cy"):
        steps = [(hour, draw(st.sampled_from(STEPS))) for hour in sorted(draw(hours))]
        if draw(st.booleans()):
            steps.append((LENGTH, "won"))
        people[name] = [(0.5, "sent"), *steps]
    return people


def oracle(people, length):
    """Count every ordered sequence among all combinations of rows."""
    found = {}
    for rows in people.values():
        won = rows[-1][1] == "won"
        end = rows[-1][0] if won else LENGTH + 1
        did = [row for row in rows if row[1] in STEPS and row[0] < end]
        first = {}
        for chosen in combinations(did, length):
            key = tuple(step for _, step in chosen)
            if len(set(key)) == length and chosen[-1][0] - chosen[0][0] <= WITHIN:
                first[key] = min(first.get(key, LENGTH), chosen[-1][0])
        for key, hour in first.items():
            people_, won_, hours = found.get(key, (0, 0, 0.0))
            converted = won and end - hour < EFFECT
            found[key] = people_ + 1, won_ + converted, hours + min(end - hour, EFFECT)
    return found


@given(people=histories())
def test_mining_equals_enumeration_of_all_combinations(people):
    """Support, conversions and time after the first completion, for pairs and triples."""
    rows = [event(name, step, at(hour)) for name, done in people.items() for hour, step in done]
    study = study_of(*rows, until=at(LENGTH + 1))
    mined = mine_sequences(
        select_human_events(study, min_human_probability=0.5),
        study.follow_up,
        np.ones(len(study), bool),
        n_steps=len(JOURNEY),
        max_length=3,
        min_completers=1,
        spans=(WITHIN * HOUR, EFFECT * HOUR),
    )
    for length in (2, 3):
        expected = oracle(people, length)
        level = mined[length - 2] if len(mined) > length - 2 else None
        got = {}
        for k in range(0 if level is None else len(level.steps)):
            key = tuple(JOURNEY.step_names[code] for code in level.steps[k])
            got[key] = level.completed[k], level.events[k], round(level.days[k] * 24, 6)
        assert got == {key: (n, won, round(hours, 6)) for key, (n, won, hours) in expected.items()}


def test_only_one_half_is_mined():
    """The other half must not influence which sequences are tested on it."""
    rows = [
        event(f"p{k}", step, at(hour))
        for k in range(40)
        for hour, step in enumerate(("blog", "guide") if k % 2 else ("guide", "blog"))
    ]
    study = study_of(*rows)
    among = np.array([int(name[1:]) % 2 == 1 for name in study.prospect_ids.to_pylist()])
    mined = mine_sequences(
        select_human_events(study, min_human_probability=0.5), study.follow_up, among,
        n_steps=len(JOURNEY), max_length=2, min_completers=1, spans=(WITHIN * HOUR, EFFECT * HOUR),
    )  # fmt: skip
    assert [JOURNEY.step_names[code] for code in mined[0].steps[0]] == ["blog", "guide"]
    assert len(mined[0].steps) == 1
    assert mined[0].completed.tolist() == [20]

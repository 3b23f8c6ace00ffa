"""Paths: transitions, entries, path tree, removal effects and sequences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from microconv.measurement.funnel.paths import paths, removal_effects
from microconv.measurement.funnel.trajectories import build_trajectories, count_transitions
from microconv.settings import MeasureSettings
from worlds.bpi2012 import FOLLOW_UP_SQL, loans, needs_loans, run_sql
from worlds.logs import JOURNEY, event
from worlds.studies import at, study_of

SETTINGS = MeasureSettings()


def prospect_events(name, *steps):
    """Make one prospect who does these steps, an hour apart."""
    return [event(name, step, at(hour)) for hour, step in enumerate(steps)]


@needs_loans
def test_transitions_of_the_loan_log_equal_those_of_sql():
    """Every pair, of those who converted and of the others, the ends included."""
    study, events = loans()
    expected = run_sql(
        f"""{FOLLOW_UP_SQL}, trajectories_sql as (
            select prospect_id, place, step, converted from did
            union all
            select prospect_id, -1, '(start)', converted from people
            union all
            select p.prospect_id, 1e9, coalesce(
                (select min_by(step, place) from events e where e.prospect_id = p.prospect_id
                    and e.time = p.ended_at
                    and e.kind = case when p.converted then 'major' else 'exit' end),
                '(still open)'), converted
            from people p
        ), pairs as (
            select step, converted,
                lead(step) over (partition by prospect_id order by place) as next
            from trajectories_sql
        )
        select step, next, count(*) as count, count(*) filter (converted) as converters
        from pairs where next is not null group by all""",
        events=events,
    )
    found = paths(study, SETTINGS).tables["transitions"]
    keys = ["step", "next"]
    joined = expected.merge(found, on=keys, how="outer", suffixes=("", "_found"))
    assert len(expected) > 100
    assert joined["count"].tolist() == joined["count_found"].tolist()
    assert joined["converters"].tolist() == joined["converters_found"].tolist()
    total = expected["count"].sum()
    top = found.iloc[0]
    share = top["count"] / expected.loc[expected["step"] == top["step"], "count"].sum()
    base = expected.loc[expected["next"] == top["next"], "count"].sum() / total
    assert top["lift"] == pytest.approx(share / base)


def test_paths_by_hand():
    """Three prospects: entries, last touches, loops, tree."""
    rows = [
        *prospect_events("ada", "blog", "blog", "guide", "blog", "won"),
        *prospect_events("bob", "blog", "pricing", "left"),
        *prospect_events("cy", "guide"),
    ]
    found = paths(study_of(*rows), SETTINGS).tables
    entries = found["entries"].set_index("step")
    assert entries.loc["blog", ["prospects", "converted"]].tolist() == [2, 1]
    assert entries.loc["guide", "prospects"] == 1
    last = found["last_touches"].set_index("step")["prospects"].to_dict()
    assert last == {"blog": 1, "pricing": 1, "guide": 1}
    loops = found["loops"].set_index("step")
    assert loops.loc["blog"].tolist() == [2, 1, 1, 1]
    tree = found["tree"].set_index("path")["prospects"].to_dict()
    assert tree == {
        "blog": 2,
        "guide": 1,
        "blog > guide": 1,
        "blog > pricing": 1,
    }
    transitions = found["transitions"].set_index(["step", "next"])["count"].to_dict()
    assert transitions["blog", "won"] == 1
    assert transitions["pricing", "left"] == 1
    assert transitions["guide", "(still open)"] == 1
    assert transitions["(start)", "blog"] == 2


def test_rare_branches_are_grouped():
    """A tree of every path would be unreadable."""
    rows = [row for k in range(400) for row in prospect_events(f"p{k}", "blog", "guide")]
    rows += prospect_events("q", "blog", "pricing") + prospect_events("r", "reference")
    tree = paths(study_of(*rows), SETTINGS).tables["tree"].set_index("path")["prospects"]
    assert tree.to_dict() == {
        "blog": 401,
        "(other)": 1,
        "blog > guide": 400,
        "blog > (other)": 1,
    }


def test_a_removal_effect_equals_the_loss_from_removing_the_step_from_the_chain():
    """By stepping the chain without the step until no probability is left."""
    rng = np.random.default_rng(8)
    rows = []
    for k in range(60):
        steps = list(rng.choice(["blog", "guide", "pricing"], rng.integers(1, 6)))
        rows += prospect_events(f"p{k}", *steps, *(["won"] if rng.random() < 0.4 else []))
    study = study_of(*rows)
    trajectories = build_trajectories(study, min_human_probability=0.5)
    counts = count_transitions(trajectories)
    won = JOURNEY.code_of("won")
    found = removal_effects(trajectories, counts, np.arange(len(JOURNEY)) == won).set_index("step")

    def converts(without=None):
        both = counts.sum(axis=0).astype(float)
        chance = both / np.maximum(both.sum(axis=1, keepdims=True), 1)
        if without is not None:
            chance[:, JOURNEY.code_of(without)] = 0
        here, total = np.eye(len(both))[trajectories.start], 0.0
        for _ in range(500):
            here = here @ chance
            total += here[won]
        return total

    for step in ("blog", "guide", "pricing"):
        expected = 1 - converts(without=step) / converts()
        assert found.loc[step, "removal_effect"] == pytest.approx(expected)


def test_sequences_are_counted_among_converters_and_others():
    """Six of six converters and five of ten others did blog before guide."""
    rows = [row for k in range(6) for row in prospect_events(f"c{k}", "blog", "guide", "won")]
    rows += [row for k in range(5) for row in prospect_events(f"o{k}", "blog", "guide")]
    rows += [row for k in range(5) for row in prospect_events(f"n{k}", "guide", "blog")]
    table = paths(study_of(*rows), SETTINGS).tables["sequences"]
    assert isinstance(table, pd.DataFrame)
    only = table.iloc[0]
    assert (only["sequence"], only["converters"], only["others"]) == ("blog > guide", 6, 5)
    assert only["ratio"] == pytest.approx(2)


def test_missing_data_are_named():
    """Nobody converted, nothing is frequent."""
    found = paths(study_of(*prospect_events("ada", "blog")), SETTINGS)
    assert "Nobody converted" in found.missing[0]
    assert "frequent" in found.missing[1]

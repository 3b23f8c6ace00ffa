"""Selection by capacity, one contact per account and exploration slots."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.ranking.selection.allocation import Allocation, allocate
from microconv.settings import ScoreSettings
from worlds.logs import AS_OF


def settings(**more: object) -> ScoreSettings:
    """Make the section `score`."""
    given = {"limit": 100, "valid_days": 7, "grades": {"A": 0.0}, **more}
    return ScoreSettings.model_validate(given)


def candidates(*rows: tuple[str, str | None, str | None]) -> pd.DataFrame:
    """Put (id, owner, account) into a table, best first."""
    return pd.DataFrame(rows, columns=["prospect_id", "owner", "account_id"]).astype("str")


SIX = candidates(
    ("ada", "Olga", "acme"), ("bob", "Pete", "acme"), ("cy", "Olga", "birch"),
    ("dan", "Pete", "cedar"), ("eve", "Pete", "dune"), ("fay", "Pete", "elm"),
)  # fmt: skip


def names(found: Allocation, frame: pd.DataFrame = SIX) -> list[str]:
    """Name those listed."""
    return frame["prospect_id"].iloc[found.listed].tolist()


def test_the_example_of_the_docstring() -> None:
    """By hand: Ada and Dan by rank; Cy, Eve and Fay may be drawn, one of the three is."""
    rules = settings(
        limit=3, one_per_account=True, capacities={"owner": {"named": {"Olga": 1}}},
        exploration={"slots": 1, "seed": 4},
    )  # fmt: skip
    found = allocate(SIX, rules, limit=3, as_of=AS_OF)
    assert names(found)[:2] == ["ada", "dan"]
    assert names(found)[2] in {"cy", "eve", "fay"}
    assert found.selection_reason.tolist() == ["rank", "rank", "exploration"]
    assert found.selection_probability.tolist() == [1.0, 1.0, 1 / 3]
    assert found.other_contacts.tolist() == ["bob", None, None]
    assert sum(found.left_out.values()) == 3
    assert found.left_out["same_account"] == 1


def test_an_owner_without_a_place_gets_nobody_and_the_others_are_counted() -> None:
    """Capacity 0 is a holiday: not by rank, and not by lot."""
    rules = settings(
        capacities={"owner": {"named": {"Pete": 0}}}, exploration={"slots": 5, "seed": 1}
    )
    found = allocate(SIX, rules, limit=6, as_of=AS_OF)
    assert sorted(names(found)) == ["ada", "cy"]
    assert found.left_out == {"below_the_limit": 0, "owner_at_capacity": 4}


def test_whoever_has_no_owner_takes_nobodys_place() -> None:
    """They are listed for the lead to hand out."""
    frame = candidates(("ada", None, None), ("bob", None, None), ("cy", "Olga", None))
    rules = settings(capacities={"owner": {"each": 0}}, one_per_account=True)
    assert names(allocate(frame, rules, limit=9, as_of=AS_OF), frame) == ["ada", "bob"]


def test_an_account_of_ten_thousand_is_one_row() -> None:
    """By hand: 9,999 others, of whom the best three are named."""
    frame = candidates(*[(f"p{k:05d}", "Olga", "acme") for k in range(10_000)])
    found = allocate(frame, settings(one_per_account=True), limit=500, as_of=AS_OF)
    assert names(found, frame) == ["p00000"]
    assert found.other_contacts.tolist() == ["p00001, p00002, p00003 and 9,996 more"]
    assert found.left_out == {"below_the_limit": 0, "same_account": 9_999}


def test_a_name_that_nobody_has_is_said() -> None:
    """`Olag: 0` would silently leave Olga's calendar full."""
    rules = settings(capacities={"owner": {"named": {"Olag": 0}}})
    (note,) = allocate(SIX, rules, limit=9, as_of=AS_OF).notes
    assert "`Olag`" in note
    assert "`Olga`" in note


def test_nobody_at_all_is_an_empty_allocation() -> None:
    """A quiet week."""
    rules = settings(one_per_account=True, capacities={"owner": {"each": 3}},
                     exploration={"slots": 2, "seed": 1})  # fmt: skip
    found = allocate(SIX[:0], rules, limit=9, as_of=AS_OF)
    assert len(found.listed) == 0
    assert set(found.left_out.values()) == {0}


@pytest.mark.parametrize("slots", [3, 50])
def test_everyone_below_the_cut_is_drawn_as_often_as_the_draw_probability_says(slots: int) -> None:
    """1,000 seeds: the share of draws of each lies within five standard errors of the figure."""
    frame = candidates(*[(f"p{k}", None, None) for k in range(24)])
    drawn: Counter[str] = Counter()
    for seed in range(1_000 if slots == 3 else 1):
        rules = settings(exploration={"slots": slots, "seed": seed})
        found = allocate(frame, rules, limit=4 + slots, as_of=AS_OF)
        assert found.selection_probability[4:].tolist() == [min(1.0, slots / 20)] * min(slots, 20)
        drawn.update(names(found, frame)[4:])
    if slots == 3:
        error = np.sqrt(0.15 * 0.85 / 1_000)
        assert set(drawn) == {f"p{k}" for k in range(4, 24)}
        assert max(abs(count / 1_000 - 0.15) for count in drawn.values()) < 5 * error


def test_the_draw_follows_from_seed_and_instant_and_not_from_the_order() -> None:
    """The lowest 95 in another order: the same five; another seed or day: others."""
    frame = candidates(*[(f"p{k:03d}", None, None) for k in range(100)])
    rules = settings(limit=10, exploration={"slots": 5, "seed": 8})
    first = set(names(allocate(frame, rules, limit=10, as_of=AS_OF), frame))
    tail = frame[5:].sample(frac=1, random_state=3)
    other = pd.concat([frame[:5], tail], ignore_index=True)
    assert set(names(allocate(other, rules, limit=10, as_of=AS_OF), other)) == first
    reseeded = settings(limit=10, exploration={"slots": 5, "seed": 9})
    assert set(names(allocate(frame, reseeded, limit=10, as_of=AS_OF), frame)) != first
    tomorrow = AS_OF.replace(day=4)
    assert set(names(allocate(frame, rules, limit=10, as_of=tomorrow), frame)) != first


people = st.lists(
    st.tuples(
        st.sampled_from(["Olga", "Pete", "Quin", None]),
        st.sampled_from(["acme", "birch", "cedar", "dune", None]),
    ),
    max_size=25,
)


@given(
    people=people,
    places=st.dictionaries(st.sampled_from(["Olga", "Pete"]), st.integers(0, 3)),
    each=st.one_of(st.none(), st.integers(0, 3)),
    single=st.booleans(),
    limit=st.integers(1, 12),
)
def test_the_places_are_those_of_going_down_the_list_by_hand(
    people, places, each, single, limit
) -> None:
    """A plain loop over the candidates is the oracle; everyone is accounted for once."""
    frame = candidates(*[(f"p{k:02d}", *row) for k, row in enumerate(people)])
    rules = settings(capacities={"owner": {"each": each, "named": places}}, one_per_account=single)
    taken, accounts, listed = Counter(), set(), []
    reasons: Counter[str] = Counter()
    for k, (owner, account) in enumerate(people):
        room = places.get(owner, each)
        if single and account in accounts and account is not None:
            reasons["same_account"] += 1
        elif owner is not None and room is not None and taken[owner] >= room:
            reasons["owner_at_capacity"] += 1
        elif len(listed) >= limit:
            reasons["below_the_limit"] += 1
        else:
            listed.append(f"p{k:02d}")
            taken[owner] += 1
            accounts.add(account)
    found = allocate(frame, rules, limit=limit, as_of=AS_OF)
    assert names(found, frame) == listed
    if not single:
        assert {k: v for k, v in found.left_out.items() if v} == dict(reasons)
    assert len(listed) + sum(found.left_out.values()) == len(people)
    accounts_listed = [people[int(k)][1] for k in found.listed if people[int(k)][1] is not None]
    assert not single or len(set(accounts_listed)) == len(accounts_listed)

"""Who gets called: places are given away from the top, and everybody is accounted for."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.ranking.allocate import allocate
from microconv.settings import ScoreSettings

AS_OF = datetime(2024, 6, 3, tzinfo=UTC)


def rules(**more: object) -> ScoreSettings:
    """Make the section `score`."""
    return ScoreSettings.model_validate(
        {"limit": 500, "valid_days": 7, "grades": {"A": 0.1, "B": 0.0}, **more}
    )


def people(*rows: tuple[str, str | None, str | None]) -> pd.DataFrame:
    """Make candidates, best first: name, owner, account."""
    return pd.DataFrame(rows, columns=["prospect_id", "owner", "account_id"])


SIX = people(
    ("ada", "Olga", "acme"),
    ("bob", "Pete", "acme"),
    ("cy", "Olga", "birch"),
    ("dan", "Pete", "cedar"),
    ("eve", "Pete", "dune"),
    ("fay", "Pete", "elm"),
)


def test_the_worked_example():
    """The one in the docstring: two by rank, one of three drawn, Bob behind Ada."""
    settings = rules(
        limit=3,
        capacities={"owner": {"named": {"Olga": 1}}},
        one_per_account=True,
        exploration={"slots": 1, "seed": 1},
    )
    told = allocate(SIX, settings, limit=3, as_of=AS_OF)
    names = SIX["prospect_id"].iloc[told.listed].tolist()
    assert names[:2] == ["ada", "dan"]
    assert names[2] in {"cy", "eve", "fay"}
    assert told.because.tolist() == ["rank", "rank", "exploration"]
    assert told.draw_probability.tolist() == [1.0, 1.0, pytest.approx(1 / 3)]
    assert told.same_account[0] == "bob"
    assert told.left_out["same_account"] == 1
    assert sum(told.left_out.values()) == 3


def test_an_owner_with_no_places_gets_nobody():
    """Olga is on holiday: not even a lot falls on her."""
    settings = rules(
        capacities={"owner": {"named": {"Olga": 0}}}, exploration={"slots": 4, "seed": 1}
    )
    told = allocate(SIX, settings, limit=6, as_of=AS_OF)
    assert "Olga" not in set(SIX["owner"].iloc[told.listed])
    assert told.left_out["owner_at_capacity"] == 2


def test_whoever_has_no_owner_takes_nobodys_place():
    """A prospect nobody owns yet is called by whoever has time."""
    rows = people(("a", None, None), ("b", "Olga", None), ("c", None, None), ("d", "Olga", None))
    told = allocate(rows, rules(capacities={"owner": {"each": 1}}), limit=None, as_of=AS_OF)
    assert told.listed.tolist() == [0, 1, 2]
    assert told.left_out == {"below_the_limit": 0, "owner_at_capacity": 1}


def test_an_account_of_ten_thousand_contacts_gets_one_call():
    """The others are counted, and three of them named."""
    rows = people(*[(f"p{k:05d}", "Olga", "acme") for k in range(10_000)], ("z", "Olga", "birch"))
    told = allocate(rows, rules(one_per_account=True), limit=5, as_of=AS_OF)
    assert told.listed.tolist() == [0, 10_000]
    assert told.same_account.tolist() == ["p00001, p00002, p00003 and 9,996 more", None]
    assert told.left_out == {"below_the_limit": 0, "same_account": 9_999}


def test_a_name_that_nobody_has_is_noted():
    """`Ogla: 5` is a typo, and Olga gets as many as everybody."""
    told = allocate(
        SIX, rules(capacities={"owner": {"named": {"Ogla": 1}}}), limit=None, as_of=AS_OF
    )
    assert len(told.notes) == 1
    assert "Did you mean `Olga`?" in told.notes[0]


def test_the_lot_is_fair():
    """Of 40 below the cut 10 are drawn: over many Mondays each about one time in four."""
    rows = people(*[(f"p{k}", None, None) for k in range(50)])
    counts: Counter[str] = Counter()
    for seed in range(400):
        settings = rules(limit=20, exploration={"slots": 10, "seed": seed})
        told = allocate(rows, settings, limit=20, as_of=AS_OF)
        assert set(told.draw_probability[10:]) == {0.25}
        counts.update(rows["prospect_id"].iloc[told.listed[10:]])
    drawn = np.array([counts[f"p{k}"] for k in range(10, 50)])
    assert sum(counts[f"p{k}"] for k in range(10)) == 0
    # binomial(400, 1/4): mean 100, sd 8.7; forty of them stay within four sd
    assert (abs(drawn - 100) < 35).all()


NAMES = st.sampled_from(["Olga", "Pete", "Zoë", None])
ACCOUNTS = st.sampled_from(["acme", "birch", "cedar", None])


@given(
    rows=st.lists(st.tuples(NAMES, ACCOUNTS), max_size=40),
    each=st.integers(0, 5),
    limit=st.integers(2, 12),
    slots=st.integers(0, 1),
    one=st.booleans(),
    shuffle=st.randoms(use_true_random=False),
)
def test_places_are_kept_and_everybody_is_accounted_for(rows, each, limit, slots, one, shuffle):
    """Capacities hold, accounts are called once, better ones come first, sums are right."""
    frame = people(*[(f"p{k:02d}", owner, account) for k, (owner, account) in enumerate(rows)])
    settings = rules(
        limit=limit,
        capacities={"owner": {"each": each}},
        one_per_account=one,
        exploration={"slots": slots, "seed": 3} if slots else None,
    )
    told = allocate(frame, settings, limit=limit, as_of=AS_OF)
    assert len(told.listed) + sum(told.left_out.values()) == len(frame)
    assert len(set(told.listed.tolist())) == len(told.listed) <= limit
    ranked = told.listed[told.because == "rank"]
    assert (np.diff(ranked) > 0).all()
    owners = frame["owner"].iloc[ranked].dropna()
    assert owners.value_counts().max() <= each if len(owners) else True
    if one:
        accounts = frame["account_id"].iloc[told.listed].dropna()
        assert accounts.is_unique
    if each == 0:
        assert frame["owner"].iloc[told.listed].isna().all()


@given(seed=st.integers(0, 1000), n=st.integers(1, 30))
def test_the_lot_does_not_depend_on_the_order_of_equals(seed, n):
    """Whoever is drawn follows from seed, instant and id alone."""
    rows = people(*[(f"p{k}", None, None) for k in range(n + 1)])
    settings = rules(limit=2, exploration={"slots": 1, "seed": seed})
    one = allocate(rows, settings, limit=2, as_of=AS_OF)
    turned = pd.concat([rows[:1], rows[1:][::-1]], ignore_index=True)
    other = allocate(turned, settings, limit=2, as_of=AS_OF)
    assert (
        rows["prospect_id"].iloc[one.listed].tolist()
        == turned["prospect_id"].iloc[other.listed].tolist()
    )

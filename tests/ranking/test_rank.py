"""From a log to a list under the team's rules: the same rows, other places."""

from __future__ import annotations

import json
from datetime import timedelta

import pandas as pd
import pyarrow as pa
import pytest

from microconv.errors import MicroconvError, SettingsError
from microconv.ranking.next_step import NO_EVIDENCE
from microconv.ranking.output.past_lists import PastList
from microconv.ranking.rank import ListOptions, rank_prospects
from microconv.settings import ScoreSettings
from microconv.storage.log import MemoryLog
from worlds.logs import JOURNEY
from worlds.ranking import END, settings, trained, trained_on_events, world


def under(**more: object) -> ScoreSettings:
    """Change the section `score`."""
    return ScoreSettings.model_validate(settings().score.model_dump() | {"limit": 30, **more})


def ranked(rules: ScoreSettings, **more):
    """Rank the world."""
    return rank_prospects(world(), model=trained(), as_of=END, settings=rules, **more)


def test_rows_are_the_same_to_the_bit_however_places_are_shared_out():
    """A second look at the listed must not see anything that the first did not."""
    plain = ranked(under()).frame
    shared = ranked(under(capacities={"owner": {"each": 1000}})).frame
    pd.testing.assert_frame_equal(shared, plain, check_exact=True)


def test_an_owner_gets_as_many_as_they_can_take():
    """Of the best of each owner, in the order of the plain list."""
    plain = ranked(under(limit=1000)).frame
    told = ranked(under(limit=1000, capacities={"owner": {"each": 4}}))
    expected = plain.groupby("owner").head(4)["prospect_id"].tolist()
    assert told.frame["prospect_id"].tolist() == expected
    assert told.left_out["owner_at_capacity"] == len(plain) - len(expected)
    assert told.frame["rank"].tolist() == list(range(1, len(expected) + 1))


def test_exploration_is_on_the_list_with_its_chance():
    """The next model learns from the drawn, weighted by how likely they were."""
    told = ranked(under(exploration={"slots": 5, "seed": 2}))
    drawn = told.frame[told.frame["selection_reason"] == "exploration"]
    assert len(drawn) == 5
    assert len(told.frame) == 30
    assert drawn["selection_probability"].iloc[0] == pytest.approx(5 / (told.scored - 25))
    best = ranked(under(limit=25)).frame["prospect_id"].tolist()
    assert told.frame["prospect_id"].tolist()[:25] == best
    assert told.frame["rank"].tolist() == list(range(1, 31))


def test_everybody_is_accounted_for():
    """Known = listed + every reason not to be."""
    told = ranked(
        under(
            capacities={"owner": {"each": 3}},
            cool_off={"steps": ["pricing"], "days": 5},
            exploration={"slots": 2, "seed": 2},
        )
    )
    assert told.left_out["cooling_off"] > 0
    plain = ranked(under())
    assert told.prospects == plain.prospects
    assert sum(told.exits.values()) == told.left_out["exited"] > 0


def test_whoever_was_just_spoken_to_is_left_alone():
    """Counted from the events by hand: the step within the days before."""
    told = ranked(under(limit=1000, cool_off={"steps": ["pricing"], "days": 5}))
    events = world().events.select(["prospect_id", "time", "event_name"]).to_pandas()
    recent = events[
        (events["event_name"].astype(str) == "pricing")
        & (events["time"] >= END - timedelta(days=5))
        & (events["time"] < END)
    ]
    everyone = set(ranked(under(limit=1000)).frame["prospect_id"])
    cold = everyone & set(recent["prospect_id"])
    assert 0 < len(cold) == told.left_out["cooling_off"]
    assert set(told.frame["prospect_id"]) == everyone - cold


def test_the_order_may_be_that_of_expected_value():
    """Probability times amount, falling."""
    told = ranked(under(rank_by="expected_value", limit=1000)).frame
    assert told["expected_value"].is_monotonic_decreasing
    assert set(told["prospect_id"]) == set(ranked(under(limit=1000)).frame["prospect_id"])


def test_a_column_that_nobody_mapped_is_refused():
    """Sharing out by a column that is not there would give everybody to everybody."""
    with pytest.raises(SettingsError, match="limits capacity by `territory`"):
        ranked(under(capacities={"territory": {"each": 3}}))
    nameless = MemoryLog(world().events, None)
    with pytest.raises(SettingsError, match="the prospects table does not exist"):
        rank_prospects(
            nameless,
            model=trained_on_events(),
            as_of=END,
            settings=under(capacities={"owner": {"each": 1}}),
        )


def test_a_step_to_wait_after_must_be_one():
    """A typo would wait after nothing."""
    with pytest.raises(SettingsError, match=r"Did you mean `pricing`\?"):
        ranked(under(cool_off={"steps": ["prising"], "days": 5}))


def test_names_of_any_script_come_through():
    """Emoji, right to left, and no name at all."""
    rows = world().prospects.to_pydict()
    rows["name"] = ["🦊 Ada", "\u05d0\u05d3\u05d4", None, *rows["name"][3:]]
    rows["owner"] = [None, None, None, *rows["owner"][3:]]
    prospects = pa.table(rows, schema=world().prospects.schema)
    log = MemoryLog(world().events, prospects)
    frame = rank_prospects(
        log,
        model=trained(),
        as_of=END,
        settings=under(limit=1000, capacities={"owner": {"each": 9}}),
    ).frame
    ids = ranked(under(limit=1000)).frame["prospect_id"]
    for place in range(3):
        who = rows["prospect_id"][place]
        if who in set(ids):  # nobody's place is taken: they are all listed
            mine = frame[frame["prospect_id"] == who].iloc[0]
            assert mine["name"] == rows["name"][place] or pd.isna(mine["name"])


def previous_list(as_of, *ids: str) -> PastList:
    """Make a list that was made before."""
    frame = pd.DataFrame({"rank": range(1, len(ids) + 1), "prospect_id": ids, "probability": 0.1})
    return PastList(frame, {"list_id": "last", "as_of": as_of.isoformat()})


def test_a_row_says_what_changed_since_the_last_list():
    """Where it stood, and what was done in between or since when nothing was."""
    now = ranked(under()).frame["prospect_id"].tolist()
    week = END - timedelta(days=7)
    before = previous_list(week, *now[1:6])
    frame = ranked(under(), options=ListOptions(before)).frame.set_index("prospect_id")
    assert pd.isna(frame.loc[now[0], "previous_rank"])
    assert frame.loc[now[0], "change_since_last_list"].startswith("new: ")
    assert frame.loc[now[3], "previous_rank"] == 3
    assert frame.loc[now[3], "change_since_last_list"].startswith("-1: ")
    events = world().events.select(["prospect_id", "time", "event_name"]).to_pandas()
    events["event_name"] = events["event_name"].astype(str)
    for who in now[:10]:
        mine = events[(events["prospect_id"] == who) & (events["time"] >= week)]
        mine = mine[mine["time"] < END]
        micro = {s.name: s.commitment for s in JOURNEY.steps if s.kind == "micro"}
        done = mine[mine["event_name"].isin(micro)]
        said = frame.loc[who, "change_since_last_list"].split(": ")[1]
        if len(done):
            most = max(micro[name] for name in done["event_name"])
            assert micro[said.replace(" ", "_")] == most
        else:
            assert said.startswith("nothing ")


def measured(folder, until=END, **row):
    """Write a measurement that found one step to be worth something."""
    steps = [{"sequence": "reference", "length": 1, "significant": True, "rate_ratio": 2.1,
              "rate_ratio_low": 1.4, "rate_ratio_high": 3.0, **row}]  # fmt: skip
    content = {
        "overview": {"observed_until": until.isoformat()},
        "impact": {"tables": {"steps": steps}},
    }
    (folder / "journey.json").write_text(json.dumps(content))
    return ListOptions(measurement=folder / "journey.json")


def test_a_step_with_evidence_is_proposed_before_others_that_fit(tmp_path):
    """What is known to go with more conversions; nobody is asked for more than one level up."""
    plain = ranked(under(limit=1000)).frame.set_index("prospect_id")
    frame = ranked(under(limit=1000), options=measured(tmp_path)).frame.set_index("prospect_id")
    proposed = frame[frame["next_step"] == "reference"]
    assert len(proposed) > (plain["next_step"] == "reference").sum()
    assert set(proposed["next_step_reason"]) == {
        "associated with 2.1 times the rate of conversion (1.4 to 3.0) of those who have not done "
        "it yet"
    }
    others = frame[frame["next_step"] != "reference"]
    assert set(others["next_step_reason"].dropna()) == {NO_EVIDENCE}


@pytest.mark.parametrize(
    "row",
    [{"significant": False}, {"rate_ratio_low": 0.9}, {"length": 2}],
    ids=lambda row: str(row),
)
def test_what_did_not_survive_is_no_evidence(tmp_path, row):
    """A list that follows noise moves people around for nothing."""
    frame = ranked(under(limit=1000), options=measured(tmp_path, **row)).frame
    pd.testing.assert_frame_equal(frame, ranked(under(limit=1000)).frame)


def test_a_measurement_of_later_is_not_used(tmp_path):
    """A list of the past must not know what came after it."""
    told = ranked(under(), options=measured(tmp_path, until=END + timedelta(days=1)))
    assert set(told.frame["next_step_reason"].dropna()) == {NO_EVIDENCE}
    assert any("after `as_of`" in note for note in told.notes)


def test_a_file_that_is_no_measurement_is_refused(tmp_path):
    """One sentence, before anything is scored."""
    (tmp_path / "journey.json").write_text("[]")
    with pytest.raises(MicroconvError, match="is not a measurement of the journey"):
        ranked(under(), options=ListOptions(measurement=tmp_path / "journey.json"))

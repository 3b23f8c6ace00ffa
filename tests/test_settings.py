"""params.yaml: what it accepts, and how it says no."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from microconv.errors import MissingInputError, SettingsError
from microconv.settings import Settings, check_settings, read_settings

ROOT = Path(__file__).parents[1]


@pytest.fixture
def content():
    """Parse the shipped params.yaml, free to be spoilt."""
    return copy.deepcopy(yaml.safe_load((ROOT / "params.yaml").read_text()))


@pytest.mark.parametrize("file", ["params.yaml", "examples/bpi2012/params.yaml"])
def test_the_shipped_parameter_files_are_valid(file):
    """What we ship must not greet a newcomer with an error."""
    settings = read_settings(ROOT / file)
    assert set(type(settings).model_fields) == set(Settings.model_fields)


@pytest.mark.parametrize(
    ("place", "typo", "near"),
    [
        (["snapshots"], "horizn_days", "horizon_days"),
        ([], "snapshot", "snapshots"),
        (["model", "trees"], "num_leafs", "num_leaves"),
        (["ingest", "sources", 0], "timezon", "timezone"),
        (["journey", "steps", "deal_won"], "comitment", "commitment"),
    ],
    ids=["section", "top", "nested", "source", "step"],
)
def test_a_typo_in_a_key_names_the_key_and_the_near_one(content, place, typo, near):
    """A silent typo would leave a default in force, and nobody would know."""
    section = content
    for part in place:
        section = section[part]
    section[typo] = 1
    with pytest.raises(SettingsError) as refusal:
        check_settings(content)
    where = ".".join(str(part) for part in [*place, typo])
    assert f"unknown key `{where}`. Did you mean `{near}`?" in str(refusal.value)


def test_every_mistake_is_named_at_once(content):
    """Fixing one error only to see the next wastes a person's morning."""
    content["evaluate"]["list_size"] = 0
    del content["snapshots"]["horizon_days"]
    content["score"]["limits"] = 5
    with pytest.raises(SettingsError) as refusal:
        check_settings(content)
    message = str(refusal.value)
    assert "`snapshots.horizon_days` is missing." in message
    assert "`evaluate.list_size` is 0" in message
    assert "unknown key `score.limits`. Did you mean `limit`?" in message


@pytest.mark.parametrize(
    ("section", "key"),
    [("snapshots", "first"), ("ingest", "plausible_from"), ("score", "as_of")],
)
def test_an_instant_without_a_zone_is_refused(content, section, key):
    """Midnight is a different instant in every zone."""
    content[section][key] = "2024-02-05T00:00:00"
    with pytest.raises(SettingsError, match=rf"`{section}\.{key}` .* has no time zone"):
        check_settings(content)


@pytest.mark.parametrize(
    ("section", "key", "value", "says"),
    [
        ("ingest", "buckets", 12, "12 is not a power of two"),
        ("ingest", "plausible_until", "2019-01-01T00:00:00Z", "must lie before `plausible_until`"),
        ("features", "windows_days", [30, 7], "distinct and ascending"),
        ("features", "sequences", [["demo_video"]], "at least two steps"),
        ("score", "grades", {"A": 0.2, "B": 0.1}, "end at 0"),
        ("score", "grades", {"A": 0.1, "B": 0.2, "C": 0}, "fall from grade to grade"),
        ("model", "calibration_share", 1, "less than 1"),
        ("model", "seed", -1, "greater than or equal to 0"),
        ("simulate", "seed", 2**31, "less than 2147483648"),
        ("ingest", "sources", [], "at least 1 item"),
    ],
)
def test_an_impossible_value_is_refused_with_its_reason(content, section, key, value, says):
    """An impossible value found here costs a second, found in a result a week."""
    content[section][key] = value
    with pytest.raises(SettingsError) as refusal:
        check_settings(content)
    assert f"`{section}" in str(refusal.value)
    assert says in str(refusal.value)


def test_outcomes_cannot_be_complete_where_no_row_is_taken(content):
    """A year mistyped by ten would make every recent prospect a false "did not convert"."""
    deals = content["ingest"]["sources"][3]
    deals["complete_until"] = content["ingest"]["plausible_until"]
    check_settings(content)
    deals["complete_until"] = "2034-09-27T00:00:00Z"
    with pytest.raises(SettingsError, match=r"`deals` is declared complete until 2034-09-27"):
        check_settings(content)


def test_a_mistake_in_a_source_is_named_once(content):
    """The list of sources is not too short because one of them is wrong."""
    content["ingest"]["sources"] = content["ingest"]["sources"][:1]
    content["ingest"]["sources"][0]["timezone"] = "Europe/Belin"
    with pytest.raises(SettingsError) as refusal:
        check_settings(content)
    assert str(refusal.value) == (
        "params.yaml: `ingest.sources.0.timezone` is 'Europe/Belin': "
        "no time zone is called `Europe/Belin`; write one like `UTC`."
    )


@pytest.mark.parametrize(("value", "shown"), [(None, "empty"), ([1, 2], r"\[1, 2\]")], ids=repr)
def test_a_section_that_is_none_is_named_in_plain_words(content, value, shown):
    """Whoever edits params.yaml need not know how we check it."""
    content["snapshots"] = value
    with pytest.raises(SettingsError, match=f"`snapshots` is {shown}, and must be a section"):
        check_settings(content)


@pytest.mark.parametrize("text", ["score: {{}}\n{0}", "{0}\nscore: {{}}\n"], ids=["first", "last"])
def test_a_key_that_stands_twice_is_refused(tmp_path, text):
    """YAML keeps the last of two sections; the other would be read by people only."""
    path = tmp_path / "params.yaml"
    path.write_text(text.format((ROOT / "params.yaml").read_text()))
    with pytest.raises(SettingsError, match="the key `score` stands there twice"):
        read_settings(path)


def test_anchors_and_merges_are_still_yaml(tmp_path):
    """A key given in a merged mapping may be given again: that is what merging is for."""
    text = (ROOT / "params.yaml").read_text()
    assert "  forest: {trees: 100," in text
    text = text.replace("  forest: {trees: 100,", "  forest: {<<: &few {trees: 7}, trees: 100,", 1)
    path = tmp_path / "params.yaml"
    path.write_text(text)
    assert read_settings(path).model.forest.trees == 100


def test_the_world_null_needs_no_quotation_marks(tmp_path):
    """YAML reads the bare word as nothing; whoever writes it means the world."""
    text = (ROOT / "params.yaml").read_text().replace("world: planted", "world: null", 1)
    path = tmp_path / "params.yaml"
    path.write_text(text)
    assert read_settings(path).simulate.world == "null"


def test_two_sources_of_one_name_are_refused(content):
    """The counts of a source must be the counts of one source."""
    content["ingest"]["sources"].append(content["ingest"]["sources"][0])
    with pytest.raises(SettingsError, match="two sources are called `crm`"):
        check_settings(content)


def test_an_unknown_time_zone_is_refused(content):
    """A zone that nobody knows cannot place a naive timestamp."""
    content["ingest"]["sources"][0]["timezone"] = "Europe/Belin"
    with pytest.raises(SettingsError, match="no time zone is called `Europe/Belin`"):
        check_settings(content)


@pytest.mark.parametrize("text", ["a: [1", "\x00", "- 1\n- 2\n", ""], ids=repr)
def test_a_file_that_holds_no_sections_is_refused(tmp_path, text):
    """Half a file, or another file, is an error and not a set of defaults."""
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"params\.yaml"):
        read_settings(tmp_path / "params.yaml")


def test_a_missing_file_is_named(tmp_path):
    """The path that was tried is half the answer."""
    with pytest.raises(MissingInputError, match=r"nowhere\.yaml"):
        read_settings(tmp_path / "nowhere.yaml")


def test_settings_are_frozen(content):
    """A stage that edits the settings would make its neighbour's result depend on order."""
    settings = check_settings(content)
    with pytest.raises(ValueError, match="frozen"):
        settings.evaluate.list_size = 5

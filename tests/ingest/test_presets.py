"""The vendors' presets: complete, checked, and shipped with the package."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from microconv.ingest.presets.preset import JsonPreset, TablesPreset, load_preset
from microconv.ingest.sources.formats import FORMATS
from microconv.ingest.sources.json_presets import read_json_preset
from microconv.settings.ingest import FormatName

JSON_VENDORS = [name for name, how in FORMATS.items() if how.read is read_json_preset]


def test_every_format_of_the_settings_can_be_read() -> None:
    """A format is a reader of its own or a preset."""
    assert set(FORMATS) == set(get_args(FormatName))
    assert set(JSON_VENDORS) == {"sendgrid", "mailgun", "segment", "ga4"}


@pytest.mark.parametrize("name", JSON_VENDORS)
def test_a_preset_of_json_objects_says_when_what_and_who(name: str) -> None:
    """Without these fields no row would be an event."""
    fields = load_preset(name, JsonPreset).fields
    assert {"time", "event"} <= set(fields)
    assert {"email", "prospect_id"} & set(fields)


def test_the_tables_of_hubspot_are_joined_by_fields_that_are_there() -> None:
    """A join can only use a field of the events, or of a table joined before."""
    for table in load_preset("hubspot", TablesPreset).tables.values():
        known = {*table.fields, *table.optional_fields}
        for join in table.joins.values():
            assert join.matches in known
            known |= set(join.fields)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"fields": {"tiem": "t"}}, r"unknown fields \['tiem'\]"),
        ({"fields": {}, "event_names": [{"where": {"kind": "x"}, "name": "y"}]}, r"\['kind'\]"),
        ({"fields": {}, "colour": "red"}, "colour"),
    ],
    ids=["misspelt field", "condition on a field that is not read", "unknown key"],
)
def test_a_preset_with_a_mistake_is_rejected(content: dict[str, object], error: str) -> None:
    """A typo in a preset must not become a field that is never filled."""
    with pytest.raises(ValidationError, match=error):
        JsonPreset.model_validate({"channel": "web", "properties": (), **content})

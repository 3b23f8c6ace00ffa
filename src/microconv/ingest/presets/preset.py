"""The models that a preset is checked against, and the loader."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Literal, Self, TypeVar

import yaml
from pydantic import BeforeValidator, Field, model_validator

from microconv.ingest.sources.raw_rows import EVENT_FIELDS
from microconv.settings import Section

Keys = Annotated[
    tuple[str, ...], BeforeValidator(lambda keys: (keys,) if isinstance(keys, str) else keys)
]
"""Keys or JSON pointers to try in this order, or a single one."""

Preset = TypeVar("Preset", bound=Section)


class EventName(Section):
    """The name of events with certain values, in place of the vendor's own name."""

    where: dict[str, str]
    name: str


class RowTypes(Section):
    """What the rows are, where a field says so. A row without a type is an event.

    Attributes
    ----------
    field : str
        The field with the type; upper and lower case do not matter.
    event : tuple of str
        Types of rows that are called as their field `event` says.
    named : dict of str to str
        Type → the event name of all rows of this type.
    identity : tuple of str
        Types of rows that are no events, and only say which ids belong together.
    merge : tuple of str
        Types of rows that merge the user `merged_id` into `prospect_id`.
    """

    field: str
    event: tuple[str, ...]
    named: dict[str, str]
    identity: tuple[str, ...]
    merge: tuple[str, ...]


class Parameters(Section):
    """A list of key-value objects in each event, which holds more of its fields.

    Attributes
    ----------
    path : str
        The key of the list.
    key, values : str, tuple of str
        JSON pointers to the key of a member, and to where its value may be.
    fields : dict of str to str
        Field → key of the member that is tried before the places in `JsonPreset.fields`.
    """

    path: str
    key: str
    values: tuple[str, ...]
    fields: dict[str, str]


class JsonPreset(Section):
    """A vendor whose exports are JSON objects, one per event.

    Attributes
    ----------
    channel : str
        Channel of all events, if the source does not map one.
    time_unit : str or None
        What numeric times count since 1970.
    fallback : bool
        Whether a field that the source maps falls back to the vendor's own keys.
    fields : dict of str to tuple of str
        Field → where it is.
    properties : tuple of str
        Where a property that a naming rule or `only` uses is; `{name}` stands for its name.
    event_names : tuple of EventName
        The first match is used.
    row_types : RowTypes or None
    parameters : Parameters or None
    """

    channel: str
    time_unit: Literal["seconds", "milliseconds", "microseconds", "nanoseconds"] | None = None
    fallback: bool = True
    fields: dict[str, Keys]
    properties: tuple[str, ...]
    event_names: tuple[EventName, ...] = ()
    row_types: RowTypes | None = None
    parameters: Parameters | None = None

    @property
    def helper_fields(self) -> set[str]:
        """Fields that say what a row is, and are not fields of an event."""
        used = {name for rule in self.event_names for name in rule.where}
        used |= {self.row_types.field} if self.row_types else set()
        return used - set(EVENT_FIELDS)

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        named = {*self.fields, *(self.parameters.fields if self.parameters else ())}
        unknown = named - {*EVENT_FIELDS, "merged_id"} - self.helper_fields
        missing = self.helper_fields - set(self.fields)
        if unknown or missing:
            raise ValueError(f"unknown fields {sorted(unknown)}, missing fields {sorted(missing)}")
        return self


class JoinedTable(Section):
    """A table with more fields of the rows of another.

    Attributes
    ----------
    key : str
        The column that is looked up; of several rows with one key, one is used.
    matches : str
        The field whose value is looked up, of the events or of a table joined before.
    fields : dict of str to str
        Field → column.
    required : bool
        Whether there are no events without this table.
    """

    key: str
    matches: str
    fields: dict[str, str]
    required: bool = False


class EventTable(Section):
    """A table whose rows are events: field → column, and the tables to join."""

    fields: dict[str, str]
    optional_fields: dict[str, str] = Field(default_factory=dict)
    joins: dict[str, JoinedTable] = Field(default_factory=dict)


class TablesPreset(Section):
    """A vendor whose exports are tables."""

    tables: dict[str, EventTable]
    unused_tables: tuple[str, ...]


def load_preset(name: str, model: type[Preset]) -> Preset:
    """Return the checked content of a vendor's file.

    Parameters
    ----------
    name : str
        The vendor: the name of the file without `.yaml`.
    model : type
        `JsonPreset` or `TablesPreset`.

    Returns
    -------
    Preset
        An instance of `model`.

    Examples
    --------
    >>> load_preset("sendgrid", JsonPreset).fields["link"]
    ('url',)
    """
    text = (files(__package__) / f"{name}.yaml").read_text(encoding="utf-8")
    return model.model_validate(yaml.safe_load(text))

"""Which table of HubSpot's a file holds, as Fivetran calls them, and which of them are events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Side:
    """A table that says more of the rows of another.

    Attributes
    ----------
    key : str
        Its column that is looked up; at most one of its rows counts for each.
    of : str
        What is looked up: a column of the table of events, or of a side before it.
    brings : mapping of str to str
        Field → its column.
    needed : bool
        Whether there are no events without it.
    """

    key: str
    of: str
    brings: Mapping[str, str]
    needed: bool = False


@dataclass(frozen=True)
class EventTable:
    """A table whose rows are events.

    Attributes
    ----------
    fields : mapping of str to str
        Field → column.
    optional : mapping of str to str
        The same, for columns that not every account has.
    sides : mapping of str to Side
        Table → how it is joined.
    """

    fields: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)
    sides: Mapping[str, Side] = field(default_factory=dict)


EMAILS = EventTable(
    fields={"event_id": "id", "email": "recipient", "time": "created", "event": "type"},
    optional={"campaign_id": "email_campaign_id", "message_id": "sent_by_id",
              "filtered": "filtered_event"},
    sides={
        "email_event_click": Side("id", "event_id", {"link": "url", "clicker": "user_agent"}),
        "email_event_open": Side("id", "event_id", {"opener": "user_agent"}),
        "email_event_status_change": Side(
            "id", "event_id", {"subscription": "portal_subscription_status"}
        ),
    },
)  # fmt: skip
FORMS = EventTable(
    fields={"prospect_id": "contact_id", "time": "timestamp"},
    optional={"link": "page_url", "category": "title", "event_id": "conversion_id"},
)
DEALS = EventTable(
    fields={"prospect_id": "contact_id", "deal": "deal_id"},
    sides={
        "deal": Side("deal_id", "deal", {"time": "property_closedate", "value": "property_amount",
                     "stage": "deal_pipeline_stage_id", "deleted": "is_deleted"}, needed=True),
        "deal_pipeline_stage": Side(
            "stage_id", "stage", {"won": "closed_won", "closed": "is_closed"}, needed=True
        ),
    },
)  # fmt: skip

EVENT_TABLES = {"email_event": EMAILS, "contact_form_submission": FORMS, "deal_contact": DEALS}
"""Table → what its rows are: an e-mail's event, a form sent in, a contact's share in a deal."""

READ_PAST = (
    "email_event_bounce", "email_event_deferred", "email_event_delivered", "email_event_dropped",
    "email_event_forward", "email_event_print", "email_event_sent", "email_event_spam_report",
    "deal_company", "deal_pipeline", "deal_property_history", "deal_stage",
)  # fmt: skip
"""Tables beside those that are read: a glob may name them, nothing of them is needed."""

_KNOWN = {*EVENT_TABLES, *(side for t in EVENT_TABLES.values() for side in t.sides), *READ_PAST}
_NAMES = re.compile("|".join(sorted(_KNOWN, key=len, reverse=True)))


def table_of(path: Path) -> str | None:
    """Say which table a file holds, by its name or, for a part, by its folder's.

    Examples
    --------
    >>> table_of(Path("landed/email_event_click_data.csv"))
    'email_event_click'
    >>> table_of(Path("hubspot_deal/000001.parquet"))
    'deal'
    >>> table_of(Path("landed/owner.csv"))
    """
    for name in (path.name, path.parent.name):
        found = _NAMES.search(name.lower())
        if found is not None:
            return found[0]
    return None

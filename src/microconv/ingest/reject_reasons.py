"""Why a row is refused or left out: every code there is, and what it means."""

from __future__ import annotations

REASONS = {
    "bad_json": "the line is not one whole JSON value",
    "not_an_object": "the line is JSON, but not an object (a list, a number, a string)",
    "bad_utf8": "the bytes are not UTF-8",
    "nul_byte": "the row holds a NUL byte",
    "too_long": "the line is longer than any row can be",
    "wrong_columns": "the CSV row has another number of fields than the header",
    "open_quote": "a quotation mark opens in this row and is never closed",
    "truncated": "the file is cut off here: what came before is kept, the rest is lost",
    "no_event": "nothing says what happened",
    "no_prospect": "nothing says who did it",
    "bad_id": "an id that is a JSON object or list, not a text or a number",
    "no_contact": "a deal that cannot be credited to any contact",
    "no_message": "a message without its id",
    "no_time": "nothing says when it happened",
    "bad_time": "an instant that cannot be read",
    "naive_time": "an instant without a zone, in a source that names none",
    "implausible_time": "an instant outside [plausible_from, plausible_until)",
    "bad_value": "a value that should be a number and is not",
    "bad_type": "a list or an object where one value is wanted",
    "merge_cycle": "two prospects merged into each other; the later merge is refused",
}
"""Reason codes of the quarantine."""

IGNORED = {
    "name": "the vendor's event name is in the source's `ignore`",
    "filtered": "left out by the source's `only`, or by the vendor (deleted, a deal still open)",
    "identity": "a call that says who somebody is, not what somebody did",
    "anonymous": "done by somebody who was never identified",
    "no_account": "done by somebody without an account, where accounts convert",
}
"""Why a good row is counted and left out of the log."""

"""Naming rules as expressions: the event a source names → event name."""

from __future__ import annotations

import operator
import re
from functools import reduce
from typing import Any

import ibis

from microconv.ingest.duckdb_engine import any_of
from microconv.ingest.sources.raw_rows import PROPERTY, SEPARATOR
from microconv.settings import NamingRule, SourceSettings

_SCHEME_QUERY_FRAGMENT = r"^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/?#@]*@)?|[?#].*$"


def name_events(rows: Any, source: SourceSettings) -> Any:
    """Name every row by the first rule that matches, else by the prefix and the vendor's name.

    Parameters
    ----------
    rows : Ibis table, with `event`, and what the rules match: `link`, `category`, properties
    source : SourceSettings, holds the rules and the prefix

    Returns
    -------
    Ibis table
        With the column `event_name`.
    """
    if any(rule.link is not None for rule in source.rules):
        rows = _with_link_parts(rows)
    event = rows.event if has_event_names(source) else rows.event.fill_null("")
    named = [(_matches_rule(rows, rule), ibis.literal(rule.name)) for rule in source.rules]
    otherwise = ibis.literal(source.prefix) + event if source.prefix else event
    return rows.mutate(event_name=ibis.cases(*named, else_=otherwise) if named else otherwise)


def has_event_names(source: SourceSettings) -> bool:
    """Return whether the rows name their events; else `prefix` names every row."""
    return source.format != "table" or "event" in source.columns or not source.prefix


def matches_any(value: Any, globs: tuple[str, ...]) -> Any:
    """Return whether a text matches one of several globs.

    Parameters
    ----------
    value : Ibis string
    globs : tuple of str
    """
    return any_of(_matches(value, glob) for glob in globs)


def passes_only(rows: Any, source: SourceSettings) -> Any:
    """Return whether a row has all the properties that the source's `only` requires.

    Parameters
    ----------
    rows : Ibis table
    source : SourceSettings
    """
    required = [_matches(rows[PROPERTY + name], glob) for name, glob in source.only.items()]
    return reduce(operator.and_, required).fill_null(False) if required else ibis.literal(True)


def _matches_rule(rows: Any, rule: NamingRule) -> Any:
    conditions = []
    if rule.event is not None:
        conditions.append(_matches(rows.event, rule.event))
    if rule.link is not None:
        place = rows.link_path if rule.link.startswith("/") else rows.link_place
        conditions.append(_matches(place, rule.link))
    if rule.category is not None:
        conditions.append(_matches_one_of(rows.category, rule.category))
    for name, glob in rule.property.items():
        conditions.append(_matches(rows[PROPERTY + name], glob))
    return reduce(operator.and_, conditions) if conditions else ibis.literal(True)


def _with_link_parts(rows: Any) -> Any:
    """Split links into `link_path` and `link_place`, the lower-cased host and path."""
    rows = rows.mutate(bare=rows.link.re_replace(_SCHEME_QUERY_FRAGMENT, ""))
    rows = rows.mutate(slash=rows.bare.find("/"))
    path = (rows.slash < 0).ifelse("/", rows.bare.substr(rows.slash))
    host = (rows.slash < 0).ifelse(rows.bare, rows.bare.substr(0, rows.slash)).lower()
    rows = rows.mutate(link_path=path, host=host).drop("bare", "slash")
    return rows.mutate(link_place=rows.host + rows.link_path).drop("host")


def _matches_one_of(categories: Any, glob: str) -> Any:
    inner = _pattern(glob, anything=f"[^{SEPARATOR}]")
    return categories.re_search(f"(?s)(?:^|{SEPARATOR}){inner}(?:$|{SEPARATOR})")


def _matches(value: Any, glob: str) -> Any:
    """Match a complete text; `*` stands for any text, `?` for one character."""
    if "*" not in glob and "?" not in glob:
        return value == glob
    start = glob[:-1]
    if glob.endswith("*") and "*" not in start and "?" not in start:
        return value.startswith(start)
    return value.re_search(f"(?s)^{_pattern(glob)}$")


def _pattern(glob: str, *, anything: str = ".") -> str:
    words = {"*": f"{anything}*", "?": anything}
    return "".join(words.get(letter) or re.escape(letter) for letter in glob)

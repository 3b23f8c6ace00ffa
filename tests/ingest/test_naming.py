"""Naming rules: from a vendor's event and its link, category or property to an event name."""

from __future__ import annotations

from fnmatch import translate
from pathlib import Path
from re import match
from typing import Any

import ibis
import pyarrow as pa
import pytest

from microconv.ingest.bots.user_agents import client_family
from microconv.ingest.clean.naming import matches_any, name_events
from microconv.ingest.duckdb_engine import connect
from microconv.settings import SourceSettings

ROWS = {
    "event": ["click", "click", "click", "open", None],
    "link": ["https://user@WWW.Example.com:443/Pricing/a?utm=/x#y", "/pricing?q=1",
             "social.example/profile", None, "//cdn.example"],
    "category": ["a\x1fnews", "news", None, "newsletter", None],
    "property:video": ["demo", None, "brand", None, None],
}  # fmt: skip


def names(rules: list[dict[str, Any]], folder: Path, prefix: str = "mail_") -> list[str | None]:
    """Name :data:`ROWS` by some rules."""
    source = SourceSettings(name="s", format="sendgrid", files="f", prefix=prefix, rules=rules)
    with connect(folder, threads=1) as connection:
        named = name_events(ibis.memtable(pa.table(ROWS)), source)
        return connection.to_pyarrow(named.select("event_name"))["event_name"].to_pylist()


def hits(rule: dict[str, Any], folder: Path) -> list[int]:
    """List the rows a rule names."""
    named = names([rule | {"name": "hit"}], folder)
    return [place for place, name in enumerate(named) if name == "hit"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"event": "click"}, [0, 1, 2]),
        ({"event": "cl?ck"}, [0, 1, 2]),
        ({"link": "/Pricing/*"}, [0]),
        ({"link": "/pricing"}, [1]),
        ({"link": "/*"}, [0, 1, 2, 4]),
        ({"link": "/"}, [4]),
        ({"link": "www.example.com*/Pricing*"}, [0]),
        ({"link": "social.example/*"}, [2]),
        ({"link": "cdn.example/"}, [4]),
        ({"category": "news"}, [0, 1]),
        ({"category": "news*"}, [0, 1, 3]),
        ({"property": {"video": "d*"}}, [0]),
        ({"event": "click", "property": {"video": "*"}}, [0, 2]),
        ({}, [0, 1, 2, 3, 4]),
    ],
    ids=str,
)
def test_a_rule_matches_if_all_it_says_matches(
    rule: dict[str, Any], expected: list[int], tmp_path: Path
) -> None:
    """Links by path, or by host and path without query; categories one by one."""
    assert hits(rule, tmp_path) == expected


def test_the_first_rule_that_matches_names_the_row(tmp_path: Path) -> None:
    """Where none does, the prefix and the vendor's name; a row without a name has none."""
    rules = [{"link": "/pricing*", "name": "pricing"}, {"event": "click", "name": "click"}]
    assert names(rules, tmp_path) == ["click", "pricing", "click", "mail_open", None]


def test_globs_agree_with_the_standard_library(tmp_path: Path) -> None:
    """Every kind of glob that takes a short cut, and characters that regexes mind."""
    globs = ["a", "a*", "*a", "a*b", "?", "a?", "a.b", "a+*", "(a)*", "\\*", "é?"]
    words = ["a", "ab", "aab", "ba", "a.b", "axb", "a+b", "(a)", "\\x", "éa", "", "a\nb"]
    table = ibis.memtable(pa.table({"word": words}))
    columns = {str(place): matches_any(table.word, (glob,)) for place, glob in enumerate(globs)}
    with connect(tmp_path, threads=1) as connection:
        found = connection.to_pyarrow(table.select(**columns)).to_pydict()
    for place, glob in enumerate(globs):
        pattern = translate(glob)
        assert found[str(place)] == [bool(match(pattern, word)) for word in words], glob


def test_user_agents_fall_into_families(tmp_path: Path) -> None:
    """The order matters: every Edge says Chrome, every Chrome says Safari."""
    engine = "Mozilla/5.0 (X) AppleWebKit/537.36 (KHTML, like Gecko)"
    agents = {
        f"{engine} Chrome/121.0 Safari/537.36 Edg/121.0": "edge",
        f"{engine} Chrome/121.0 Safari/537.36": "chrome",
        f"{engine} Version/17.2 Safari/605.1.15": "safari",
        engine: "apple_mail",
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)":
        "image_proxy",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)": "robot",
        "curl/8.0": "script",
        "Opaque": "other",
        None: None,
    }  # fmt: skip
    table = ibis.memtable(pa.table({"agent": pa.array(agents, pa.string())}))
    with connect(tmp_path, threads=1) as connection:
        found = connection.to_pyarrow(table.select(family=client_family(table.agent.lower())))
    assert found["family"].to_pylist() == list(agents.values())

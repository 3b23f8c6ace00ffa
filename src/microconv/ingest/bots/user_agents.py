"""User agents, reduced to families of programs."""

from __future__ import annotations

from typing import Any

import ibis

from microconv.ingest.duckdb_engine import any_of

FAMILIES = (
    ("image_proxy", ("googleimageproxy", "yahoomailproxy", "ggpht.com")),
    ("privacy_proxy", ("windows nt 5.1; rv:11.0) gecko firefox/11.0",)),
    ("robot", ("bot/", "bot;", "bot ", "crawl", "spider", "scanner", "preview", "headless",
               "barracuda", "proofpoint", "mimecast")),
    ("script", ("curl/", "wget/", "python", "java/", "go-http", "okhttp", "axios", "node-fetch")),
    ("outlook", ("outlook", "msoffice")),
    ("thunderbird", ("thunderbird",)),
    ("edge", (" edg/", " edga/", " edgios/", " edge/")),
    ("opera", (" opr/", "opera")),
    ("samsung", ("samsungbrowser",)),
    ("firefox", ("firefox/", "fxios/")),
    ("chrome", ("chrome/", "crios/")),
    ("safari", ("safari/",)),
    ("apple_mail", ("applewebkit",)),
)  # fmt: skip
"""Family → parts of its user agents, in lower case; the first match is used."""

BARE_USER_AGENT = "mozilla/5.0"
"""The whole user agent of Apple's mail privacy protection; browsers add more."""


def client_family(user_agent: Any) -> Any:
    """Return the family of lower-cased user agents; `other` if none fits, null for null."""
    bare = (user_agent == BARE_USER_AGENT, ibis.literal("privacy_proxy"))
    cases = [
        (any_of(user_agent.contains(part) for part in parts), ibis.literal(name))
        for name, parts in FAMILIES
    ]
    return ibis.cases((user_agent.isnull(), ibis.null("string")), bare, *cases, else_="other")

"""User agents, coarsely: which family of program asked."""

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
"""Family → what its user agents hold, in lower case; the first that fits is it."""

BARE = "mozilla/5.0"
"""All that Apple's mail privacy protection says of itself; browsers say more."""


def client_family(small: Any) -> Any:
    """Reduce lower-cased user agents to families; `other` where none fits, null for none."""
    bare = (small == BARE, ibis.literal("privacy_proxy"))
    cases = [
        (any_of(small.contains(part) for part in parts), ibis.literal(name))
        for name, parts in FAMILIES
    ]
    return ibis.cases((small.isnull(), ibis.null("string")), bare, *cases, else_="other")

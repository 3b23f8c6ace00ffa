"""Pages: one HTML file each, without a single request to anywhere.

Every value is escaped by the template, and the page's own policy forbids requests and
every script but ours, named by its digest: what a prospect is called cannot do anything.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

FOLDER = "templates"


def render(template: str, content: dict[str, Any]) -> str:
    """Render a template of this package.

    Parameters
    ----------
    template : str
    content : dict
    """
    return _environment().get_template(template).render(content)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        label=label,
        date=date,
        clock=clock,
        whole=whole,
        rough=rough,
        percent=percent,
        decimals=decimals,
        between=between,
        breakable=breakable,
        ticked=ticked,
    )
    environment.globals["style"] = Markup(_read("style.css"))  # ours, and no HTML
    return environment


def _read(name: str) -> str:
    return files("microconv.report").joinpath(FOLDER, name).read_text(encoding="utf-8")


def inline_script(*names: str) -> tuple[Markup, str]:
    """Join scripts of this package, and name them as a page's policy must to let them run.

    Returns
    -------
    script : Markup
    digest : str
        SHA-256 in base 64.
    """
    script = "".join(_read(name) for name in names)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Markup(script), digest  # ours, and no HTML


def breakable(address: str) -> Markup:
    """Return an email address that may break before its `@` only.

    Examples
    --------
    >>> breakable("ada@<b>.example")
    Markup('ada<wbr>@&lt;b&gt;.example')
    """
    return Markup("<wbr>@").join(address.split("@"))


def ticked(text: str) -> Markup:
    """Escape a sentence, and show names between back ticks as code.

    Examples
    --------
    >>> ticked("`a<b` is & stays")
    Markup('<code>a&lt;b</code> is &amp; stays')
    """
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def label(name: str) -> str:
    """Return an identifier as words.

    Examples
    --------
    >>> label("pricing_visit")
    'pricing visit'
    """
    return name.replace("_", " ")


def date(instant: datetime | str) -> str:
    """Format a date unambiguously.

    Examples
    --------
    >>> date("2024-09-07T00:00:00Z")
    '7 Sep 2024'
    """
    day = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return f"{day.day} {day:%b %Y}"


def clock(instant: datetime | str) -> str:
    """Format the time of day."""
    time = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return f"{time:%H:%M}"


def whole(number: float | None) -> str:
    """Format a number without decimals.

    Examples
    --------
    >>> whole(12345.6), whole(None)
    ('12,346', '–')
    """
    return "–" if number is None else f"{number:,.0f}"


def rough(number: float) -> str:
    """Format an expected number of conversions.

    Examples
    --------
    >>> rough(0.27), rough(8.4), rough(23.2)
    ('0.3', '8', '23')
    """
    return f"{number:.1f}" if number < 1 else f"{number:,.0f}"


def percent(share: float | None) -> str:
    """Format a share in percent, with more decimals where it is small.

    Examples
    --------
    >>> percent(0.3149), percent(0.0213), percent(0.0004), percent(0.0), percent(None)
    ('31%', '2.1%', '0.04%', '0%', '–')
    """
    if share is None:
        return "–"
    value = 100 * share
    if value == 0 or value >= 10:
        return f"{value:.0f}%"
    return f"{value:.1f}%" if value >= 0.1 else f"{value:.2f}%"


def decimals(figure: dict[str, Any], digits: int = 3) -> str:
    """Format the value of a metric; a dash where there is none.

    Parameters
    ----------
    figure : dict
    digits : int

    Examples
    --------
    >>> decimals({"value": 0.7654}), decimals({"value": None, "reason": "nobody converted"})
    ('0.765', '–')
    """
    return "–" if figure["value"] is None else f"{figure['value']:.{digits}f}"


def between(figure: dict[str, Any], digits: int = 3) -> str:
    """Format the interval of a metric; nothing where there is none.

    Parameters
    ----------
    figure : dict
    digits : int

    Examples
    --------
    >>> between({"value": 0.7654, "low": 0.74, "high": 0.79})
    '0.740 to 0.790'
    >>> between({"value": None, "reason": "nobody converted"})
    ''
    """
    if figure.get("low") is None:
        return ""
    return f"{figure['low']:.{digits}f} to {figure['high']:.{digits}f}"

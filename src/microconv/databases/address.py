"""Addresses of databases: from the environment alone, and never into a message."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from microconv.errors import DatabaseAwayError, DatabaseError

HIDDEN = "…"
"""What stands in a message where a secret stood."""


@dataclass(frozen=True)
class Address:
    """Where a database is, and how to be let in.

    Attributes
    ----------
    variable : str
        The environment variable it came from: what messages call it.
    url : str
        With user and password; not part of the representation.
    """

    variable: str
    url: str = field(repr=False)

    @classmethod
    def read(cls, variable: str) -> Address:
        """Take the URL from the environment.

        Raises
        ------
        DatabaseError
            If the variable is not set, or holds no URL.
        """
        url = os.environ.get(variable, "").strip()
        if not url:
            raise DatabaseError(
                f"The environment variable {variable} is not set, so there is no address of the "
                f"database. Set it, like `export {variable}=postgresql://user@host/database`."
            )
        if not re.match(r"^[a-z][a-z0-9+.-]*://", url):
            raise DatabaseError(
                f"The environment variable {variable} holds no URL. A URL begins like "
                "`postgresql://` or `duckdb://`."
            )
        return cls(variable, url)

    @property
    def scheme(self) -> str:
        """What the URL begins with: `postgresql`."""
        return self.url.split("://", 1)[0]

    def without_secrets(self, message: str) -> str:
        """Take the URL, its password and its query out of a message of a driver.

        Examples
        --------
        >>> Address("CRM", "postgresql://ada:s%40fe@db/crm").without_secrets("no entry: s@fe")
        'no entry: …'
        """
        return hide(message, [self.url, *secrets_of(self.url)])


def secrets_of(url: str) -> list[str]:
    """List what of a URL is for nobody's eyes: its password, as written and as meant, its query.

    Examples
    --------
    >>> secrets_of("https://ada:s%40fe@registry.example/?token=7")
    ['s%40fe', 's@fe', 'token=7']
    >>> secrets_of("sqlite:///mlflow.db")
    []
    """
    try:
        parts = urlsplit(url)
        password, query = parts.password or "", parts.query
    except ValueError:  # not even a URL
        return [url]
    return [secret for secret in (password, unquote(password), query) if secret]


def hide(message: str, secrets: Iterable[str]) -> str:
    """Put :data:`HIDDEN` in the place of every secret, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        message = message.replace(secret, HIDDEN)
    return message


@contextmanager
def speaking_to(address: Address, doing: str) -> Iterator[None]:
    """Turn whatever the database or its driver refuses into one sentence without secrets.

    Raises
    ------
    DatabaseAwayError
        If it cannot be reached, or goes away.
    DatabaseError
        For any other reason.
    """
    try:
        yield
    except DatabaseError:
        raise
    except ModuleNotFoundError as error:
        raise DatabaseError(
            f"Databases of the kind {address.scheme} need a driver that is not installed: "
            f"{error.name}. Install it, for PostgreSQL with `pip install microconv[postgres]`."
        ) from None
    except Exception as error:  # each driver has its own family of errors
        said = address.without_secrets(" ".join(str(error).split())) or type(error).__name__
        raise (DatabaseAwayError if _away(error) else DatabaseError)(
            f"{doing} failed at the database of {address.variable}: {said[:400]}"
            f"{'' if said.endswith('.') else '.'} Nothing was half-written; try again."
        ) from None


def _away(error: Exception) -> bool:
    """Tell whether the trouble is on the way to the database; drivers share a name for that."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, OSError) or bool(kinds & {"OperationalError", "IOException"})

"""Database URLs: read from the environment, and redacted in every message."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from microconv.errors import DatabaseAwayError, DatabaseError

REDACTED = "…"
"""Replaces a secret in a message."""


@dataclass(frozen=True)
class DatabaseUrl:
    """The URL of a database, with user and password.

    Attributes
    ----------
    variable : str
        The environment variable that holds it; messages name only this.
    url : str
        Not part of the representation.
    """

    variable: str
    url: str = field(repr=False)

    @classmethod
    def from_environment(cls, variable: str) -> DatabaseUrl:
        """Read the URL from an environment variable.

        Raises
        ------
        DatabaseError
            If the variable is not set, or does not hold a URL.
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
        """The part of the URL before `://`, such as `postgresql`."""
        return self.url.split("://", 1)[0]

    def redact(self, message: str) -> str:
        """Remove the URL, its password and its query from a driver's message.

        Examples
        --------
        >>> DatabaseUrl("CRM", "postgresql://ada:s%40fe@db/crm").redact("no entry: s@fe")
        'no entry: …'
        """
        return redact(message, [self.url, *secrets_of(self.url)])


def secrets_of(url: str) -> list[str]:
    """Return the secrets of a URL: its password, as written and decoded, and its query.

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
    except ValueError:  # not a valid URL
        return [url]
    return [secret for secret in (password, unquote(password), query) if secret]


def redact(message: str, secrets: Iterable[str]) -> str:
    """Replace every secret in a message, the longest first.

    Parameters
    ----------
    message : str
    secrets : iterable of str

    Returns
    -------
    str
    """
    for secret in sorted(secrets, key=len, reverse=True):
        message = message.replace(secret, REDACTED)
    return message


@contextmanager
def database_errors(url: DatabaseUrl, action: str) -> Iterator[None]:
    """Turn the errors of a database or its driver into one sentence without secrets.

    Parameters
    ----------
    url : DatabaseUrl
    action : str
        What is done, such as "Extracting `deals`".

    Raises
    ------
    DatabaseAwayError
        If the database cannot be reached, or the connection is lost.
    DatabaseError
        For any other reason.
    """
    try:
        yield
    except DatabaseError:
        raise
    except ModuleNotFoundError as error:
        raise DatabaseError(
            f"Databases of the kind {url.scheme} need a driver that is not installed: "
            f"{error.name}. Install it, for PostgreSQL with `pip install microconv[postgres]`."
        ) from None
    except Exception as error:  # each driver has its own family of errors
        reason = url.redact(" ".join(str(error).split())) or type(error).__name__
        raise (DatabaseAwayError if _is_unreachable(error) else DatabaseError)(
            f"{action} failed at the database of {url.variable}: {reason[:400]}"
            f"{'' if reason.endswith('.') else '.'} Nothing was half-written; try again."
        ) from None


def _is_unreachable(error: Exception) -> bool:
    """Check whether the connection failed; drivers share a name for that."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, OSError) or bool(kinds & {"OperationalError", "IOException"})

"""The MLflow tracking store: where it is, and how it is opened, without telemetry."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from microconv.databases.urls import redact, secrets_of
from microconv.errors import TrackingAwayError, TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",  # MLflow looks for git, which a container may not have
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # else it takes 4 minutes if a server is down
}
"""Environment variables that switch off MLflow's telemetry, progress bars and long waits; it
reads them on import."""


@dataclass(frozen=True)
class Store:
    """A tracking store.

    Attributes
    ----------
    uri : str
        As in MLFLOW_TRACKING_URI.
    artifacts : str or None
        Where new experiments store their files; None where a server decides.
    """

    uri: str
    artifacts: str | None

    @classmethod
    def find(cls, root: Path | None = None) -> Store:
        """Return the store of ``MLFLOW_TRACKING_URI``, else a database at the root.

        Parameters
        ----------
        root : Path, optional
            Folder of the database. By default the repository: DVC names it in
            ``DVC_ROOT``, the right one also where an experiment runs in a copy
            (``dvc exp run --temp``); without DVC it is the working folder.
        """
        if uri := os.environ.get("MLFLOW_TRACKING_URI"):
            return cls(uri, None)
        folder = (root or Path(os.environ.get("DVC_ROOT", "."))).resolve()
        return cls(f"sqlite:///{folder / 'mlflow.db'}", (folder / "mlartifacts").as_uri())

    def require_there(self) -> None:
        """Check that the database exists: opening it would create an empty one.

        Raises
        ------
        TrackingError
            If it does not exist.
        """
        file = Path(self.uri.removeprefix("sqlite:///"))
        if self.artifacts is not None and not file.exists():
            raise TrackingError(
                f"There is no MLflow database at {file}, so no model is registered there. Run this "
                "at the root of the project, or set MLFLOW_TRACKING_URI."
            )

    @contextmanager
    def open(self) -> Iterator[MlflowClient]:
        """Open the store; yields an MLflow client.

        Raises
        ------
        TrackingAwayError
            If the server or the database cannot be reached.
        TrackingError
            If MLflow, its database or its server reports an error.
        """
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        import mlflow
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        for name in ("mlflow", "alembic"):  # creating a database is no reason for a warning
            logging.getLogger(name).setLevel(logging.WARNING)
        # it warns that pip is missing, which uv does not install
        logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
        try:
            if self.artifacts is not None:
                Path(self.uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            mlflow.set_tracking_uri(self.uri)
            yield mlflow.MlflowClient()
        except (mlflow.MlflowException, SQLAlchemyError, RequestException) as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            text = f"The MLflow store {self.uri} failed: {reason}. Check MLFLOW_TRACKING_URI, or "
            raise (TrackingAwayError if _is_unavailable(error) else TrackingError)(
                redact(text, secrets_of(self.uri))
                + "unset it to use mlflow.db at the root of the project."
            ) from error

    def experiment(self, client: MlflowClient, name: str) -> str:
        """Return the id of an experiment; create it if it does not exist.

        Parameters
        ----------
        client : MlflowClient
        name : str
        """
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(name, artifact_location=self.artifacts))


def _is_unavailable(error: Exception) -> bool:
    """Check whether the store was unreachable or crashed, so that a retry may help."""
    from mlflow.exceptions import RestException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import OperationalError

    if isinstance(error, RestException):
        return bool(error.get_http_status_code() >= 500)
    return any(
        isinstance(e, RequestException | OperationalError) for e in (error, error.__context__)
    )

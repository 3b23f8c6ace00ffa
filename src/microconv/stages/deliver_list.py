"""`microconv deliver`: write a finished list into the database that params.yaml names."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq

from microconv.databases.deliver import deliver
from microconv.databases.urls import DatabaseUrl
from microconv.errors import PromotionError, SettingsError
from microconv.ranking.output.past_lists import NAMES, read_list
from microconv.settings import read_settings
from microconv.stages.runner import phase, progress


def deliver_list(folder: Path, *, params: Path, now: datetime) -> str:
    """Write a list into PostgreSQL and return a summary; writing it again changes nothing.

    Parameters
    ----------
    folder : Path
        Where `microconv score` wrote it.
    params : Path
        Its section `deliver` names the database.
    now : datetime
        A list that has expired by then is not delivered.

    Raises
    ------
    SettingsError
        If the settings name no database.
    ListError
        If the list is incomplete or has expired.
    PromotionError
        If the list is a preview.
    DatabaseError
        If the database reports an error; its content is then unchanged.
    """
    settings = read_settings(params).deliver
    if settings.url_from is None:
        raise SettingsError(
            f"{params} names no database. Set `deliver.url_from` to the environment variable that "
            "holds the address of a PostgreSQL database."
        )
    with progress("deliver"), phase("deliver", "write") as facts:
        url = DatabaseUrl.from_environment(settings.url_from)
        manifest = read_list(folder, at=now).manifest
        if manifest["status"] != "champion":
            raise PromotionError(
                f"The list {manifest['list_id']} is a preview: only lists of the champion are "
                "delivered. Promote the model and make the list again."
            )
        table = pq.read_table(folder / NAMES["prospects"])
        rows = deliver(table, manifest, url=url, table=settings.table)
        facts |= {"list_id": manifest["list_id"], "rows": rows}
    return f"list {manifest['list_id']}: {rows:,} rows in table {settings.table}"

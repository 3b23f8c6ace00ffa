"""A champion behind HTTP: raw events are posted, the library's own list comes back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import microconv
from microconv.tracking.champion import set_champion
from worlds.ranking import END, settings, trained, world

pytestmark = pytest.mark.slow

PARAMS = {"as_of": END.isoformat(), "limit": 25}


@pytest.fixture(scope="module")
def server(store, entry, tmp_path_factory) -> Iterator[str]:
    """Serve the champion as the documentation says, on a free port."""
    set_champion(entry.model, entry.version, store=store, because=None)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    mlflow = Path(sys.executable).with_name("mlflow")
    words = ["models", "serve", "-m", "models:/test@champion", "--env-manager", "local"]
    with log.open("w") as said:
        process = subprocess.Popen(
            [mlflow, *words, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            env={
                **os.environ,
                "MLFLOW_TRACKING_URI": store.uri,
                "PATH": f"{mlflow.parent}{os.pathsep}{os.environ['PATH']}",
            },
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            if _answers(f"{address}/ping"):
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.5)
        else:
            raise AssertionError(log.read_text())
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _no_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def post(server: str, body: dict[str, Any]) -> tuple[int, Any]:
    """Post JSON; return the status and what came back."""
    request = urllib.request.Request(
        f"{server}/invocations",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.loads(response.read(), parse_constant=_no_json)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    """Return the world's events as JSON can hold them, with the attributes of their prospects."""
    columns = ["prospect_id", "time", "event_name", "known_at", "visible_at", "value", "event_id"]
    frame = world().events.select(columns).to_pandas().astype({"event_name": "str"})
    known = world().prospects.to_pandas().drop(columns="known_at")
    frame = frame.merge(known, on="prospect_id")
    for name in ("time", "known_at", "visible_at"):
        frame[name] = [at.isoformat() for at in frame[name]]
    return frame


def two_tables(events: pd.DataFrame) -> dict[str, Any]:
    """Return the request as a table of events and one of prospects."""
    names = ["owner", "name", "company_size", "source"]
    known = events.groupby("prospect_id", as_index=False)[["known_at", *names]].first()
    known = known.assign(known_at="2023-12-31T00:00:00+00:00")  # before every event
    tables = {"events": events.drop(columns=names), "prospects": known}
    return {"inputs": {key: json.loads(t.to_json(orient="records")) for key, t in tables.items()}}


def one_table(events: pd.DataFrame) -> dict[str, Any]:
    """Return the request as one table."""
    return {"dataframe_split": json.loads(events.to_json(orient="split", index=False))}


@pytest.mark.parametrize("body", [two_tables, one_table])
def test_the_list_over_http_is_that_of_the_library(server, events, body):
    """A prospect who ranks differently over HTTP is called because of a bug."""
    status, said = post(server, {**body(events), "params": PARAMS})
    assert status == 200, said
    ours = microconv.score(
        world().events,
        prospects=world().prospects,
        model=trained(),
        settings=settings().score,
        include_unscored=True,
        **PARAMS,
    )
    theirs = pd.DataFrame(said["predictions"], dtype=object)
    assert list(theirs.columns) == list(ours.columns)
    assert (theirs["status"] == "scored").sum() == 25
    for name in ours.columns:
        expected = ours[name]
        if isinstance(expected.dtype, pd.DatetimeTZDtype):
            pd.testing.assert_series_equal(
                pd.to_datetime(theirs[name], format="ISO8601", utc=True).dt.as_unit("us"), expected
            )
        else:
            assert theirs[name].tolist() == [
                None if pd.isna(value) else value for value in expected.tolist()
            ], name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": {**PARAMS, "limt": 5}}, "There is no parameter 'limt'"),
        ({"params": {"as_of": "2024-02-30T00:00:00Z"}}, "2024-02-30T00:00:00Z"),
        ({"inputs": {"evnts": []}}, "`evnts`"),
    ],
    ids=["parameter", "date", "table"],
)
def test_a_wrong_request_is_one_sentence(server, events, change, message):
    """What is ignored or answered with the server's paths helps nobody."""
    status, said = post(server, {**two_tables(events[:5]), "params": PARAMS, **change})
    assert status == 400
    assert message in said["message"]
    assert "Traceback" not in json.dumps(said)


def test_a_request_without_an_instant_is_refused(server, events):
    """The message of the library reaches the client."""
    body = {"dataframe_split": json.loads(events[:5].to_json(orient="split", index=False))}
    status, said = post(server, body)
    assert status == 400
    assert "`as_of` is missing" in said["message"]


def test_events_that_cannot_be_read_are_refused(server, events):
    """A naive instant is a mistake of the request, and the server goes on."""
    naive = events[:5].assign(time="2024-03-01 10:00")
    body = {"dataframe_split": json.loads(naive.to_json(orient="split", index=False))}
    status, said = post(server, {**body, "params": PARAMS})
    assert status == 400
    assert "5 of 5 values of `time`" in said["message"]
    assert _answers(f"{server}/ping")

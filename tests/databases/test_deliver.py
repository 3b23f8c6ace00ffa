"""The list in a real PostgreSQL: whole, once, and inert."""

from __future__ import annotations

import multiprocessing
import signal
import time
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from microconv.databases.deliver import deliver
from microconv.databases.urls import DatabaseUrl
from microconv.errors import DatabaseError

pytestmark = pytest.mark.slow

AS_OF = "2024-06-03T00:00:00Z"
DROP = "'); DROP TABLE microconv; --"
HOSTILE = [DROP, "=HYPERLINK(1)", "<script>", "\x00nul", "a\tb\\N\nc", "\u202e"]


def a_list(rows=3, *, first="p", **more):
    """Make a ranked table of so many prospects."""
    return pa.table(
        {
            "rank": list(range(1, rows + 1)),
            "prospect_id": [f"{first}{number:06}" for number in range(rows)],
            "probability": [0.5 / (number + 1) for number in range(rows)],
            "last_activity": pa.array(
                [datetime(2024, 6, 1, tzinfo=UTC)] * rows, pa.timestamp("us", tz="UTC")
            ),
            **more,
        }
    )


def a_manifest(list_id="20240603-aaaa", as_of=AS_OF):
    """Make what must be known of a list."""
    return {
        "list_id": list_id,
        "as_of": as_of,
        "valid_until": "2024-06-10T00:00:00Z",
        "status": "champion",
        "notes": ["a \x00 in a note"],
    }


def rows_of(connection, query):
    """Ask the database itself."""
    return connection.execute(query).fetchall()


@pytest.fixture
def url(postgres):
    """Where the lists go."""
    return DatabaseUrl.from_environment("CRM_URL")


def test_a_list_arrives_with_every_value_as_it_is(postgres, url):
    """Types are the list's own: a probability keeps every bit, an instant its zone."""
    names = pa.array(HOSTILE[:3])
    assert deliver(a_list(name=names), a_manifest(), url=url, table="microconv") == 3
    assert rows_of(
        postgres,
        "SELECT rank, prospect_id, probability, last_activity, name FROM microconv ORDER BY rank",
    ) == [
        (1, "p000000", 0.5, datetime(2024, 6, 1, tzinfo=UTC), HOSTILE[0]),
        (2, "p000001", 0.25, datetime(2024, 6, 1, tzinfo=UTC), HOSTILE[1]),
        (3, "p000002", 0.5 / 3, datetime(2024, 6, 1, tzinfo=UTC), HOSTILE[2]),
    ]


def test_what_a_row_tells_in_detail_arrives_as_json(postgres, url):
    """A CRM shows the latest steps beside the prospect; hostile words stay words."""
    kind = pa.list_(pa.struct([("step", pa.string()), ("time", pa.timestamp("us", tz="UTC"))]))
    at = datetime(2024, 6, 1, tzinfo=UTC)
    steps = [[{"step": text, "time": at}] for text in HOSTILE]
    table = a_list(len(HOSTILE), steps=pa.array(steps, kind))
    deliver(table, a_manifest(), url=url, table="microconv")
    got = rows_of(postgres, "SELECT steps->0->>'step', steps->0->>'time' FROM microconv "
                            "ORDER BY rank")  # fmt: skip
    words = [text.replace("\x00", "\ufffd") for text in HOSTILE]
    assert got == [(text, "2024-06-01T00:00:00+00:00") for text in words]


def test_values_from_data_never_become_statements(postgres, url):
    """Neither in a value, nor in the name of a column."""
    table = a_list(6, **{'bad"; DROP TABLE x; --': pa.array(HOSTILE)})
    deliver(table, a_manifest(), url=url, table="microconv")
    got = [r[0] for r in rows_of(postgres, 'SELECT "bad""; DROP TABLE x; --" FROM microconv '
                                           "ORDER BY rank")]  # fmt: skip
    assert got == [text.replace("\x00", "\ufffd") for text in HOSTILE]


def test_the_same_list_again_changes_nothing(postgres, url):
    """A scheduler that is not sure simply tries again."""
    for _ in range(2):
        deliver(a_list(), a_manifest(), url=url, table="microconv")
    assert rows_of(postgres, "SELECT count(*) FROM microconv") == [(3,)]
    assert rows_of(postgres, "SELECT count(*) FROM microconv_lists") == [(1,)]


def test_a_corrected_list_replaces_the_one_of_its_id(postgres, url):
    """Whoever is no longer on it is gone, and the others are updated."""
    deliver(a_list(3), a_manifest(), url=url, table="microconv")
    deliver(a_list(2, name=["Ada", "Bo"]), a_manifest(), url=url, table="microconv")
    got = rows_of(postgres, "SELECT prospect_id, name FROM microconv ORDER BY rank")
    assert got == [("p000000", "Ada"), ("p000001", "Bo")]


def test_the_current_list_is_that_of_the_latest_instant(postgres, url):
    """An older list that is written again does not become the current one."""
    later = a_manifest("20240610-bbbb", "2024-06-10T00:00:00Z")
    deliver(a_list(2, first="q"), later, url=url, table="microconv")
    deliver(a_list(3), a_manifest(), url=url, table="microconv")
    got = rows_of(postgres, "SELECT prospect_id FROM microconv_current ORDER BY rank")
    assert got == [("q000000",), ("q000001",)]


def test_lists_can_go_into_a_schema(postgres, url):
    """The sales team's tables have their own place."""
    postgres.execute("DROP SCHEMA IF EXISTS sales CASCADE")
    postgres.execute("CREATE SCHEMA sales")
    deliver(a_list(), a_manifest(), url=url, table="sales.calls")
    assert rows_of(postgres, "SELECT count(*) FROM sales.calls_current") == [(3,)]


def test_a_table_of_another_kind_is_refused_and_left_alone(postgres, url):
    """A column of the same name and another meaning is somebody else's."""
    postgres.execute(
        "CREATE TABLE microconv (list_id text, prospect_id text, rank text, "
        "PRIMARY KEY (list_id, prospect_id))"
    )
    with pytest.raises(DatabaseError, match=r"rank \(text instead of bigint\)"):
        deliver(a_list(), a_manifest(), url=url, table="microconv")
    columns = (
        "SELECT count(*) FROM pg_attribute WHERE attrelid = 'microconv'::regclass AND attnum > 0"
    )
    assert rows_of(postgres, columns) == [(3,)]


def test_another_kind_of_database_is_refused(monkeypatch):
    """An upsert in one transaction is written for PostgreSQL."""
    monkeypatch.setenv("CRM_URL", "mysql://ada:s3cr3t@db/crm")
    with pytest.raises(DatabaseError, match="mysql database") as caught:
        deliver(
            a_list(), a_manifest(), url=DatabaseUrl.from_environment("CRM_URL"), table="microconv"
        )
    assert "s3cr3t" not in str(caught.value)


def test_a_wrong_password_is_one_sentence_without_the_password(server, monkeypatch):
    """Messages end up in logs that many can read."""
    monkeypatch.setenv("CRM_URL", server.url.replace("s3cr3t-pass", "wr0ng-pass"))
    with pytest.raises(DatabaseError, match="password authentication failed") as caught:
        deliver(
            a_list(), a_manifest(), url=DatabaseUrl.from_environment("CRM_URL"), table="microconv"
        )
    assert "wr0ng" not in str(caught.value)
    assert caught.value.__cause__ is None


def _deliver_for_ever(url, lists):
    for number in range(10**6):
        table = a_list(4000, first=f"r{number % lists}-")
        manifest = a_manifest(
            f"list-{number % lists}", f"2024-06-{3 + number % lists:02}T00:00:00Z"
        )
        deliver(table, manifest, url=DatabaseUrl("CRM_URL", url), table="microconv")


def test_a_killed_delivery_leaves_one_whole_list(postgres, server, url):
    """Whatever moment it is killed at: each list is there with all its rows, or not at all."""
    deliver(a_list(4000, first="r0-"), a_manifest("list-0"), url=url, table="microconv")
    for attempt in range(20):
        process = multiprocessing.get_context("fork").Process(
            target=_deliver_for_ever, args=(server.url, 20)
        )
        process.start()
        time.sleep(0.05 + 0.037 * attempt)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        whole = "SELECT count(*) FROM microconv GROUP BY list_id"
        assert set(rows_of(postgres, whole)) == {(4000,)}
        assert rows_of(postgres, "SELECT count(*) FROM microconv_current") == [(4000,)]
        assert rows_of(
            postgres, "SELECT count(*) FROM microconv_lists l WHERE NOT EXISTS "
            "(SELECT FROM microconv m WHERE m.list_id = l.list_id)"
        ) == [(0,)]  # fmt: skip

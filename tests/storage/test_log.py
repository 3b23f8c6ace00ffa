"""One Parquet file, as `pyarrow.parquet.read_table` reads it, without pandas."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from microconv.storage.log import read_parquet


@pytest.fixture
def file(tmp_path):
    """Two row groups, text with a null, and metadata of one's own."""
    table = pa.table({"who": ["ada", None, "bo", "ada"], "when": [1, 2, 3, 4]})
    pq.write_table(
        table.replace_schema_metadata({"made": "here"}), tmp_path / "f", row_group_size=3
    )
    return tmp_path / "f"


@pytest.mark.parametrize("columns", [None, ["when", "who"], ["when"], []])
@pytest.mark.parametrize("dictionaries", [[], ["who", "absent"]])
def test_it_reads_what_pyarrow_reads(file, columns, dictionaries):
    """`read_table` is the oracle: values, types, metadata, the order of the columns."""
    theirs = pq.read_table(file, columns=columns, read_dictionary=dictionaries)
    ours = read_parquet(file, columns, dictionaries=dictionaries)
    assert ours.equals(theirs, check_metadata=True)


def test_a_column_that_is_not_there_is_refused(file):
    """`ParquetFile.read` would silently leave it out."""
    with pytest.raises(pa.ArrowInvalid, match="no column `nope`"):
        read_parquet(file, ["who", "nope"])


def test_what_is_no_parquet_is_refused(tmp_path):
    """With the errors that readers of a log turn into a sentence."""
    (tmp_path / "text").write_text("who,when\nada,1\n")
    with pytest.raises(pa.ArrowInvalid):
        read_parquet(tmp_path / "text")
    with pytest.raises(FileNotFoundError):
        read_parquet(tmp_path / "absent")


def test_it_does_not_bring_pandas_along(file):
    """That is what it is for."""
    code = (
        "import sys; from pathlib import Path; from microconv.storage.log import read_parquet; "
        f"read_parquet(Path({str(file)!r})); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

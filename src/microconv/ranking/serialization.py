"""What one bucket adds to a ranking, as bytes and back, to the bit: Arrow and JSON, no code."""

from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pyarrow as pa

from microconv.engines.engine import Codec
from microconv.ranking.selection.top_k import BucketScores, Candidates

_SCHEMA = pa.schema(
    [
        ("facts", pa.string()),
        ("probability", pa.large_list(pa.float64())),
        ("rows", pa.binary()),
        ("features", pa.large_list(pa.float32())),
        ("columns", pa.int64()),
    ]
)


def pack(scores: BucketScores) -> bytes:
    """Write what a bucket adds to a ranking."""
    rows = pa.Table.from_pandas(scores.candidates.rows, preserve_index=False)
    features = scores.candidates.features
    facts = {
        "statuses": scores.statuses,
        "exits": scores.exits,
        "event_names": scores.event_names,
        "seen": [None if instant is None else instant.isoformat() for instant in scores.seen],
    }
    row = pa.record_batch(
        [
            pa.array([json.dumps(facts)]),
            pa.array([scores.probability], pa.large_list(pa.float64())),
            pa.array([_stream(rows)], pa.binary()),
            pa.array([features.ravel()], pa.large_list(pa.float32())),
            pa.array([len(features)]),
        ],
        schema=_SCHEMA,
    )
    return _stream(pa.Table.from_batches([row]))


def unpack(content: bytes) -> BucketScores:
    """Read what :func:`pack` wrote."""
    row = pa.ipc.open_stream(content).read_all().combine_chunks()
    facts = json.loads(row["facts"][0].as_py())
    rows = pa.ipc.open_stream(row["rows"][0].as_py()).read_all().to_pandas()
    features = row["features"][0].values.to_numpy().astype(np.float32, copy=False)
    first, last = (None if at is None else datetime.fromisoformat(at) for at in facts["seen"])
    return BucketScores(
        statuses=facts["statuses"],
        exits=facts["exits"],
        event_names=facts["event_names"],
        probability=row["probability"][0].values.to_numpy(),
        candidates=Candidates(rows, features.reshape(row["columns"][0].as_py(), len(rows))),
        seen=(first, last),
    )


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


SCORES = Codec(pack, unpack)
"""How a bucket's part of a ranking comes back from a cluster."""

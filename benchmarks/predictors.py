"""LightGBM's own predictor beside onnxruntime and two compilers of trees, on the same matrix.

``python benchmarks/predictors.py --folder FOLDER`` takes what ``benchmarks/scoring.py
--folder FOLDER`` made (or makes a smaller one itself: 2 M events of 100,000 prospects)
and lets every predictor score the same ``--rows`` rows, in turn, ``--rounds`` times,
with one thread and with two. A predictor that cannot take the model says why.

Printed are seconds, how much faster each is than LightGBM with as many threads, and the
largest difference of a probability from LightGBM's. An alternative is worth having
if it is 1.5 times as fast and 1e-6 exact.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from speed import prepare, run_step

from microconv.features.matrix import read_columns
from microconv.model.logistic import sigmoid

Matrix = npt.NDArray[np.float32]
Predict = Callable[[], npt.NDArray[np.float64]]

THREADS = (1, 2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--prospects", type=int, default=100_000)
    parser.add_argument("--buckets", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the data here and use what is there")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "params.yaml").exists():
            prepare(folder, arguments)
        made = {"export": "raw", "ingest": "log", "snapshot": "snapshots", "train": "model",
                "featurize": "features"}  # fmt: skip
        for step, place in made.items():
            if not (folder / place).exists():
                run_step(step, folder)
        figures = compare(folder, rows=arguments.rows, rounds=arguments.rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def compare(folder: Path, *, rows: int, rounds: int) -> list[dict[str, Any]]:
    """Predict with every predictor and each model's trees; print and return the cost."""
    matrix = first_rows(folder / "features", rows)
    print(f"{len(matrix):,} rows of {matrix.shape[1]} columns")
    figures = []
    for base_model in ("trees", "hazard"):
        model = folder / "model" / f"{base_model}.txt"
        trees = model.read_text(encoding="utf-8").count("\nTree=")
        print(f"{base_model}: {trees} trees")
        with tempfile.TemporaryDirectory() as scratch:
            found = measure(prepare_all(model, matrix, Path(scratch)), rounds)
        figures += [{"base_model": base_model, "trees": trees, **row} for row in found]
    return figures


def first_rows(features: Path, rows: int) -> Matrix:
    """Read the first `rows` rows of the feature matrix, each contiguous."""
    parts, count = [], 0
    for file in sorted(features.glob("*.parquet")):
        parts.append(read_columns(file)[0])
        count += parts[-1].shape[1]
        if count >= rows:
            break
    return np.ascontiguousarray(np.concatenate(parts, axis=1).T[:rows])


def prepare_all(model: Path, matrix: Matrix, scratch: Path) -> dict[tuple[str, int], Predict]:
    """Prepare every predictor; conversion and compilation are not what is measured."""
    ready: dict[tuple[str, int], Predict] = {}
    for name, make in MAKERS.items():
        for threads in THREADS:
            try:
                ready[name, threads] = make(model, matrix, scratch, threads)
            except Exception as error:  # an unsupported model is a result here
                message = str(error).strip().splitlines() or [""]
                print(f"  {name} cannot: {type(error).__name__}: {message[0][:200]}")
                break
    return ready


def with_lightgbm(model: Path, matrix: Matrix, scratch: Path, threads: int) -> Predict:
    """Predict as microconv does."""
    import lightgbm

    booster = lightgbm.Booster(model_file=model)
    return lambda: sigmoid(booster.predict(matrix, raw_score=True, num_threads=threads))


def with_onnxruntime(model: Path, matrix: Matrix, scratch: Path, threads: int) -> Predict:
    """Convert to ONNX and predict in float32, the only type its trees are run in."""
    import lightgbm
    import onnxmltools
    import onnxruntime
    from onnxmltools.convert.common.data_types import FloatTensorType

    given = [("rows", FloatTensorType([None, matrix.shape[1]]))]
    text = as_logistic(model.read_text(encoding="utf-8"))
    converted = onnxmltools.convert_lightgbm(
        lightgbm.Booster(model_str=text), initial_types=given, zipmap=False
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = onnxruntime.InferenceSession(
        converted.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"rows": matrix})[1][:, 1].astype(np.float64)


def with_lleaves(model: Path, matrix: Matrix, scratch: Path, threads: int) -> Predict:
    """Compile the trees by LLVM."""
    import lleaves

    text = scratch / "lleaves.txt"
    text.write_text(as_logistic(model.read_text(encoding="utf-8")), encoding="utf-8")
    trees = lleaves.Model(model_file=text)
    trees.compile(cache=scratch / "lleaves.bin")
    return lambda: np.asarray(trees.predict(matrix, n_jobs=threads), dtype=np.float64)


def with_tl2cgen(model: Path, matrix: Matrix, scratch: Path, threads: int) -> Predict:
    """Translate the trees to C and compile them."""
    import tl2cgen
    import treelite

    text, library = scratch / "treelite.txt", scratch / "trees.so"
    text.write_text(as_logistic(model.read_text(encoding="utf-8")), encoding="utf-8")
    if not library.exists():
        trees = treelite.frontend.load_lightgbm_model(text)
        tl2cgen.export_lib(trees, toolchain="gcc", libpath=library, params={"parallel_comp": 8})
    predictor = tl2cgen.Predictor(library, nthread=threads)
    rows = tl2cgen.DMatrix(matrix.astype(np.float64))  # thresholds are float64: a copy it needs
    return lambda: predictor.predict(rows).ravel().astype(np.float64)


def as_logistic(text: str) -> str:
    """Name the objective the one that converters know: a sum of trees and a logistic curve.

    The hazard's trees were grown with an objective of our own, which is written as none.
    """
    lines = [line for line in text.split("\n") if not line.startswith("objective=")]
    place = next(i for i, line in enumerate(lines) if line.startswith("feature_names="))
    return "\n".join([*lines[:place], "objective=binary sigmoid:1", *lines[place:]])


MAKERS = {
    "LightGBM": with_lightgbm,
    "onnxruntime": with_onnxruntime,
    "lleaves": with_lleaves,
    "tl2cgen": with_tl2cgen,
}


def measure(ready: dict[tuple[str, int], Predict], rounds: int) -> list[dict[str, Any]]:
    """Time all predictors in turn; the first time is a warm-up."""
    truth = ready["LightGBM", 1]()
    gaps = {who: float(np.abs(predict() - truth).max()) for who, predict in ready.items()}
    seconds: dict[tuple[str, int], list[float]] = {who: [] for who in ready}
    for _ in range(rounds):
        for who, predict in ready.items():
            began = time.perf_counter()
            predict()
            seconds[who].append(time.perf_counter() - began)
    figures = []
    for (name, threads), spent in seconds.items():
        own = zip(seconds["LightGBM", threads], spent, strict=True)
        faster = median(plain / other for plain, other in own)
        message = f"{median(spent):7.2f} s, {faster:5.2f} times LightGBM's speed"
        gap = f"largest difference {gaps[name, threads]:.1e}"
        print(f"  {name:12} {threads} threads {message}, {gap}")
        figures.append({"predictor": name, "threads": threads, "seconds": median(spent),
                        "times_as_fast": faster, "difference": gaps[name, threads]})  # fmt: skip
    return figures


if __name__ == "__main__":
    main()

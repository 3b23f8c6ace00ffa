"""Saved models: a folder of files with checksums, and the rules for the values in its JSON."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, PlainSerializer, PlainValidator

from microconv.errors import DamagedModelError, ModelError, listed
from microconv.storage.files import atomic_write

SUMS = "SHA256SUMS"
"""One line per file, as `sha256sum` writes and checks them."""

LISTED = re.compile(rb"^[0-9a-f]{64}  (\w[\w.]*)$", re.MULTILINE)
"""A line of it; the file is in the same folder."""

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""For every part of a saved model: unknown keys and numbers that are not finite are refused."""


def _finite_array(value: Any) -> npt.NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("it takes a list of finite numbers")
    return array


FloatArray = Annotated[
    npt.NDArray[np.float64], PlainValidator(_finite_array), PlainSerializer(np.ndarray.tolist)
]
"""A one-dimensional array; a list in JSON, from which identical values are read back."""


def sums_of(files: Mapping[str, bytes]) -> str:
    """List the checksums of some files.

    Examples
    --------
    >>> sums_of({"a": b""})[:20]
    'e3b0c44298fc1c149afb'
    """
    return "".join(f"{hashlib.sha256(files[n]).hexdigest()}  {n}\n" for n in sorted(files))


def write_files(folder: str | Path, files: Mapping[str, bytes]) -> None:
    """Write files and their checksums; an existing folder is replaced only by a complete one.

    Parameters
    ----------
    folder : str or Path
    files : mapping of str to bytes
        Name → content.
    """
    with atomic_write(folder) as fresh:
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        (fresh / SUMS).write_text(sums_of(files), encoding="ascii")


def read_files(folder: str | Path) -> dict[str, bytes]:
    """Read the files named in the list of checksums, if every checksum is right.

    Raises
    ------
    ModelError
        If there is no such folder.
    DamagedModelError
        If the list or a file in it is missing or does not match.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(f"There is no model at {folder}. Train one, or name another folder.")
    try:
        listing = (folder / SUMS).read_bytes()
        names = [name.decode() for name in LISTED.findall(listing)]
        files = {name: (folder / name).read_bytes() for name in names}
    except OSError as error:
        raise DamagedModelError(
            f"The model at {folder} cannot be read: {error.strerror} "
            f"({Path(str(error.filename)).name}). Copy it again from where it was saved, or train "
            "it again."
        ) from None
    sums = sums_of(files).encode()
    if listing != sums or not files:
        changed = [line[66:] for line in sums.decode().splitlines() if line.encode() not in listing]
        raise DamagedModelError(
            f"The model at {folder} is not the one that was saved: the checksums in {SUMS} are not "
            f"those of {listed(changed or [SUMS])}. Nothing of it was used. Copy it again from "
            "where it was saved, or train it again."
        )
    return files

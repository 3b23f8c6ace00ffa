"""The stage: settings in, two folders out, a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from microconv.errors import SettingsError
from microconv.stages.runner import call
from microconv.stages.simulate import simulate

PARAMS = Path(__file__).parents[2] / "params.yaml"


def params_with(tmp_path, section):
    """Write the project's params.yaml with another section `simulate`."""
    content = yaml.safe_load(PARAMS.read_text(encoding="utf-8")) | {"simulate": section}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def arguments(tmp_path, params):
    """Write the stage's command line."""
    return ["--params", params, "--raw", f"{tmp_path}/raw", "--truth", f"{tmp_path}/truth"]


def test_the_stage_writes_the_world_that_params_names(tmp_path):
    """And says how large it is."""
    section = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))["simulate"]
    params = params_with(tmp_path, section | {"prospects": 80, "days": 60, "world": "null"})
    said = call(simulate, arguments(tmp_path, params))
    assert said.startswith("simulate: ")
    assert "80 prospects of the world `null`" in said
    assert (tmp_path / "raw" / "deals.csv").exists()


def test_without_a_section_there_is_no_world(tmp_path):
    """The user is told which keys to write."""
    with pytest.raises(SettingsError, match="no section `simulate`"):
        call(simulate, arguments(tmp_path, params_with(tmp_path, None)))

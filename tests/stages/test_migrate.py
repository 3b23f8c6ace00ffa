"""`microconv migrate`: old keys of a params.yaml become today's, and nothing else changes."""

from __future__ import annotations

from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from microconv import cli
from microconv.errors import SettingsError
from microconv.settings import Settings, check_settings
from microconv.settings.renamed import RENAMED, new_name
from microconv.stages.migrate import migrate

BEFORE = """\
# Größe: “as it was”
ingest:   # comment
  robots: {enabled: false, "window_seconds": 30}
  sources:
    - {name: leads, dealt: {first: 2024-01-01}, says: stays}
journey:
  steps:
    says: {kind: major, says: "says: won"}
model:
  boosted: &trees
    num_leaves: 4
  hazard: *trees
  "cautious": {doubt: 0.3}
"""

AFTER = """\
# Größe: “as it was”
ingest:   # comment
  bots: {enabled: false, "window_seconds": 30}
  sources:
    - {name: leads, synthetic_times: {first: 2024-01-01}, says: stays}
journey:
  steps:
    says: {kind: major, label: "says: won"}
model:
  trees: &trees
    num_leaves: 4
  hazard: *trees
  fallback: {prior_sd: 0.3}
"""


@pytest.fixture
def params(tmp_path):
    """Write a params.yaml with old keys."""
    file = tmp_path / "params.yaml"
    file.write_text(BEFORE, encoding="utf-8")
    return file


def test_only_old_keys_are_rewritten(params):
    """Comments, order, quotes and anchors are the user's; a value may look like an old key."""
    assert len(migrate(params)) == 6
    assert params.read_text(encoding="utf-8") == AFTER


def test_a_second_run_changes_nothing(params):
    """A job may call it every time."""
    migrate(params)
    written = params.stat().st_mtime_ns
    assert migrate(params) == []
    assert params.stat().st_mtime_ns == written


def test_an_old_key_beside_the_new_one_is_refused(params):
    """Which of the two counts is for the user to say; the file stays as it is."""
    both = BEFORE.replace("  robots:", "  bots: {enabled: true}\n  robots:")
    params.write_text(both, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"has both `robots` .* and `bots` .*, in line 4"):
        migrate(params)
    assert params.read_text(encoding="utf-8") == both


def test_the_command_lists_what_it_renamed(params, capsys):
    """Somebody reviews the change before committing it."""
    cli.app(["migrate", str(params)], standalone_mode=False)
    printed = capsys.readouterr().out
    assert "6 keys renamed" in printed
    assert "line 3: ingest.robots → bots" in printed


def _key_exists(path, key):
    """Look a key up in the settings classes, independently of how they are read."""
    models = [Settings]
    for part in path:
        annotations = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        models = models if part == "*" else [m for a in annotations for m in _models(a)]
    return any(key in model.model_fields for model in models)


def _models(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [(path, old, new) for path, names in RENAMED.items() for old, new in names.items()],
)
def test_every_new_name_is_a_setting_and_no_old_one_is(path, old, new):
    """A rename to a key that does not exist would break the file it repairs."""
    assert _key_exists(path, new)
    assert not _key_exists(path, old)


def test_an_old_key_is_refused_with_its_new_name():
    """No aliases: one way to say a thing."""
    content = yaml.safe_load("ingest: {robots: {enabled: false}}\njourney: {steps: {a: {says: x}}}")
    with pytest.raises(SettingsError) as refusal:
        check_settings(content)
    assert "`ingest.robots` is now called `bots`; `microconv migrate FILE`" in str(refusal.value)
    assert "`journey.steps.a.says` is now called `label`" in str(refusal.value)


def test_a_renamed_key_is_only_renamed_in_its_section():
    """`says` may be a step's name, or a column of somebody's."""
    assert new_name(("journey", "steps"), "says") is None
    assert new_name(("ingest", "sources", "0", "columns"), "dealt") is None

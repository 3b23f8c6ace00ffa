"""Every command of the guides runs, in their order, on a small demo and a real PostgreSQL."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
import yaml

from worlds.repositories import ROOT, Repository

psycopg = pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
pytestmark = pytest.mark.slow

GUIDES = ("data-science", "sales", "marketing", "operations")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SERVER = "# a server"
"""How a block begins that goes on until it is stopped."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a guide."""

    guide: str
    language: str
    text: str


def blocks() -> list[Block]:
    """List the blocks of all guides in their order."""
    return [
        Block(name, language, text)
        for name in GUIDES
        for language, text in BLOCK.findall((ROOT / f"docs/guide/{name}.md").read_text())
    ]


@pytest.fixture(scope="module")
def office(repository, server, tmp_path_factory) -> Repository:
    """Copy the small demo as somebody left it, beside a database that has a table of deals."""
    path = tmp_path_factory.mktemp("office") / "repository"
    shutil.copytree(repository.path, path, symlinks=True)
    made = Repository(path, {**repository.env, "WITNESS": str(path.parent)})
    made.set(score={"valid_days": 3650})  # the demo's lists are of 2024
    _shell(["git", "add", "-A"], made)
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    _shell(["git", *who, "commit", "-qm", "The demo"], made)
    made.env["CRM_URL"] = made.env["SALES_URL"] = server.url
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS deals")
        connection.execute("CREATE TABLE deals (id text, changed_at timestamptz)")
        connection.execute("INSERT INTO deals VALUES ('d1', '2024-06-03T08:00:00Z')")
    return made


@pytest.fixture
def servers():
    """Stop every server that a guide has started, whatever became of the test."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_the_commands_of_the_guides_run(office, server, servers):
    """A command that fails on the demo fails on Monday morning, too."""
    ran = []
    for block in blocks():
        if block.language == "yaml":
            office.set(**yaml.safe_load(block.text))
        elif block.language == "sh":
            _run(block, office, servers)
            ran.append(block.text)
        elif block.language == "python" and "airflow" not in block.text:
            _shell([sys.executable, "-c", block.text], office)
    assert len(ran) > 12
    with psycopg.connect(server.url) as connection:
        listed = connection.execute("SELECT count(*) FROM calls_current").fetchone()
    assert listed is not None
    assert listed[0] > 100
    audit = (office.path / "reports/audit/audit.json").read_text()
    assert '"lists": 1' in audit


def _run(block: Block, repository: Repository, servers: list[subprocess.Popen[bytes]]) -> None:
    """Run a block as a person would: variables that it exports stay."""
    for name, value in re.findall(r"^export (\w+)=(.*)$", block.text, re.MULTILINE):
        repository.env[name] = value
    if block.text.startswith(SERVER):
        words = ["bash", "-c", f"exec {block.text.splitlines()[1]}"]
        process = subprocess.Popen(
            words, cwd=repository.path, env=repository.env, start_new_session=True
        )
        servers.append(process)
        _wait_for("http://127.0.0.1:5001/ping", process)
        return
    _shell(["bash", "-euo", "pipefail", "-c", block.text], repository)


def _shell(words: list[str], repository: Repository) -> None:
    done = subprocess.run(
        words, cwd=repository.path, env=repository.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        if (
            subprocess.run(["curl", "-sf", address], capture_output=True, check=False).returncode
            == 0
        ):
            return
        assert process.poll() is None
        time.sleep(0.5)
    raise AssertionError(f"nothing answers at {address}")


@pytest.mark.parametrize(
    "block", [b for b in blocks() if b.language == "python"], ids=lambda block: block.guide
)
def test_python_of_the_guides_is_python(block):
    """What cannot be run here (Airflow is not installed) at least parses."""
    ast.parse(block.text)


def test_links_of_the_guides_lead_somewhere():
    """A newcomer follows them."""
    for name in GUIDES:
        page = ROOT / f"docs/guide/{name}.md"
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert "://" in target or (page.parent / target).exists(), (name, target)


def test_every_block_says_its_language():
    """A block without one would not be run, and nobody would see it."""
    known = {"sh", "yaml", "python", "crontab"}
    for name in GUIDES:
        fences = re.findall(
            r"^```(.*)$", (ROOT / f"docs/guide/{name}.md").read_text(), re.MULTILINE
        )
        assert set(fences[::2]) <= known
        assert set(fences[1::2]) <= {""}

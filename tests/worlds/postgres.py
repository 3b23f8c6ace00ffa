"""A real PostgreSQL server on a free port, for as long as the tests run."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest


def _programs() -> Path | None:
    """Find the server's programs; Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


def _unprivileged() -> list[str]:
    """Say how to run a program as somebody else: the server refuses to be run by root."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    anywhere = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # `su` leaves out the last two
    return [shutil.which("runuser", path=anywhere) or "runuser", "-u", user, "--"]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """A PostgreSQL server of its own, that can be stopped and started again."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs, self.port = folder, programs, _free_port()
        secret = folder / "secret"
        secret.write_text("s3cr3t-pass", encoding="utf-8")
        if _unprivileged():
            shutil.chown(folder, _unprivileged()[2])
            shutil.chown(secret, _unprivileged()[2])
        self._run("initdb", "-D", "data", "-U", "ada", "-A", "scram-sha-256", "--pwfile=secret",
                  "--encoding=UTF8", "--no-sync")  # fmt: skip

    def start(self) -> None:
        """Listen on localhost alone."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -F"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop; `immediate` is like a crash."""
        self._run("pg_ctl", "-D", "data", "-w", "-m", mode, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*_unprivileged(), str(self.programs / program), *arguments],
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    @property
    def url(self) -> str:
        """The address, password included."""
        return f"postgresql://ada:s3cr3t-pass@127.0.0.1:{self.port}/postgres"


@pytest.fixture(scope="session")
def server():
    """Run a PostgreSQL; the tests that need one skip, and say so, where there is none."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="microconv-postgres-"))
    server = Server(folder, programs)
    server.start()
    yield server
    server.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def postgres(server, monkeypatch):
    """Connect to an empty schema `public`; its address is in the variable CRM_URL."""
    import psycopg

    monkeypatch.setenv("CRM_URL", server.url)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
        connection.execute("CREATE SCHEMA public")
        yield connection

"""A real Postgres server of a test's own, on loopback, with a password. Not here: tests."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER, PASSWORD = "lab", "canary of a password"
ANOTHER_USER = "nobody"
"""Who runs the server where the tests are run by root, as whom Postgres does not run."""
NEWEST_FIRST = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
SECONDS_TO_START = 60


class PostgresServer:
    """A server in a folder of its own; its programs (``pg_dump``, …) are run as its user does."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.user = ANOTHER_USER if os.getuid() == 0 else None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        password = folder / "password"
        password.write_text(PASSWORD)
        for path in (folder, password):
            shutil.chown(path, self.user or os.getuid())
        made = ["initdb", "-D", str(folder / "data"), "-U", USER, "-A", "scram-sha-256", "--pwfile", str(password)]
        self.run(*made, "--no-sync", "--encoding", "UTF8", "--no-locale")
        self.start()

    def start(self) -> None:
        command = ["postgres", "-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder), "-c"]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [str(self.programs / command[0]), *command[1:], "listen_addresses=127.0.0.1", "-c", "fsync=off"],
                user=self.user, cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + SECONDS_TO_START
        while subprocess.run([self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode:
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # SIGTERM would wait for its clients
        self.process.wait(60)

    def run(self, program: str, *arguments: str) -> str:
        """What a program of Postgres prints."""
        place = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": USER, "PGPASSWORD": PASSWORD}
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(
            command,
            user=self.user,
            cwd=self.folder,
            env=os.environ | place,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, database: str, query: str) -> str:
        return self.run("psql", "-d", database, "-t", "-A", "-c", query).strip()

    def database(self, name: str) -> str:
        """Make an empty database; its address as a person writes it."""
        self.run("createdb", name)
        return self.url(name)

    def url(self, database: str, password: str = PASSWORD) -> str:
        return f"postgresql://{USER}:{password.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"


@contextmanager
def serving() -> Iterator[PostgresServer]:
    """A server within the block; tests that need it are skipped where Postgres or its driver is not installed."""
    pytest.importorskip("dagster_postgres", reason="dagster-postgres is not installed")
    found = [path for path in NEWEST_FIRST if (path / "initdb").exists()]
    if not found:
        pytest.skip("no Postgres server on this machine: install postgresql")
    with tempfile.TemporaryDirectory(prefix="soilmoisture_postgres_") as folder:
        server = PostgresServer(found[0], Path(folder))
        try:
            yield server
        finally:
            server.stop()

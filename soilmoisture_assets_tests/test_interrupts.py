"""Ctrl-C while the command begins: one line and exit code 130."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy

from soilmoisture_assets.errors import Interrupted
from soilmoisture_assets.interrupts import interruptible

COMMAND = Path(sys.executable).with_name("soilmoisture")
RUN = ("run", "--study", "demo", "--select", "group:report")
SAID = "soilmoisture: interrupted; what is stored is kept: run it again to go on.\n"


@pytest.mark.parametrize(
    ("arguments", "imported"),
    [
        (("--version",), "soilmoisture_assets.__main__"),
        (("status",), "typer.core"),
        (("status",), "pydantic_settings"),
        (RUN, "multiprocessing.forkserver"),
        (RUN, "dagster._core.definitions"),
        (RUN, "soilmoisture_assets.defs.making"),
    ],
)
def test_ctrl_c_while_the_command_imports_is_one_line_and_code_130(
    arguments: tuple[str, ...], imported: str, tmp_path: Path
):
    own = {"SOILMOISTURE_DATA_DIR": str(tmp_path), "SOILMOISTURE_WORKERS": "1", "PYTHONPROFILEIMPORTTIME": "1"}
    command = subprocess.Popen(
        [COMMAND, *arguments], env=os.environ | own, cwd=tmp_path, start_new_session=True, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert command.stderr is not None
    late = threading.Timer(300, command.kill)
    late.start()
    said = ""
    for line in command.stderr:  # Python tells of each module that it has imported; also the server of the workers
        if not line.startswith("import time:"):
            said += "" if line.endswith(" ...\n") else line  # it goes on, on a slow machine
        elif line.rpartition("|")[2].strip() == imported:
            os.killpg(command.pid, signal.SIGINT)  # as a terminal does: all processes of the command get it
            imported = ""
    late.cancel()
    assert (said, command.wait()) == (SAID, 130)


def test_ctrl_c_while_python_finalises_an_object_is_not_lost():
    class Dying:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def finalise_and_go_on() -> None:
        Dying()
        time.sleep(30)

    with pytest.raises(Interrupted), interruptible():
        finalise_and_go_on()


@pytest.mark.parametrize("method", ["rollback", "close"])
def test_ctrl_c_while_a_connection_is_closed_waits_until_it_is(method: str, caplog: pytest.LogCaptureFixture):
    done: list[str] = []

    class Connection(sqlite3.Connection):
        pass

    def interrupted(own: Connection) -> None:
        signal.raise_signal(signal.SIGINT)
        getattr(sqlite3.Connection, method)(own)
        done.append(method)

    engine = sqlalchemy.create_engine(
        "sqlite://", poolclass=sqlalchemy.NullPool, creator=lambda: sqlite3.connect(":memory:", factory=Connection)
    )
    connection = engine.raw_connection()
    setattr(Connection, method, interrupted)

    def close_and_go_on() -> None:
        connection.close()
        time.sleep(30)

    with pytest.raises(Interrupted), interruptible():
        close_and_go_on()
    assert done == [method]
    assert not caplog.records

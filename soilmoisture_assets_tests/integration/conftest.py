"""The real command on a small sandbox study, run once for all tests of this folder."""

import io
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from soilmoisture_assets.cli import main
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import load_study

STUDY = Path(__file__).with_name("small.toml")


@dataclass(frozen=True)
class Workplace:
    """A data folder of its own and the environment that points to it."""

    data: Path
    environment: dict[str, str]

    def soilmoisture(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the installed command as a user does."""
        command = [str(Path(sys.executable).with_name("soilmoisture")), *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=self.data.parent, capture_output=True, text=True, check=False
        )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command in this process, its steps too: the same answers, without seconds of imports."""
        out, err = io.StringIO(), io.StringIO()
        own = self.environment | {"SOILMOISTURE_WORKERS": "0", "DAGSTER_HOME": ""}
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in own.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["soilmoisture", *arguments])
            patch.chdir(self.data.parent)
            with pytest.raises(SystemExit) as ended:
                main()
        return subprocess.CompletedProcess(arguments, ended.value.code or 0, out.getvalue(), err.getvalue())

    def deployment(self, study: str | None = None) -> Deployment:
        """The deployment that the command has: what is stored is read through it."""
        named = study or self.environment["SOILMOISTURE_STUDY"]
        return Deployment(load_study(named), Settings(data_dir=str(self.data), study=named))


def workplace(folder: Path, study: str = str(STUDY)) -> Workplace:
    data = folder / "data"
    data.mkdir(parents=True)
    return Workplace(data, environment_of(data, study))


def environment_of(data: Path, study: str) -> dict[str, str]:
    own = {"SOILMOISTURE_DATA_DIR": str(data), "SOILMOISTURE_STUDY": study, "SOILMOISTURE_WORKERS": "2"}
    return os.environ | own


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The small study, run from nothing to the report; once, however many test processes there are."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = folder / "finished"
    with FileLock(f"{folder}.lock"):
        if not (folder / "data").exists():
            place = workplace(folder)
            result = place.soilmoisture("run")
            assert result.returncode == 0, result.stdout + result.stderr
            assert "Warning" not in result.stderr
            shutil.copytree(place.data, untouched(place))
    return Workplace(folder / "data", environment_of(folder / "data", str(STUDY)))


def untouched(place: Workplace) -> Path:
    """A copy of the finished data that no test runs anything on."""
    return place.data.with_name("untouched")


def copy_of(place: Workplace, folder: Path) -> Workplace:
    """The finished data in a folder of a test's own."""
    shutil.copytree(untouched(place), folder / "data")
    return Workplace(folder / "data", environment_of(folder / "data", place.environment["SOILMOISTURE_STUDY"]))

"""The real command on a small sandbox study, run once for all tests of this folder."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

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


def workplace(folder: Path, study: str = str(STUDY)) -> Workplace:
    data = folder / "data"
    data.mkdir(parents=True)
    template = Path(__file__).parents[2] / "data" / "dagster.yaml"
    shutil.copy(template, data)
    environment = os.environ | {
        "SOILMOISTURE_DATA_DIR": str(data),
        "SOILMOISTURE_STUDY": study,
        "DAGSTER_HOME": str(data / Path(study).stem / "dagster_home"),
    }
    return Workplace(data, environment)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The small study, run from nothing to the report."""
    place = workplace(tmp_path_factory.mktemp("finished"))
    result = place.soilmoisture("run")
    assert result.returncode == 0, result.stdout + result.stderr
    return place

"""What the commands share: the terminal, common options, the Dagster instance. Not here: commands."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

out = Console()
err = Console(stderr=True)

StudyOption = Annotated[str | None, typer.Option("--study", help="Name of a study or path of a study file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

TEMPLATE = Path(__file__).parents[1] / "dagster.yaml"
"""Settings of the Dagster instance, where the data folder has none of its own."""


def print_reasons(what: str, reasons: Mapping[str, str]) -> None:
    """One line on why partitions (an empty name stands for the whole asset) are not there: the first, and how many."""
    name, reason = next(iter(reasons.items()))
    others = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    first = reason.partition("\n")[0]
    about = f"{name} ({first})" if name else first
    err.print(f"{what}: {about}{others}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def instance_of(settings: Settings) -> Iterator["dg.DagsterInstance"]:
    """The one Dagster instance of a data folder.

    Raises
    ------
    StudyError : its folder cannot be written to.
    """
    import dagster as dg

    home = instance_folder(settings)
    try:
        home.mkdir(parents=True, exist_ok=True)
        own = home.parent / "dagster.yaml"
        shutil.copy(own if own.exists() else TEMPLATE, home / "dagster.yaml")
        tempfile.TemporaryFile(dir=home).close()
    except OSError as error:
        raise StudyError(
            f"{home}: cannot be written to ({error.strerror}).\n"
            "  Set SOILMOISTURE_DATA_DIR to a folder on a disk with room that you may write to."
        ) from error
    os.environ["DAGSTER_HOME"] = str(home)
    with dg.DagsterInstance.get() as instance:
        yield instance


def instance_folder(settings: Settings) -> Path:
    """Where the Dagster instance is: beside the studies on disk, else on this machine."""
    if settings.dagster_home is not None:
        return settings.dagster_home.resolve()
    _, is_remote, place = settings.data_dir.partition("://")
    if is_remote:
        return Path("data", "dagster_home_" + re.sub(r"[^\w.-]+", "_", place.strip("/"))).resolve()
    return Path(settings.data_dir).resolve() / "dagster_home"

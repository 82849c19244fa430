"""What the commands share: the terminal, common options, the Dagster instance. Not here: commands."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.files import replacing, telling_troubles
from soilmoisture_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

out = Console()
err = Console(stderr=True)

StudyOption = Annotated[
    str | None,
    typer.Option("--study", help="Name of a study or path of a study file; default: SOILMOISTURE_STUDY, else demo."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class FoldedTable(Table):
    """A table whose words are folded where they do not fit, and never cut: people copy them.

    Texts are shown as they are: ``[m]`` is a unit, not a style.
    """

    def __init__(self, *headers: str, title: str = "", **how: Any) -> None:
        super().__init__(*headers, title=escape(title), **how)

    def add_column(self, header: str = "", *args: Any, **how: Any) -> None:  # type: ignore[override]
        super().add_column(Text(header), *args, **{"overflow": "fold", **how})

    def add_row(self, *cells: str | Text, **how: Any) -> None:  # type: ignore[override]
        super().add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells), **how)


def whole(texts: Iterable[str]) -> int | None:
    """The width of a column that is folded after the others; None on a terminal that is narrow for all of them."""
    return max(map(len, texts), default=None) if out.width >= 80 else None


TEMPLATE = Path(__file__).parents[1] / "dagster.yaml"
"""Settings of the Dagster instance, where the data folder has none of its own."""


def print_reasons(what: str, reasons: Mapping[str, str]) -> None:
    """One line on why partitions (an empty name stands for the whole asset) are not there: the first, and how many."""
    name, reason = next(iter(reasons.items()))
    others = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    first = reason.partition("\n")[0]
    about = f"{name} ({first})" if name else first
    err.print(f"{what}: {about}{others}", markup=False, highlight=False, soft_wrap=True)


def print_behind(what: str, behind: str, command: str = "") -> None:
    """One line on what of the store a stored thing is behind, and the command that mends it; none where nothing is."""
    if behind:
        fix = f"\n  Make it again with: {command}" if command else ""
        err.print(f"{what} is out of date: {behind}{fix}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def instance_of(settings: Settings, *, outdated: bool = False) -> Iterator["dg.DagsterInstance"]:
    """The one Dagster instance of a data folder.

    Parameters
    ----------
    outdated : open it also where its tables on a server are those of another version of Dagster.

    Raises
    ------
    StudyError : its folder cannot be written to, its settings (dagster.yaml) cannot be read, its server does not serve,
        or its launcher cannot be used.
    """
    import dagster as dg
    from filelock import FileLock

    from soilmoisture_assets.defs import logs, postgres
    from soilmoisture_assets.defs.launchers import check_launcher, launcher_of

    elsewhere = launcher_of(settings)
    home = settings.instance_folder
    own = home.parent / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=home).close()
    except OSError as error:
        raise StudyError(
            f"{home}: cannot be written to ({error.strerror}).\n"
            "  Set SOILMOISTURE_DATA_DIR to a folder on a disk with room that you may write to."
        ) from error
    os.environ["DAGSTER_HOME"] = str(home)
    if settings.postgres_url is not None:
        settings.tell_dagster()
        postgres.server(settings.postgres_url, outdated=outdated)
    with FileLock(home / ".opening.lock"), telling_troubles():  # two that make the same database trip over each other
        with replacing(home / "dagster.yaml") as settings_file:
            text = (own if own.exists() else TEMPLATE).read_bytes()
            if b"python_logs:" not in text:
                text += logs.HANDLER.format(folder=json.dumps(str(settings.event_logs))).encode()
            if settings.postgres_url is not None:
                text += postgres.STORAGE.encode()
            text += elsewhere.encode()
            settings_file.write_bytes(text)
        try:
            opened = dg.DagsterInstance.get()
        except (
            dg.DagsterInvalidConfigError,
            UnicodeDecodeError,
            yaml.YAMLError,
            dg.DagsterInvariantViolationError,
        ) as error:
            raise StudyError(
                f"{own}: not the settings of a Dagster instance ({' '.join(str(error).split())[:200]}).\n"
                f"  Correct it, or delete it: {TEMPLATE} goes then."
            ) from error
    with opened as instance:
        check_launcher(instance, settings)
        yield instance

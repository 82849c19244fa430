"""The ``soilmoisture`` command: one file per command.

Belongs here: each command in a file named like it, what they share in ``terminal``. Not here: the order of runs
(defs/order.py), checks of what is configured (soilmoisture_assets/doctor.py), anything about data.

Exit codes: 0 done, 1 some stations or assets failed (listed), 2 the request cannot be served (one line says why), 130
interrupted.
"""

import sys
import warnings
from typing import Annotated

import typer

from soilmoisture_assets.cli import demo, doctor, export, inspect, migrate, report, run, stations, status, ui, verify
from soilmoisture_assets.cli.terminal import err, out
from soilmoisture_assets.errors import Interrupted, SoilMoistureError
from soilmoisture_assets.files import telling_troubles
from soilmoisture_assets.interrupts import interruptible

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Soil moisture from stations to forecasts, skill and drivers.",
)
app.command()(demo.demo)
app.command()(run.run)
app.command()(ui.ui)
app.command()(report.report)
app.command()(doctor.doctor)
app.command()(status.status)
app.command()(stations.stations)
app.command()(export.export)
app.command()(verify.verify)
app.command()(migrate.migrate)
app.add_typer(inspect.app, name="inspect")

_debug = False


def main() -> None:
    """Entry point: errors are one clear line with the fix, a traceback only with --debug."""
    warnings.filterwarnings("ignore", module="dagster.*")  # backfill policies are "beta"
    # what is ignored at one place alone would be told where runs go on in threads: they share the filters
    warnings.filterwarnings("ignore", message=".* is currently in beta")
    try:
        with interruptible(), telling_troubles():
            app()
    except (SoilMoistureError, Interrupted) as error:
        if _debug:
            raise
        err.print(f"soilmoisture: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(Interrupted.EXIT_CODE if isinstance(error, Interrupted) else 2)


def _print_version(wanted: bool) -> None:
    if wanted:
        from soilmoisture_assets.metadata.provenance import code_version, library_versions

        out.print(f"soilmoisture_assets {code_version()}; {', '.join(library_versions())}", highlight=False)
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of every command."""
    global _debug
    _debug = debug

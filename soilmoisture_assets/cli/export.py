"""``soilmoisture export``. Not here: what is exported, and how (soilmoisture_assets/export/)."""

from pathlib import Path
from typing import Annotated

import typer

from soilmoisture_assets.cli.terminal import StudyOption, out
from soilmoisture_assets.export import Format, What

WHAT = f"What to export: {', '.join(What)}."
FORMAT = f"What other programs read: {', '.join(Format)}."


def export(
    what: Annotated[What, typer.Option("--what", metavar="<what>", help=WHAT)],
    form: Annotated[Format, typer.Option("--format", metavar="<format>", help=FORMAT)],
    study: StudyOption = None,
    stations: Annotated[str | None, typer.Option("--stations", help="Comma-separated stations; default: all.")] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", help="Forecasts of validation and test starts; none: the newest.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="File; default <study>_<what>.<suffix> here.")] = None,
) -> None:
    """Write forecasts, drought, cube, skill or stations to a file for other programs, and print its path."""
    from soilmoisture_assets.deployment import load_deployment
    from soilmoisture_assets.export.files import export as write
    from soilmoisture_assets.notebook import OpenStudy

    opened = OpenStudy(load_deployment(study))
    path = to or Path(f"{opened.study.name}_{what}{form.suffix}")
    names = [name.strip() for name in stations.split(",")] if stations else []
    write(opened, what, form, path, stations=names, experiment=experiment)
    out.print(path, markup=False, highlight=False, soft_wrap=True)

"""``soilmoisture ui``: the web UI with one code location per study. Not here: the definitions (definitions.py)."""

import json
import os
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from soilmoisture_assets.cli.terminal import StudyOption, instance_of, out
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.files import replacing


class Part(StrEnum):
    """What a server runs by itself, so that one can be started again without the other."""

    WEBSERVER = "webserver"
    DAEMON = "daemon"


def ui(
    study: StudyOption = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
    only: Annotated[Part | None, typer.Option(help="One of both alone, as a service; the daemon runs things.")] = None,
) -> None:
    """Open the Dagster web UI and daemon on this machine only, with every study of the data folder or one of them."""
    from soilmoisture_assets.defs.leases import end_dead_runs
    from soilmoisture_assets.deployment import load_deployment
    from soilmoisture_assets.origins import known_studies, remember

    deployment = load_deployment(study)
    settings = deployment.settings
    with instance_of(settings) as instance:  # creates its database before webserver and daemon race for it
        end_dead_runs(instance)
        if study or not known_studies(deployment.store):
            remember(deployment.store, deployment.study.name, settings.study)
    names = [deployment.study.name] if study else sorted(known_studies(deployment.store))
    workspace = settings.instance_folder / "workspace.yaml"
    with replacing(workspace) as file:
        file.write_text(json.dumps({"load_from": [_location(name) for name in names]}, indent=1))  # JSON is YAML
    address = ("-h", "127.0.0.1", "-p", str(port))
    tool, *arguments = {
        None: ("dagster", "dev", *address),
        Part.WEBSERVER: ("dagster-webserver", *address),
        Part.DAEMON: ("dagster-daemon", "run"),
    }[only]
    program = shutil.which(tool, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        raise StudyError(f"the command {tool} is not installed beside this Python.\n  Reinstall with: make demo")
    if only is not Part.DAEMON:
        out.print(f"http://127.0.0.1:{port}  {', '.join(names)}", highlight=False)
    if "ui_url" not in settings.model_fields_set:
        os.environ["SOILMOISTURE_UI_URL"] = f"http://127.0.0.1:{port}"  # of the links in notices
    os.execv(program, [program, *arguments, "-w", str(workspace)])


def _location(name: str) -> dict[str, dict[str, str]]:
    module = {"module_name": "soilmoisture_assets.definitions", "attribute": name, "location_name": name}
    return {"python_module": module}

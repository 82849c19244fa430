"""Runs on other machines, where the settings name a launcher: what dagster.yaml says of it, and what may be wrong.

Belongs here: Dagster's launchers by name, what a run elsewhere is told. Not here: handing it runs and following them
(runs.py), opening the instance (cli/terminal.py).
"""

import json
import os
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import dagster as dg

from soilmoisture_assets.errors import StudyError, without_secrets
from soilmoisture_assets.settings import LAUNCHER, LAUNCHER_CONFIG, POSTGRES, Launcher, Settings

_CLASSES = {
    Launcher.RAY: ("soilmoisture_assets.defs.ray_launcher", "RayJobs"),
    Launcher.K8S: ("dagster_k8s", "K8sRunLauncher"),
    Launcher.DOCKER: ("dagster_docker", "DockerRunLauncher"),
}
_DEFAULTS: Mapping[Launcher, Mapping[str, Any]] = {
    Launcher.RAY: {"num_cpus": 1},  # without a share of a node, Ray starts every run on its head
    Launcher.K8S: {"instance_config_map": "unused"},  # asked for, though a run brings its instance along
}
_OF_SERVICES = re.compile(r"AWS_|PG[A-Z]|CDSAPI_")
"""Variables of stores and services that a container of this machine is given, by name; elsewhere they are there."""


def launcher_of(settings: Settings) -> str:
    """What dagster.yaml says more where runs execute elsewhere; empty where they do not.

    Raises
    ------
    StudyError : the runs' events would be out of their reach, or the launcher is not installed.
    """
    launcher = settings.launcher
    if launcher is Launcher.LOCAL:
        return ""
    if settings.postgres_url is None:
        raise StudyError(
            f"{LAUNCHER} is {launcher}, and SQLite in {settings.instance_folder} is out of reach of other machines.\n"
            f"  Set {POSTGRES} to a database that all of them reach."
        )
    module, name = _CLASSES[launcher]
    try:
        import_module(module)
        if launcher is Launcher.RAY:
            import_module("ray.job_submission")
    except ImportError as error:
        raise StudyError(
            f"{LAUNCHER} is {launcher}, and what it takes is not installed ({error.name}).\n"
            f"  Install it: pip install 'soilmoisture_assets[{launcher}]'"
        ) from error
    told = settings.told_elsewhere()
    if launcher is Launcher.DOCKER:
        told += sorted(name for name in os.environ if _OF_SERVICES.match(name) or name in settings.secrets)
    own = {**_DEFAULTS.get(launcher, {}), **settings.launcher_config}
    config = {**own, "env_vars": [*told, *own.get("env_vars", [])]}
    said = {"module": module, "class": name, "config": {"ray": config} if launcher is Launcher.RAY else config}
    return f"\nrun_launcher: {json.dumps(said)}\n"  # JSON is YAML


def check_launcher(instance: dg.DagsterInstance, settings: Settings) -> None:
    """See that the launcher takes its configuration. Raises StudyError."""
    if settings.launcher is Launcher.LOCAL:
        return
    try:
        _ = instance.run_launcher
    except Exception as error:  # whatever the library of the launcher raises
        first = error.errors[0].message if isinstance(error, dg.DagsterInvalidConfigError) else str(error)
        said = without_secrets(" ".join(first.split()))[:300].rstrip(".")
        raise StudyError(
            f"{LAUNCHER_CONFIG}: the launcher '{settings.launcher}' does not take it ({said}).\n"
            f"  It is JSON with what {'.'.join(_CLASSES[settings.launcher])} is configured with."
        ) from error

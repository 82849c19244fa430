"""Dagster's launcher of runs as Ray jobs, for settings of any text. Nothing else belongs here.

By itself it puts single quotes around what a shell is to hand on, whatever quotes there are in it.
"""

import shlex

import dagster as dg
from dagster_ray import RayRunLauncher


class RayJobs(RayRunLauncher):
    """What dagster.yaml names as the launcher of an instance."""

    def _launch_ray_job(self, submission_id: str, entrypoint: str, run: dg.DagsterRun) -> None:
        program, _, quoted = entrypoint.partition(" '")
        super()._launch_ray_job(submission_id, f"{program} {shlex.quote(quoted[:-1])}", run)

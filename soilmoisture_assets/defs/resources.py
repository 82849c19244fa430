"""Resources: the study, the stores, and the services (real ones, or the embedded sandbox).

Belongs here: what assets are handed. Not here: clients (sources/) and formats (io_managers/).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg

from soilmoisture_assets.defs.deployment import FOLDER, SETTINGS, STUDY
from soilmoisture_assets.errors import SourceUnavailable
from soilmoisture_assets.io_managers.checkpoint import CheckpointIOManager
from soilmoisture_assets.io_managers.figure import FigureIOManager
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.io_managers.table import TableIOManager
from soilmoisture_assets.io_managers.zarr import ZarrIOManager
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Study

if TYPE_CHECKING:
    from soilmoisture_assets.sandbox.world import World


SECONDS_BEFORE_RETRY = 30.0


@dataclass(frozen=True)
class ServiceUrls:
    """Base addresses of the services; None where the client library knows its own."""

    cds: str | None
    soilgrids: str
    elevation: str
    earthengine: str | None


class Services:
    """Where the services are: the addresses of the settings, or a sandbox that lives as long as a step."""

    def __init__(self, study: Study, settings: Settings) -> None:
        self.study, self.settings = study, settings

    @cached_property
    def world(self) -> "World":
        """The synthetic world of a sandbox study."""
        from soilmoisture_assets.sandbox.world import World

        domain, period = self.study.domain, self.study.axis_period()
        return World(
            seed=self.study.seed,
            west=domain.west,
            east=domain.east,
            south=domain.south,
            north=domain.north,
            start=period.start,
            end=period.end,
            stations=self.study.sandbox_stations,
        )

    @contextmanager
    def open(self, context: dg.AssetExecutionContext) -> Iterator[ServiceUrls]:
        """Addresses that work within the block.

        A service that is down makes Dagster try the step again, twice; other errors and interrupts end it at once,
        which they would not under a RetryPolicy.
        """
        try:
            if self.study.sandbox:
                from soilmoisture_assets.sandbox.server import Sandbox

                with Sandbox(self.world) as sandbox:
                    urls = sandbox.urls
                    yield ServiceUrls(urls["cds"], urls["soilgrids"], urls["epqs"], urls["earthengine"])
            else:
                own = self.settings
                yield ServiceUrls(own.cds_url, own.soilgrids_url, own.elevation_url, own.earthengine_url)
        except SourceUnavailable as error:
            wait = SECONDS_BEFORE_RETRY * 2**context.retry_number
            raise dg.RetryRequested(max_retries=2, seconds_to_wait=wait) from error


def resources() -> dict[str, Any]:
    """All resources by the names the assets use."""
    return {
        "study": STUDY,
        "settings": SETTINGS,
        "services": Services(STUDY, SETTINGS),
        "netcdf": NetcdfIOManager(FOLDER, STUDY),
        "zarr": ZarrIOManager(FOLDER, STUDY),
        "table": TableIOManager(FOLDER),
        "checkpoint": CheckpointIOManager(FOLDER, STUDY),
        "figure": FigureIOManager(FOLDER),
    }

"""How a command asks each service of the sandbox for all there is. Not here: tests."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.sandbox.server import LEFT_TO_THE_SERVICE, FaultKind
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.awdb.client import AwdbClient
from soilmoisture_assets.sources.elevation.client import fetch_slope
from soilmoisture_assets.sources.era5.months import Era5Client
from soilmoisture_assets.sources.modis import earthengine, ornl
from soilmoisture_assets.sources.open_meteo import SOURCE as OPEN_METEO
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.series import fetch_issued, fetch_month
from soilmoisture_assets.sources.soilgrids.rest import fetch_points
from soilmoisture_assets.sources.soilgrids.wcs import fetch_windows
from soilmoisture_assets.sources.source import IssuedRequest, SeriesRequest
from soilmoisture_assets.sources.uscrn.client import FILE_NAME, UscrnClient
from soilmoisture_assets.study import Domain

PLAINS, CONUS = Domain(west=-104, east=-96, south=36, north=44), Domain(west=-125, east=-66, south=24, north=50)
MONTHS = [f"2018-{month:02d}" for month in range(1, 13)]
NAMES = (
    "soilgrids", "soilgrids_wcs", "epqs", "earthengine", "ornl", "open_meteo", "open_meteo issued", "uscrn", "awdb",
    "cds",
)  # fmt: skip
"""Each service of the sandbox, of Open-Meteo both."""
DEAD = tuple(kind for kind in get_args(FaultKind) if kind not in LEFT_TO_THE_SERVICE)
"""Ways in which a service does not answer."""

Ask = Callable[[str], None]
"""Asks a service at an address for all there is; raises where nothing came."""


def service_of(name: str) -> str:
    """The service of the sandbox that is meant."""
    return name.partition(" ")[0]


def asks(stations: xr.Dataset, folder: Path, patience: Patience) -> dict[str, Ask]:
    """By name, with the timeouts and pauses of a run, the polite rates aside."""
    fast = 60_000.0

    def soilgrids(url: str) -> None:
        fetch_points(stations, folder / "soil", url, fast, patience=patience)

    def soilgrids_wcs(url: str) -> None:
        fetch_windows(stations, folder / "maps", url, fast, patience=patience)

    def epqs(url: str) -> None:
        fetch_slope(stations, folder / "terrain", url, patience=patience)

    def cover(url: str) -> None:
        import ee

        ee.Reset()
        earthengine.fetch_land_cover(stations, folder / "cover", [2018], url=url, patience=patience)

    def subsets(url: str) -> None:
        kept = folder / "subsets"
        ornl.fetch_land_cover(stations, kept, [2018], url=url, requests_per_minute=fast, patience=patience)

    def of_month(url: str) -> SeriesRequest:
        variables, kept = ("temperature", "precipitation"), folder / "answers"
        kept.mkdir(exist_ok=True)
        return SeriesRequest("2019-01-01", stations, variables, Settings(), kept, url, patience=patience)

    def archive(url: str) -> None:
        fetch_month(OPEN_METEO, of_month(url))

    def previous_runs(url: str) -> None:
        asked = IssuedRequest(**vars(of_month(url)), step=pd.Timedelta("24h"), lead_hours=(24, 48))
        fetch_issued(OPEN_METEO, asked)

    def uscrn(url: str) -> None:
        today = dt.date(2019, 1, 25)
        client = UscrnClient(url, folder, "hourly", today=today, requests_per_minute=fast, patience=patience)
        found = client.stations(CONUS, ("USCRN",), (), [2019])
        names = dict(zip(found.station.values.tolist(), found[FILE_NAME].values.tolist(), strict=True))
        _whole(client.records(names, [2019]))

    def awdb(url: str) -> None:
        today = dt.date(2019, 1, 25)
        client = AwdbClient(url, folder, "daily", today=today, requests_per_minute=fast, patience=patience)
        _whole(client.records(client.stations(CONUS, (), (), [2019]), [2019]))

    def cds(url: str) -> None:
        client = Era5Client(url, "token", folder / "jobs", poll_seconds=0.02, patience=patience)
        targets = {month: folder / f"{month}.zip" for month in MONTHS}
        found = list(client.fetch_months(targets, domain=PLAINS, variables=("temperature",), resolution=4.0))
        assert len(found) == len(MONTHS)
        for month in found:
            if month.error is not None:
                raise month.error

    every = (soilgrids, soilgrids_wcs, epqs, cover, subsets, archive, previous_runs, uscrn, awdb, cds)
    return dict(zip(NAMES, every, strict=True))


def _whole(records: Iterator[tuple[str, xr.Dataset | SoilMoistureError]]) -> None:
    """Raise what one of the stations failed with."""
    for each in [found for _, found in records]:
        if isinstance(each, SoilMoistureError):
            raise each

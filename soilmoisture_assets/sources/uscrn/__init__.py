"""The U.S. Climate Reference Network: soil moisture and its weather from one public server. Not here: other sources,
assets (defs/)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import Need, Network, NetworkRequest, Source
from soilmoisture_assets.study import Study

if TYPE_CHECKING:
    from soilmoisture_assets.sources.uscrn.client import UscrnClient


def _client(request: NetworkRequest) -> "UscrnClient":
    from soilmoisture_assets.sources.uscrn.client import REQUESTS_PER_MINUTE, UscrnClient

    return UscrnClient(
        request.url,
        request.workspace,
        request.study.uscrn.product,
        today=request.today,
        requests_per_minute=request.requests_per_minute or REQUESTS_PER_MINUTE,
        patience=request.patience,
    )


def _stations(request: NetworkRequest) -> xr.Dataset:
    study = request.study
    return _client(request).stations(study.domain, study.target.networks, study.uscrn.stations, request.station_years)


def _records(request: NetworkRequest, stations: xr.Dataset) -> Iterator[tuple[str, xr.Dataset | SoilMoistureError]]:
    from soilmoisture_assets.sources.uscrn.client import FILE_NAME

    pairs = zip(stations.station.values.tolist(), stations[FILE_NAME].values.tolist(), strict=True)
    return _client(request).records(dict(pairs), request.record_years, request.progress)


def _probes(study: Study, settings: Settings) -> Iterator[Need]:
    from soilmoisture_assets.sources.uscrn.client import probe

    yield Need("raw/uscrn", "USCRN", lambda: probe(settings.uscrn_url))


SOURCE = Source(
    name="uscrn",
    title="U.S. Climate Reference Network",
    offers={"target": ("soil_moisture",), "dynamic": ("temperature", "precipitation", "shortwave")},
    step="1h",
    place="stations",
    citation="Diamond et al. 2013, U.S. Climate Reference Network after one decade of operations, "
    "doi:10.1175/BAMS-D-12-00170.1; Bell et al. 2013, soil moisture and temperature observations, "
    "doi:10.1175/JHM-D-12-0146.1",
    licence="public domain (NOAA)",
    probes=_probes,
    url=lambda settings: settings.uscrn_url,
    sandbox="uscrn",
    network=Network(section="uscrn", stations=_stations, records=_records),
)

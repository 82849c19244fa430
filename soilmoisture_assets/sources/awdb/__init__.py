"""SCAN and SNOTEL: soil moisture and its weather from the Air and Water Database of USDA NRCS. Not here: other sources,
assets (defs/)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import Need, Network, NetworkRequest, Source
from soilmoisture_assets.study import Study

if TYPE_CHECKING:
    from soilmoisture_assets.sources.awdb.client import AwdbClient


def _client(request: NetworkRequest) -> "AwdbClient":
    from soilmoisture_assets.sources.awdb.client import REQUESTS_PER_MINUTE, AwdbClient

    return AwdbClient(
        request.url,
        request.workspace,
        request.study.awdb.product,
        today=request.today,
        requests_per_minute=request.requests_per_minute or REQUESTS_PER_MINUTE,
        patience=request.patience,
    )


def _stations(request: NetworkRequest) -> xr.Dataset:
    study = request.study
    return _client(request).stations(study.domain, study.target.networks, study.awdb.stations, request.station_years)


def _records(request: NetworkRequest, stations: xr.Dataset) -> Iterator[tuple[str, xr.Dataset | SoilMoistureError]]:
    return _client(request).records(stations, request.record_years, request.progress)


def _probes(study: Study, settings: Settings) -> Iterator[Need]:
    from soilmoisture_assets.sources.awdb.client import probe

    yield Need("raw/awdb", "AWDB", lambda: probe(settings.awdb_url))


SOURCE = Source(
    name="awdb",
    title="USDA SCAN and SNOTEL",
    offers={"target": ("soil_moisture",), "dynamic": ("temperature", "precipitation", "shortwave")},
    step="1h",
    place="stations",
    citation="Schaefer et al. 2007, The USDA Natural Resources Conservation Service Soil Climate Analysis Network, "
    "doi:10.1175/2007JTECHA930.1",
    licence="public domain (USDA NRCS)",
    probes=_probes,
    url=lambda settings: settings.awdb_url,
    sandbox="awdb",
    network=Network(section="awdb", stations=_stations, records=_records),
)

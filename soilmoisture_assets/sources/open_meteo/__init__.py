"""ERA5 at the stations over Open-Meteo: no account, no queue. Not here: other sources, assets (defs/)."""

from collections.abc import Iterator

import xarray as xr

from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import Need, SeriesRequest, Source
from soilmoisture_assets.study import Study


def _fetch(request: SeriesRequest) -> xr.Dataset:
    from soilmoisture_assets.sources.open_meteo.client import fetch_month

    return fetch_month(request)


def _probes(study: Study, settings: Settings) -> Iterator[Need]:
    from soilmoisture_assets.sources.open_meteo.client import probe

    yield Need("raw/open_meteo", "Open-Meteo", lambda: probe(settings.open_meteo_url))


SOURCE = Source(
    name="open_meteo",
    title="ERA5 over Open-Meteo",
    offers={
        "dynamic": (
            "temperature",
            "precipitation",
            "shortwave",
            "dewpoint",
            "wind_speed",
            "soil_temperature",
            "soil_moisture_era5",
            "soil_moisture_era5_7_28cm",
            "soil_moisture_era5_28_100cm",
        )
    },
    step="1h",
    place="points",
    citation="Zippenfenig 2023, Open-Meteo.com Weather API, doi:10.5281/zenodo.7970649; Hersbach et al. 2023, ERA5 "
    "hourly data on single levels, doi:10.24381/cds.adbb2d47",
    licence="CC BY 4.0; the free service is for non-commercial use",
    probes=_probes,
    url=lambda settings: settings.open_meteo_url,
    sandbox="open_meteo",
    fetch=_fetch,
)

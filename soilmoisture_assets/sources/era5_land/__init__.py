"""ERA5-Land at the stations, from Open-Meteo: what the land surface has of its own on cells of 0.1 degrees.

Rain, radiation and wind are ERA5's, which drives it, and are not offered. Not here: the client (open_meteo/), ERA5-Land
as files (era5/).
"""

from collections.abc import Iterator

import xarray as xr

from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import Need, SeriesRequest, Source
from soilmoisture_assets.study import Study


def _fetch(request: SeriesRequest) -> xr.Dataset:
    from soilmoisture_assets.sources.open_meteo.client import fetch_month

    return fetch_month(request, model="era5_land")


def _probes(study: Study, settings: Settings) -> Iterator[Need]:
    from soilmoisture_assets.sources.open_meteo.client import probe

    if SOURCE.name in study.dynamic_inputs.sources:
        yield Need("raw/era5_land/station_series", "Open-Meteo", lambda: probe(settings.open_meteo_url))


SOURCE = Source(
    name="era5_land",
    title="ERA5-Land over Open-Meteo",
    offers={
        "dynamic": (
            "temperature",
            "dewpoint",
            "soil_temperature",
            "soil_moisture_era5",
            "soil_moisture_era5_7_28cm",
            "soil_moisture_era5_28_100cm",
        )
    },
    step="1h",
    place="points",
    citation="Zippenfenig 2023, Open-Meteo.com Weather API, doi:10.5281/zenodo.7970649; Muñoz-Sabater et al. 2021, "
    "Earth System Science Data 13, doi:10.5194/essd-13-4349-2021",
    licence="CC BY 4.0; the free service is for non-commercial use",
    probes=_probes,
    url=lambda settings: settings.open_meteo_url,
    sandbox="open_meteo",
    fetch=_fetch,
)

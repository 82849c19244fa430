"""Weather at the stations from Open-Meteo, ERA5 and as it was forecast: no account, no queue.

Not here: other sources, assets (defs/).
"""

from collections.abc import Iterator

import xarray as xr

from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import IssuedRequest, IssuedWeather, Need, SeriesRequest, Source
from soilmoisture_assets.study import Study


def _fetch(request: SeriesRequest) -> xr.Dataset:
    from soilmoisture_assets.sources.open_meteo.client import fetch_month

    return fetch_month(request)


def _fetch_issued(request: IssuedRequest) -> xr.Dataset:
    from soilmoisture_assets.sources.open_meteo.client import fetch_issued

    return fetch_issued(request)


def _probes(study: Study, settings: Settings) -> Iterator[Need]:
    from soilmoisture_assets.sources.open_meteo.client import probe

    if SOURCE.name in study.dynamic_inputs.sources:
        yield Need("raw/open_meteo/station_series", "Open-Meteo", lambda: probe(settings.open_meteo_url))
    if SOURCE.name == study.issued_weather.source:
        yield Need(
            "raw/open_meteo/issued_weather",
            "Open-Meteo's previous runs",
            lambda: probe(settings.open_meteo_previous_runs_url, previous_runs=True),
        )


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
    issued=IssuedWeather(
        title="forecasts of the weather over Open-Meteo",
        offers=("temperature", "precipitation", "shortwave", "dewpoint", "wind_speed"),
        fetch=_fetch_issued,
        url=lambda settings: settings.open_meteo_previous_runs_url,
        code="2",
    ),
)

"""Hourly weather at points from Open-Meteo: ERA5 from its archive, and the weather as it was forecast.

Belongs here: which parameters a variable is, requests within the free limits, answers as series. Not here: retries
(sources/http.py), what a month of any source must be (sources/series.py).

The cell is the one of land that is nearest, with the values of the grid: without ``elevation=nan`` the service would
move temperatures to the height of the place. Amounts and radiation belong to the hour that ends at the stamp, as in
ERA5. Hours that are not published yet (ERA5 is five days behind) are null.

What was forecast comes from the previous runs: ``<parameter>_previous_day2`` of an hour is its value in the newest run
that began at least 48 hours before it. So of a forecast issued at any time the hours of its second day are taken from
day 2, and nothing of it was issued later. The same service answers for the past and for this morning, whose hours ahead
are in it: what a model is judged by is what it is given today. Single runs would be nearer to each issue, but count a
call for each place and run, more than a week's free calls for a hundred stations and two years.

Source: https://open-meteo.com/en/docs/historical-weather-api, https://open-meteo.com/en/docs/previous-runs-api;
limits: https://open-meteo.com/en/terms (600 calls a minute, 5,000 an hour and 10,000 a day, where a
call is two weeks of ten variables at one place).
"""

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.files import replacing
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.sources.http import (
    LOOPBACK,
    PROBE_SECONDS,
    Answer,
    HttpClient,
    Parameters,
    UnusableAnswer,
    read_json,
)
from soilmoisture_assets.sources.source import IssuedRequest, SeriesRequest

PARAMETERS = {
    "temperature": "temperature_2m",
    "precipitation": "precipitation",
    "shortwave": "shortwave_radiation",
    "dewpoint": "dew_point_2m",
    "wind_speed": "wind_speed_10m",
    "soil_temperature": "soil_temperature_0_to_7cm",
    "soil_moisture_era5": "soil_moisture_0_to_7cm",
    "soil_moisture_era5_7_28cm": "soil_moisture_7_to_28cm",
    "soil_moisture_era5_28_100cm": "soil_moisture_28_to_100cm",
}
UNITS = {"°C": "degC", "mm": "mm", "W/m²": "W m-2", "m/s": "m s-1", "m³/m³": "m3 m-3"}
"""Units of the service as the registry spells them."""
STATIONS_AT_ONCE = 50
"""Places of one request; its address stays far below the 64 kB that the service takes."""
CALLS_A_MINUTE, CALLS_AN_HOUR = 600.0, 5000.0
_BACKOFF = 15.0
"""Seconds before a second attempt, doubled each time: a limit of a minute is over by the third."""
_DAYS_OF_A_CALL, _VARIABLES_OF_A_CALL = 14.0, 10.0
_FARTHEST_CELL = 2.0
"""Degrees between a place and its cell: land may be some cells away, another place is farther."""
_SOME_DAY, _FORECAST_DAY = "2020-07-01", "2024-07-01"
_HAS_DATA = 41.75, -93.90


def fetch_month(request: SeriesRequest, model: str = "era5") -> xr.Dataset:
    """The hours of one month at the stations, of a reanalysis as the service names it.

    Each answer is kept in the workspace until the month is whole: an interrupted run asks for the rest alone.

    Returns
    -------
    The request's variables (station, time) float32 with units, NaN where the service has nothing (yet).

    Raises
    ------
    SourceUnavailable : no usable answer: the service is down, or the free calls of this hour or day are used up (429).
    SourceError : the service refuses the request, or answers in units that are not known.
    """
    asked = {name: PARAMETERS[name] for name in request.variables}
    values, units = _fetched(request, asked, request.hours, _archive(model))
    return xr.Dataset(
        {name: (("station", "time"), found, {"units": units[name]}) for name, found in values.items()},
        {"station": request.stations["station"], "time": request.hours},
    )


def fetch_issued(request: IssuedRequest) -> xr.Dataset:
    """The weather of the steps ahead as it was forecast at each issue time of a month, or before.

    Returns
    -------
    The request's variables (station, start, lead) float32 with units: sums and means over steps as the registry says,
    NaN where any hour of a step was not forecast (yet).

    Raises
    ------
    As :func:`fetch_month`.
    """
    issued, leads, length = request.issue_times, request.lead_hours, int(request.step / pd.Timedelta("1h"))
    days = range(1, (max(leads) + 23) // 24 + 1)
    own = len(issued) * length + max(leads)
    behind = request.hours_behind
    first = request.hours[0] + pd.Timedelta(hours=int(behind.min()))
    hours = pd.date_range(first, periods=own + int(np.ptp(behind)), freq="h", unit="ns")
    asked = {f"{name}/{day}": f"{PARAMETERS[name]}_previous_day{day}" for name in request.variables for day in days}
    values, units = _fetched(request, asked, hours, _previous_runs())
    columns = (behind - behind.min())[:, None] + np.arange(own)  # of the hours of each station's own clock
    found = {}
    for name in request.variables:
        summed = VARIABLES[name].aggregation == "sum"
        hourly = {day: np.take_along_axis(values[f"{name}/{day}"], columns, axis=1) for day in days}
        steps = {day: each.reshape(len(each), -1, length) for day, each in hourly.items()}
        whole = {day: each.sum(axis=2) if summed else each.mean(axis=2) for day, each in steps.items()}
        ahead = [whole[(lead + 23) // 24][:, lead // length :][:, : len(issued)] for lead in leads]
        found[name] = (("station", "start", "lead"), np.stack(ahead, axis=2), {"units": units[f"{name}/1"]})
    return xr.Dataset(found, {"station": request.stations["station"], "start": issued, "lead": list(leads)})


@dataclass(frozen=True)
class _Service:
    """One of its services: name, path, parameters of its own, calls a minute, and how many days after today it has any
    of.

    Years of forecasts are more than the calls of an hour: they are asked for at the pace of these.
    """

    name: str
    path: str
    parameters: Mapping[str, str]
    calls_a_minute: float
    ahead: int = 0

    def address(self, url: str) -> str:
        return f"{url.rstrip('/')}/{self.path}"


def _archive(model: str = "era5") -> _Service:
    return _Service("Open-Meteo", "archive", {"models": model}, CALLS_A_MINUTE)


def _previous_runs() -> _Service:
    return _Service("Open-Meteo's previous runs", "forecast", {}, CALLS_AN_HOUR / 60, ahead=15)


def _fetched(
    request: SeriesRequest, parameters: Mapping[str, str], hours: pd.DatetimeIndex, service: _Service
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """By name the hours (station, time) float32 of each parameter, NaN where there is nothing (yet), and its units."""
    places = request.stations
    today = request.settings.today or dt.datetime.now(dt.UTC).date()
    first, last = hours[0].date(), min(hours[-1].date(), today + dt.timedelta(days=service.ahead))
    values = {name: np.full((places.sizes["station"], len(hours)), np.nan, "float32") for name in parameters}
    units = {name: VARIABLES[name.partition("/")[0]].units for name in parameters}
    kept: list[Path] = []
    if hours[0] <= pd.Timestamp(today):
        client = _client(request, service, len(parameters), (last - first).days + 1)
        for low in range(0, places.sizes["station"], STATIONS_AT_ONCE):
            batch = places.isel(station=slice(low, low + STATIONS_AT_ONCE))
            answers, path = _answers(client, request, service, batch, parameters.values(), first, last)
            kept.append(path)
            for row, answer in enumerate(answers, start=low):
                for name, parameter in parameters.items():
                    values[name][row] = _series(answer, parameter, hours)
                    units[name] = _units(answer, parameter)
            if request.progress:
                request.progress(low + batch.sizes["station"], places.sizes["station"], request.month)
    for path in kept:
        path.unlink(missing_ok=True)
    return values, units


def probe(url: str, previous_runs: bool = False) -> str:
    """Ask the archive, or the previous runs, once for a day at a place known to have one.

    Raises SourceError where that is not what comes.
    """
    service, day = (_previous_runs(), _FORECAST_DAY) if previous_runs else (_archive(), _SOME_DAY)
    client = HttpClient(service.name, timeout=PROBE_SECONDS, attempts=1)
    name = PARAMETERS["temperature"] + ("_previous_day1" if previous_runs else "")
    first = dt.date.fromisoformat(day)
    [answer] = client.send(
        "GET",
        service.address(url),
        lambda answer: read_answers(answer, [_HAS_DATA]),
        parameters=_parameters([_HAS_DATA], [name], first, first, service),
    )
    warmest = max(answer["hourly"][name])
    return f"{url} answers: {warmest:.0f} °C at {_HAS_DATA[0]} N {_HAS_DATA[1]} E on {day}"


def read_answers(
    answer: Answer, places: list[tuple[float, float]], hourly: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The answers of a request, one for each place (latitude, longitude [degrees]), in their order, with all that was
    asked for of their hours.

    Raises
    ------
    SourceError : the request is refused. UnusableAnswer : anything else that is not these answers.
    """
    found = read_json(answer.body)
    if answer.status >= 400 or (isinstance(found, dict) and found.get("error")):
        reason = str(found.get("reason", "")) if isinstance(found, dict) else ""
        raise SourceError(f"Open-Meteo: it refused the request with {answer.status}: {reason[:200]}.")
    answers = found if isinstance(found, list) else [found]
    if len(answers) != len(places):
        raise UnusableAnswer(f"it answered for {len(answers)} places, asked for {len(places)}")
    for each, (latitude, longitude) in zip(answers, places, strict=True):
        if not isinstance(each, dict) or not isinstance(each.get("hourly"), dict):
            raise UnusableAnswer("it answered JSON without hours")
        north, east = float(each["latitude"]) - latitude, float(each["longitude"]) - longitude
        if abs(north) > _FARTHEST_CELL or abs((east + 180) % 360 - 180) * np.cos(np.deg2rad(latitude)) > _FARTHEST_CELL:
            raise UnusableAnswer(f"it answered for {each['latitude']} N {each['longitude']} E, another place")
        if each.get("utc_offset_seconds", 0) != 0:
            raise UnusableAnswer("it answered in local time")
        hours = each["hourly"]
        if lacking := [name for name in hourly if len(hours.get(name, ())) != len(hours["time"])]:
            raise UnusableAnswer(f"no '{lacking[0]}' came for the hours asked for")
    return answers


def _client(request: SeriesRequest, service: _Service, variables: int, days: int) -> HttpClient:
    """As fast as the free limits allow; a service on this machine is nobody else's."""
    calls = STATIONS_AT_ONCE * max(variables / _VARIABLES_OF_A_CALL, 1) * max(days / _DAYS_OF_A_CALL, 1)
    if urlsplit(str(request.url)).hostname in LOOPBACK:
        return HttpClient(service.name, patience=request.patience)
    rate = service.calls_a_minute / calls
    return HttpClient(service.name, requests_per_minute=rate, backoff=_BACKOFF, patience=request.patience)


def _parameters(
    places: list[tuple[float, float]], hourly: Collection[str], first: dt.date, last: dt.date, service: _Service
) -> Parameters:
    return {
        "latitude": ",".join(f"{latitude:.5f}" for latitude, _ in places),
        "longitude": ",".join(f"{longitude:.5f}" for _, longitude in places),
        "elevation": ",".join(["nan"] * len(places)),
        "start_date": first.isoformat(),
        "end_date": last.isoformat(),
        "hourly": ",".join(hourly),
        **service.parameters,
        "wind_speed_unit": "ms",
        "timezone": "GMT",
    }


def _answers(
    client: HttpClient,
    request: SeriesRequest,
    service: _Service,
    batch: xr.Dataset,
    hourly: Collection[str],
    first: dt.date,
    last: dt.date,
) -> tuple[list[dict[str, Any]], Path]:
    """The answers for some stations, and the file that keeps them."""
    places = list(zip(batch["latitude"].values.tolist(), batch["longitude"].values.tolist(), strict=True))
    asked = _parameters(places, hourly, first, last, service)
    today = request.settings.today or dt.datetime.now(dt.UTC).date()
    running = str(today) if last >= today else ""  # what came of it yesterday is not all of it today
    name = hashlib.blake2b(json.dumps([asked, running]).encode(), digest_size=8).hexdigest()
    path = request.workspace / f"{request.month[:7]}_{name}.json"
    if path.exists():
        return json.loads(path.read_text()), path
    answers = client.send(
        "GET",
        service.address(str(request.url)),
        lambda answer: read_answers(answer, places, hourly),
        parameters=asked,
        refuse=False,
    )
    with replacing(path) as partial:
        partial.write_text(json.dumps(answers))
    return answers, path


def _series(answer: dict[str, Any], parameter: str, hours: pd.DatetimeIndex) -> np.ndarray:
    """(time) the values of the hours, NaN where there are none."""
    hourly = answer["hourly"]
    given = pd.Series(hourly[parameter], pd.to_datetime(hourly["time"]), dtype="float64")
    return given[~given.index.duplicated()].reindex(hours).to_numpy("float32")


def _units(answer: dict[str, Any], parameter: str) -> str:
    given = str(answer.get("hourly_units", {}).get(parameter))
    if given not in UNITS:
        raise SourceError(
            f"Open-Meteo: '{parameter}' came in '{given}', known are {', '.join(UNITS)}.\n"
            "  The service has changed: update this program."
        )
    return UNITS[given]

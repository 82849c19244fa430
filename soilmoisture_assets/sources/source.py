"""What a source is: the declaration that each folder in sources/ makes of itself.

Belongs here: the types of a declaration. Not here: the declarations (``SOURCE`` in ``sources/<name>/__init__.py``),
which of them a study reads (sources/__init__.py), calling ``fetch`` (series.py).

A source of hourly series at the stations needs nothing but a folder with this in its ``__init__.py``::

    import xarray as xr
    from soilmoisture_assets.sources.source import SeriesRequest, Source

    def fetch(request: SeriesRequest) -> xr.Dataset:
        from .client import hourly_radiation  # imported when a run needs it

        watts = hourly_radiation(request.stations.latitude, request.stations.longitude, request.hours)
        return xr.Dataset(
            {"shortwave": (("station", "time"), watts, {"units": "W m-2"})},
            {"station": request.stations.station, "time": request.hours},
        )

    SOURCE = Source(
        name="my_satellite",
        title="My satellite's radiation",
        offers={"dynamic": ("shortwave",)},
        step="1h",
        place="points",
        citation="Who, when, what, doi",
        licence="CC BY 4.0",
        fetch=fetch,
    )

A study then says ``source = ["my_satellite", "era5"]`` in ``[dynamic_inputs]``: radiation comes from the first, all
else from ERA5. Keep what is imported at the top light: every declaration is imported whenever the code loads.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.metadata.variables import Role
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.time_axis import month_hours
from soilmoisture_assets.study import Study

SECTIONS: Mapping[Role, str] = {"target": "target", "dynamic": "dynamic_inputs", "static": "static_attributes"}
"""The section of a study that names the sources and variables of a role."""

SETTLED = dt.timedelta(days=31)
"""So long after they were measured the values of a network change no more: what stations send late has been loaded."""


@dataclass(frozen=True)
class Need:
    """Something that assets read, and how to see whether it is there.

    ``asset`` is the path of the asset that reads it, or of the folder of those that do, such as ``raw/era5``; empty
    where a run sees for itself as it goes on, and only ``doctor`` looks. ``check`` returns what was found in a line,
    and below it, a line each, what of it is lost or changed on the way; it raises a SoilMoistureError that names the
    fix where it is not there.
    """

    asset: str
    what: str
    check: Callable[[], str]


@dataclass(frozen=True)
class SeriesRequest:
    """One month of hourly series at the stations, as a source's ``fetch`` is asked for it.

    Attributes
    ----------
    month : its first day, such as ``2019-03-01``.
    stations : coordinates station, latitude, longitude [degrees] and elevation [m] on ``station``.
    variables : those of the registry that the study takes from this source.
    workspace : a local folder of this source and study, for answers that an interrupted run resumes from.
    url : base address to ask; None where the client knows its own.
    patience : of the command that asks.
    """

    month: str
    stations: xr.Dataset
    variables: tuple[str, ...]
    settings: Settings
    workspace: Path
    url: str | None = None
    progress: Progress | None = None
    patience: Patience | None = None

    @property
    def hours(self) -> pd.DatetimeIndex:
        """The hours of the month, labelled by their ends: 01:00 on the 1st to 00:00 on the next 1st."""
        return month_hours(self.month)


@dataclass(frozen=True, kw_only=True)
class IssuedRequest(SeriesRequest):
    """The weather that was forecast in one month, as a source of it is asked.

    Attributes
    ----------
    step : length of the study's steps, which divides a day.
    lead_hours : leads [hours], whole steps.
    local_days : whether a step is the day of the station's own clock, and a time of issue its midnight; else of UTC.
    """

    step: pd.Timedelta
    lead_hours: tuple[int, ...]
    local_days: bool = False

    @property
    def hours_behind(self) -> np.ndarray:
        """(station) how many hours after midnight in UTC a day of the study begins there."""
        behind = -np.round(self.stations["longitude"].values / 15).astype(int)
        return behind if self.local_days else np.zeros_like(behind)

    @property
    def issue_times(self) -> pd.DatetimeIndex:
        """The ends of the steps of the month, at each of which a forecast of the weather was there."""
        return self.hours[self.hours.hour % int(self.step / pd.Timedelta("1h")) == 0]


@dataclass(frozen=True)
class IssuedWeather:
    """How a source gives the weather as it was forecast.

    Attributes
    ----------
    title : what datasets call it.
    offers : dynamic variables that it forecasts.
    fetch : of one month, (station, start, lead), on ``issue_times`` and ``lead_hours``: the step that ends the lead
        after the issue time, in the registry's units, as it was forecast at that time or before, NaN where it was not.
    url : base address that the settings of this machine give.
    code : raised when ``fetch`` gives other values than before, so that its months are fetched again.
    """

    title: str
    offers: tuple[str, ...]
    fetch: Callable[[IssuedRequest], xr.Dataset] = field(repr=False)
    url: Callable[[Settings], str | None] = field(repr=False)
    code: str = "1"


@dataclass(frozen=True)
class NetworkRequest:
    """What a network of stations is asked with.

    Attributes
    ----------
    today : the day it is (UTC); an open study goes on to it.
    workspace : a local folder of this source and study, for answers that are kept.
    url : base address to ask.
    requests_per_minute : None: what the source holds for polite.
    patience : of the command that asks.
    """

    study: Study
    today: dt.date
    workspace: Path
    url: str
    patience: Patience
    requests_per_minute: float | None = None
    progress: Progress | None = None

    @property
    def station_years(self) -> range:
        """Years of which a station of the study must have something: of the period."""
        period = self.study.period
        return range(period.start.year, min(period.end, self.today).year + 1)

    @property
    def record_years(self) -> range:
        """Years that the axis of the study has today."""
        axis = self.study.axis_period(self.today)
        return range(axis.start.year, min(axis.end, self.today).year + 1)


@dataclass(frozen=True)
class Network:
    """How stations and their records come from the service of a network.

    Attributes
    ----------
    section : of the study, that only this source reads.
    stations : those of the study's domain: coordinates station, latitude, longitude [degrees], elevation [m], network
        and station_name on ``station``, and any others that ``records`` needs.
    records : of some of these stations, in any order, what each has measured, or the error that says why there is
        nothing; a StationError where that lies in the data. A record is ``soil_moisture`` (depth [m], time), a depth as
        often as it has sensors, and the dynamic variables that the source offers (time), float32 in the registry's
        units, NaN where missing; ``time`` the ends of its hours (UTC) or local days, without gaps; attribute ``notes``:
        what was put right, a line each.
    """

    section: str
    stations: Callable[[NetworkRequest], xr.Dataset]
    records: Callable[[NetworkRequest, xr.Dataset], Iterator[tuple[str, xr.Dataset | SoilMoistureError]]]


def _no_needs(study: Study, settings: Settings) -> Iterator[Need]:
    return iter(())


def _own_address(settings: Settings) -> None:
    return None


def _nothing(study: Study) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Source:
    """Where values come from.

    Attributes
    ----------
    name : what studies call it, and its folder below ``raw/``.
    title : what datasets, figures and tables call it.
    offers : names of the registry (metadata/variables.py) by role.
    step : interval of its series, such as ``1h``; None where it has none, or where files decide.
    place : whether it is asked for points, gives a grid, or brings stations of its own.
    account : what one needs to use it, in a line; empty for nothing.
    needs : what must be on this machine before a run.
    probes : services that must answer: each is asked for something small on the path that a run takes. ``doctor`` does.
    url : base address that the settings of this machine give; None where the client knows its own.
    sandbox : its twin among the addresses of the sandbox server; None where it has none.
    further : other services it can be asked at: a setting ``<name>_url`` has the address of each, and the sandbox a
        twin of that name.
    lacking : what of its offers it does not have, asked as a study asks it; that is left out of the study.
    code : raised when ``fetch`` gives other values than before, so that its months are fetched again.
    fetch : hourly series of one month at the stations, (station, time) in the registry's units, NaN where missing or
        not yet published; None where the source has assets of its own (defs/raw/).
    network : how its stations and their records come, where it is a network whose service is asked for them; None
        elsewhere. As a source of weather it gives that of its own stations.
    issued : how it gives the weather as it was forecast; None where it does not.
    """

    name: str
    title: str
    offers: Mapping[Role, tuple[str, ...]]
    step: str | None
    place: Literal["points", "grid", "stations"]
    citation: str
    licence: str
    account: str = ""
    code: str = "1"
    needs: Callable[[Study, Settings], Iterator[Need]] = field(default=_no_needs, repr=False)
    probes: Callable[[Study, Settings], Iterator[Need]] = field(default=_no_needs, repr=False)
    url: Callable[[Settings], str | None] = field(default=_own_address, repr=False)
    sandbox: str | None = None
    further: tuple[str, ...] = ()
    lacking: Callable[[Study], tuple[str, ...]] = field(default=_nothing, repr=False)
    fetch: Callable[[SeriesRequest], xr.Dataset] | None = field(default=None, repr=False)
    network: Network | None = field(default=None, repr=False)
    issued: IssuedWeather | None = field(default=None, repr=False)


def named_sources(study: Study, role: Role) -> tuple[str, ...]:
    """Names of the sources that a study names for a role, in its order; whether there are such is not asked here."""
    if role == "target":
        return study.target.sources
    if role == "dynamic":
        return study.dynamic_inputs.sources
    of_archive = "ismn" in study.target.sources  # whose stations it knows alone
    return tuple(name for name in study.static_attributes.sources if name != "ismn" or of_archive)

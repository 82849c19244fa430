"""The Study: what is studied, read from a TOML file and checked once.

Belongs here: period, reach, domain, networks, depth layer, variables, splits, experiments, horizons, model settings.
Not here: paths of this machine and credentials (settings.py); how any of it is computed.
"""

import datetime as dt
import os
import re
import tomllib
from collections.abc import Iterable
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.files import trouble_of_machine
from soilmoisture_assets.metadata.stations import some_names
from soilmoisture_assets.metadata.variables import REFERENCE_STATIC_ATTRIBUTES, VARIABLES

BUILT_IN = ("demo", "conus", "uscrn", "scan")
LARGEST = 1_000_000
"""Bytes; a study has a few thousand."""
EARLIEST, LATEST = dt.date(1700, 1, 1), dt.date(2250, 12, 31)
"""Days that time axes in nanoseconds can hold."""


class Experiment(StrEnum):
    """What a model may see: antecedent soil moisture, and the weather of the days it forecasts."""

    DRIVERS = "drivers"
    FORECAST = "forecast"
    ISSUED = "issued"
    HINDCAST = "hindcast"

    @property
    def sees_moisture(self) -> bool:
        """Whether it is given past soil moisture."""
        return self is not Experiment.DRIVERS

    @property
    def sees_weather_ahead(self) -> bool:
        """Whether it has any weather of the days it forecasts: the known one, or what had been forecast."""
        return self is not Experiment.FORECAST

    @property
    def knows_weather(self) -> bool:
        """Whether it is given the true weather of the days it forecasts."""
        return self.sees_weather_ahead and self is not Experiment.ISSUED

    @property
    def description(self) -> str:
        """What it sees and which question it answers."""
        return {
            "drivers": "weather known, no antecedent soil moisture: what soil moisture goes with",
            "forecast": "antecedent soil moisture, no future weather: what could be issued today",
            "issued": "antecedent soil moisture and the weather forecast at issue time: what a service issues",
            "hindcast": "antecedent soil moisture and known weather: the upper bound",
        }[self.value]


def _within_reach(day: Any) -> Any:
    if isinstance(day, dt.date) and not EARLIEST <= day <= LATEST:
        raise ValueError(f"{day} lies outside the days {EARLIEST} ... {LATEST} that a time axis can have")
    return day


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Period(_Section):
    """Whole days, both included: steps labelled in (start 00:00, end + 1 day 00:00].

    A study's own is what it learns from and is judged on: its splits lie within. How far the axis goes is its reach.
    """

    start: dt.date
    end: dt.date

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"the end {self.end} lies before the start {self.start}; swap them")
        _within_reach(self.start)
        _within_reach(self.end)
        return self

    @property
    def first(self) -> pd.Timestamp:
        """The instant the period begins; no step is labelled with it."""
        return pd.Timestamp(self.start)

    @property
    def last(self) -> pd.Timestamp:
        """The last step label: midnight after the last day."""
        return pd.Timestamp(self.end) + pd.Timedelta(days=1)

    def contains(self, times: np.ndarray) -> np.ndarray:
        """Which step labels (time) lie in the period: (time) bool."""
        return (times > self.first.to_datetime64()) & (times <= self.last.to_datetime64())


class Domain(_Section):
    """Longitudes and latitudes in degrees; a station on the edge is inside. ``west = 170, east = -170`` crosses 180."""

    west: float = Field(-180, ge=-180, le=180)
    east: float = Field(180, ge=-180, le=180)
    south: float = Field(-90, ge=-90, le=90)
    north: float = Field(90, ge=-90, le=90)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.east == self.west or self.north <= self.south:
            raise ValueError("the domain is empty: west and east must differ, and south be below north")
        return self

    @property
    def width(self) -> float:
        """Degrees of longitude from west to east; a domain whose east is below its west lies across the date line."""
        return self.east - self.west if self.east > self.west else self.east - self.west + 360

    def contains(self, longitude: Any, latitude: Any) -> Any:
        """Whether places (numbers or arrays) lie inside or on the edge; longitudes count on a circle."""
        east_of_west = (np.asarray(longitude, dtype="float64") - self.west) % 360
        # a hair west of the edge comes out just below 360
        in_longitude = (east_of_west <= self.width + 1e-9) | (east_of_west >= 360 - 1e-9)
        return in_longitude & (np.asarray(latitude) >= self.south) & (np.asarray(latitude) <= self.north)


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        raise ValueError(f"'{text[:40]}' is not small letters, digits and _, a letter first, such as 'my_stations'")
    return text


def _hours(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,4}h", text) or int(text[:-1]) == 0:
        raise ValueError(f"'{text[:40]}' is not a number of hours such as '12h'")
    return text


Hours = Annotated[str, AfterValidator(_hours)]


class TimeSettings(_Section):
    step: Hours = "12h"
    min_hours: int = Field(9, ge=1)
    """Good hours a target step needs. Ignored where the source is already daily."""

    @model_validator(mode="after")
    def _divides_a_day(self) -> Self:
        if 24 % int(self.step[:-1]):
            raise ValueError(f"step '{self.step}' does not divide a day; use 12h or 24h")
        return self


class FileSource(_Section):
    """Conventions of a station file that CF attributes do not carry."""

    path: str | None = None
    time_zone: Literal["UTC", "local"] = "UTC"
    """Whose time stamps are. ``local`` means of days the calendar days of the station's own clock; of hours the nominal
    zone of its place, a whole hour for each 15 degrees of longitude, without summer time."""
    time_label: Literal["start", "middle", "end"] = "end"
    """What a stamp marks of its interval. A calendar day is stamped at its start. Bounds in the file say it better, and
    stamps at half past or at noon show it themselves."""


def _date_or_open(given: Any) -> Any:
    if isinstance(given, str) and given != "open" and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", given):
        raise ValueError(f"'{given}' is neither a date such as 2024-12-31 nor \"open\"")
    return given


Reach = Annotated[dt.date | Literal["open"], BeforeValidator(_date_or_open), AfterValidator(_within_reach)]
"""Last day that the axis may have; "open": it goes on with the data."""


OtherVariable = Literal[
    "soil_temperature",
    "surface_temperature",
    "air_temperature",
    "precipitation",
    "soil_suction",
    "snow_depth",
    "snow_water_equivalent",
]


class TargetSettings(FileSource):
    source: str = "ismn"
    """``ismn``, ``file``, or a network whose service is asked: ``uscrn``, ``awdb``. Known are those in sources/."""
    networks: tuple[str, ...] = ()
    """Empty: all networks of the source."""
    other_variables: tuple[OtherVariable, ...] = ()
    """What else of an ISMN archive is parsed into raw stores, beside soil moisture; the models do not see it."""
    depth_from: float = Field(0.0, ge=0)
    depth_to: float = Field(0.10, gt=0)
    preferred_depth: float = 0.05
    good_flags: tuple[str, ...] = ("G", "U")
    quality_control: tuple[Literal["range", "spike", "stuck", "frozen"], ...] = ("range", "spike", "stuck", "frozen")
    """Checks for records without flags; flagged records (ISMN) get the range check only."""
    common_fraction: float = Field(0.6, ge=0, le=1)
    """Share of steps observed in every split that a common station needs."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The name of the source, as the other sections give theirs."""
        return (self.source,)


class DynamicInputSettings(FileSource):
    source: str | tuple[str, ...] | dict[str, str | tuple[str, ...]] = "era5"
    """One or several; each variable comes from the first of them that offers it. Known are those in sources/. Or by
    variable, each with one or several in order of preference: a step that the first lacks is that of the next, and
    ``<variable>_source`` of the cube says whose it is."""
    variables: tuple[str, ...] = ("temperature", "precipitation", "shortwave")

    @model_validator(mode="after")
    def _every_variable(self) -> Self:
        if isinstance(self.source, dict):
            if lacking := [name for name in self.variables if not self.order(name)]:
                raise ValueError(f"source: names no source of '{lacking[0]}', which is among the variables")
            if stray := [name for name in self.source if name not in self.variables]:
                raise ValueError(f"source: '{stray[0]}' is not among the variables, {', '.join(self.variables)}")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in order, however they were written."""
        if isinstance(self.source, dict):
            return tuple(dict.fromkeys(name for variable in self.variables for name in self.order(variable)))
        return (self.source,) if isinstance(self.source, str) else self.source

    def order(self, variable: str) -> tuple[str, ...]:
        """The sources that are named for a variable, in order of preference; empty where none is named for it alone."""
        named = self.source.get(variable, ()) if isinstance(self.source, dict) else ()
        return (named,) if isinstance(named, str) else named


class Era5Settings(_Section):
    access: Literal["grid", "timeseries", "files", "open_meteo", "auto"] = "grid"
    """``timeseries``: the point dataset, no grid is downloaded; its cell is the nearest, of land or sea.
    ``open_meteo``: the source of that name in place of ``era5``. ``auto``: ``timeseries`` where an account of the
    Climate Data Store is set, else ``open_meteo``; a study that has begun with one stays with it."""
    folder: str | None = None
    """Folder of ERA5 files already downloaded (``access = "files"``)."""
    oldest_days: int = Field(10, ge=6)
    """A check warns where the newest stored hour is older. ERA5T itself is five days behind."""
    resolution: float = Field(0.25, gt=0)
    interpolation: Literal["nearest_land", "bilinear"] = "nearest_land"
    lapse_rate_correction: bool = False

    @model_validator(mode="before")
    @classmethod
    def _months_of_the_axis(cls, given: Any) -> Any:
        if isinstance(given, dict) and "open_ended" in given:
            raise ValueError("'open_ended' is no setting; write reach = \"open\" at the top of the study instead")
        if isinstance(given, dict) and {"start", "end"} & given.keys():
            raise ValueError("the months of ERA5 are those of the axis; set period.start and reach instead")
        return given


class NetworkSettings(_Section):
    """What is taken from a network whose service is asked, where a study names it as source."""

    product: Literal["hourly", "daily"] = "hourly"
    """``daily`` values are those of the station's local day: one step of 24 h."""
    stations: tuple[str, ...] = ()
    """Names as the service has them, ``NE_Lincoln_11_SW`` or ``2020:ND:SCAN``, or as the study; empty: all of the
    domain."""


class IssuedWeatherSettings(_Section):
    """Weather of the coming days as it was forecast, for the experiment ``issued``."""

    source: str | None = None
    """A source that keeps forecasts, such as ``open_meteo``."""
    start: dt.date = dt.date(2024, 1, 1)
    """First day of forecasts to ask for; those of Open-Meteo have been kept since January 2024."""


class SoilgridsSettings(_Section):
    """How SoilGrids is asked."""

    access: Literal["wcs", "rest"] = "wcs"
    """``wcs``: windows of the maps, which have no water contents (wv0010, wv0033, wv1500). ``rest``: a service of
    points that has them; it has been paused before."""


class StaticSettings(FileSource):
    source: Literal["services", "file"] = "services"
    """``services``: ISMN static variables, SoilGrids, MODIS and 3DEP."""
    variables: tuple[str, ...] = REFERENCE_STATIC_ATTRIBUTES
    prefer_in_situ: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that are meant."""
        return ("ismn", "soilgrids", "modis", "elevation") if self.source == "services" else (self.source,)


class SplitSettings(_Section):
    train: Period
    validation: Period
    test: Period
    held_out_fraction: float = Field(0.0, ge=0, lt=0.5)
    """Share of stations held out in spatial blocks: no training statistic, neighbour value or embedding from them."""
    held_out_block_km: float = Field(300.0, gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for earlier, later in (("train", "validation"), ("validation", "test")):
            if getattr(self, later).start <= getattr(self, earlier).end:
                raise ValueError(f"'{later}' must begin after '{earlier}' ends, so that no window crosses a border")
        return self


class ModelSettings(_Section):
    experiments: tuple[Experiment, ...] = (Experiment.DRIVERS, Experiment.FORECAST)
    preset: Literal["compact", "reference"] = "compact"
    horizon: Hours = "72h"
    windows: tuple[Hours, ...] = ("24h", "48h", "72h")
    """A window W is the leads up to W; its headline is its last lead."""
    history_days: int = Field(14, ge=1)
    history_days_drivers: int = Field(45, ge=1)
    regional_epochs: int = Field(16, ge=1)
    """At least; of a small study more, so that its network takes 200 optimiser steps."""
    station_epochs: int = Field(6, ge=1)
    station_training: Literal["fine_tune", "from_scratch"] = "fine_tune"
    neighbours: int = Field(5, ge=0)
    min_windows: int = Field(60, ge=1)
    """A station with fewer training windows cannot be fine-tuned."""
    oldest_observation_days: float = Field(30.0, gt=0)
    """The latest forecast is withheld from a station whose last observation is older."""


class BaselineSettings(_Section):
    """How much work goes into the baselines that are trained."""

    boosting_samples: int = Field(150_000, ge=1000)
    """More training samples than this are thinned at random (seeded)."""
    boosting_trees: int = Field(300, ge=25)
    """Most trees of a model; validation data choose how many."""
    lstm_updates: int = Field(1000, ge=1)
    """Most optimiser steps of the LSTM."""


class AttributionSettings(_Section):
    background: int = Field(200, ge=1)
    explained_per_station: int = Field(64, ge=1)
    """Windows, dealt among the seeds."""
    seeds: int = Field(5, ge=1)
    """Networks that are explained: the regional one, and the same trained from other seeds to tell what is chance."""


class DroughtSettings(_Section):
    """Soil moisture against the station's own climatology of the time of year."""

    minimum_years: int = Field(5, ge=1)
    """Years other than the day's own; of fewer no percentile is shown."""
    dry_percentile: float = Field(20.0, gt=0, lt=100)
    """Below it a soil is dry: the probability of it is shown, and stations that fall below it are told of."""


class Study(_Section):
    """One study. Its name comes first in the keys of its assets and in its paths in the store."""

    name: Annotated[str, AfterValidator(_name)]
    title: str
    sandbox: bool = False
    """True: every source is served by the embedded sandbox, and everything made is labelled synthetic."""
    sandbox_stations: int = Field(30, ge=1)
    seed: int = 0
    period: Period
    """What is learned from, judged on and tested lies within; the axis starts where it does."""
    reach: Reach | None = None
    """How far the axis goes beyond the period; None: not at all. New data there make nothing learned outdated."""
    domain: Domain = Domain()
    time: TimeSettings = TimeSettings()
    target: TargetSettings = TargetSettings()
    dynamic_inputs: DynamicInputSettings = DynamicInputSettings()
    era5: Era5Settings = Era5Settings()
    issued_weather: IssuedWeatherSettings = IssuedWeatherSettings()
    uscrn: NetworkSettings = NetworkSettings()
    awdb: NetworkSettings = NetworkSettings()
    static_attributes: StaticSettings = StaticSettings()
    soilgrids: SoilgridsSettings = SoilgridsSettings()
    splits: SplitSettings
    model: ModelSettings = ModelSettings()
    baselines: BaselineSettings = BaselineSettings()
    attribution: AttributionSettings = AttributionSettings()
    drought: DroughtSettings = DroughtSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.sandbox and self.domain.east < self.domain.west:
            raise ValueError("domain: the synthetic world of the sandbox does not lie across the date line")
        for section, role in (("dynamic_inputs", "dynamic"), ("static_attributes", "static")):
            allowed = [name for name, variable in VARIABLES.items() if variable.role == role]
            unknown = [name for name in getattr(self, section).variables if name not in allowed]
            if unknown:
                raise ValueError(f"{section}.variables: unknown '{unknown[0]}'; allowed: {', '.join(allowed)}")
        if not self.dynamic_inputs.sources:
            raise ValueError("dynamic_inputs.source: names no source")
        for section in ("target", "dynamic_inputs", "static_attributes"):
            if "file" in getattr(self, section).sources and not getattr(self, section).path:
                raise ValueError(f"{section}.path: needed where {section}.source is 'file'")
        if Experiment.ISSUED in self.model.experiments:
            if self.issued_weather.source is None:
                raise ValueError(
                    "model.experiments: 'issued' needs weather as it was forecast; set issued_weather.source = "
                    '"open_meteo", or leave it out'
                )
            if self.issued_weather.start > self.splits.validation.start:
                raise ValueError(
                    f"issued_weather.start: forecasts of the weather begin on {self.issued_weather.start}, after "
                    "validation does: 'issued' is weighted and calibrated there. Let splits.validation begin later"
                )
        if self.era5.access == "files" and "era5" in self.dynamic_inputs.sources and not self.era5.folder:
            raise ValueError("era5.folder: needed where era5.access is 'files'")
        if self.era5.access in ("timeseries", "open_meteo", "auto"):
            if self.era5.lapse_rate_correction:
                raise ValueError("era5.lapse_rate_correction: the point dataset has no heights of cells; use 'grid'")
            if self.era5.interpolation == "bilinear":
                raise ValueError("era5.interpolation: the point dataset has the nearest cell alone; use 'grid'")
        network = getattr(self, self.target.source, None)
        if isinstance(network, NetworkSettings) and network.product == "daily" and self.time.step != "24h":
            raise ValueError(
                f"{self.target.source}.product: daily values make steps of a day; "
                'set time.step = "24h", or take "hourly"'
            )
        if self.target.depth_to < self.target.depth_from:
            raise ValueError("target.depth_to: must not lie above target.depth_from")
        if self.splits.train.start < self.period.start or self.splits.test.end > self.period.end:
            raise ValueError("splits: must lie within the period")
        if isinstance(self.reach, dt.date) and self.reach < self.period.end:
            raise ValueError(
                f'reach: {self.reach} lies before the end of the period, {self.period.end}; give a later day or "open"'
            )
        for window in (*self.model.windows, self.model.horizon):
            if int(window[:-1]) % int(self.time.step[:-1]):
                raise ValueError(f"model: '{window}' is not a whole number of steps of {self.time.step}")
            if int(window[:-1]) > int(self.model.horizon[:-1]):
                raise ValueError(f"model.windows: '{window}' is longer than the horizon {self.model.horizon}")
        return self

    @property
    def step(self) -> pd.Timedelta:
        """Length of a step."""
        return pd.Timedelta(hours=int(self.time.step[:-1]))

    @property
    def has_local_days(self) -> bool:
        """Whether a step is the day of a station's own clock (standard time), as daily values are that come so."""
        network = getattr(self, self.target.source, None)
        return isinstance(network, NetworkSettings) and network.product == "daily"

    @property
    def steps_per_day(self) -> int:
        """How many steps a day has."""
        return 24 // int(self.time.step[:-1])

    @property
    def lead_hours(self) -> list[int]:
        """Every lead of the horizon, in hours."""
        step = int(self.time.step[:-1])
        return list(range(step, int(self.model.horizon[:-1]) + 1, step))

    @property
    def window_hours(self) -> list[int]:
        """Hours of each window, as the study lists them."""
        return [int(window[:-1]) for window in self.model.windows]

    @property
    def issuable(self) -> list[Experiment]:
        """Experiments whose forecast can be issued today, the best first: what they see ahead has been forecast."""
        return [each for each in (Experiment.ISSUED, Experiment.FORECAST) if each in self.model.experiments]

    @property
    def headline(self) -> Experiment:
        """The experiment that is told of first: the best that can be issued, else the last that the study lists."""
        return [*self.issuable, self.model.experiments[-1]][0]

    @property
    def learned(self) -> Period:
        """Days that are learned from, judged on or tested. What is chosen or counted per station is by them alone."""
        return Period(start=self.period.start, end=self.splits.test.end)

    @property
    def last_learned(self) -> pd.Timestamp:
        """The last step label of the test split; what lies after it is the tail."""
        return self.splits.test.last

    def axis_period(self, today: dt.date | None = None) -> Period:
        """Days that the axis may cover: from the start of the period to the reach.

        Parameters
        ----------
        today : last day of an open study; None: the clock's (UTC). The axis is never shorter than the period.
        """
        if self.reach is None:
            return self.period
        end = (today or dt.datetime.now(dt.UTC).date()) if self.reach == "open" else self.reach
        return Period(start=self.period.start, end=max(end, self.period.end))

    def reach_end(self, today: dt.date | None = None) -> pd.Timestamp:
        """The last step label that the axis may have; ``today`` as in :meth:`axis_period`."""
        return self.axis_period(today).last

    def axis_until(self, last: pd.Timestamp) -> pd.DatetimeIndex:
        """Labels of all steps from the start of the period to ``last``."""
        return pd.date_range(self.period.first + self.step, last, freq=self.step, unit="ns")

    @property
    def time_axis(self) -> pd.DatetimeIndex:
        """Labels of all steps of the period; the axis may reach further."""
        return self.axis_until(self.period.last)


def load_study(name_or_path: str, known: Iterable[str] = ()) -> Study:
    """Read a built-in study by name, or a study file by path.

    ``${NAME}`` in a file is replaced by the environment variable NAME; a relative path in it stays relative to the
    working directory.

    Parameters
    ----------
    known : names of studies that are known beside those, for the message.

    Raises
    ------
    StudyError : unknown name, unreadable file, unknown key, bad value; names file, key and what is allowed.
    """
    if name_or_path in BUILT_IN:
        text, origin = (
            resources.files("soilmoisture_assets.studies").joinpath(f"{name_or_path}.toml").read_text(),
            name_or_path,
        )
    else:
        path = Path(name_or_path)
        if not _is_file(path):
            ran = some_names(name for name in known if name not in BUILT_IN)
            run_here = f", or the name of one that has run here: {ran}" if ran else ""
            raise StudyError(
                f"study '{name_or_path}' is neither built in ({', '.join(BUILT_IN)}) nor a file.\n"
                f"  Give one of the names or the path of a TOML file{run_here}."
            )
        text, origin = _text_of(path), str(path)
    return study_of(text, origin)


def study_of(text: str, origin: str) -> Study:
    """The study that the text of a file says; ``origin`` is the file in messages.

    Raises
    ------
    StudyError : as of ``load_study``.
    """
    try:
        table = tomllib.loads(_expand(text, origin))
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{origin}: not valid TOML: {error}.\n  Correct that line.") from error
    except RecursionError as error:
        raise StudyError(f"{origin}: its lists or tables are nested too deep.\n  Write one level of them.") from error
    except ValueError as error:  # a number of thousands of digits, a date that does not exist
        raise StudyError(f"{origin}: not valid TOML: {str(error)[:200]}.\n  Correct that value.") from error
    try:
        return Study.model_validate(table)
    except ValidationError as error:
        raise StudyError(_explain(error, origin)) from error
    except (ArithmeticError, RecursionError, ValueError, TypeError) as error:
        raise StudyError(f"{origin}: a value cannot be used ({str(error)[:200]}).\n  Correct it.") from error


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise StudyError(f"{path}: has more than {LARGEST} bytes, no study.\n  Give the path of a study file.")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: byte {error.start + 1} is not UTF-8.\n  Save the file as UTF-8.") from error
    except OSError as error:
        raise trouble_of_machine(error) or StudyError(f"{path}: {error.strerror}.\n  Give a readable file.") from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds what no name may
        return False


def _expand(text: str, origin: str) -> str:
    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if not found:
            raise StudyError(
                f"{origin}: needs the environment variable {match[1]}, which is not set.\n"
                f"  Set it to the folder of the data, for example: export {match[1]}=/path/to/data"
            )
        return found

    return re.sub(r"\$\{(\w+)\}", value, text)


def _explain(error: ValidationError, origin: str) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "study"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"unknown key; allowed: {', '.join(_allowed_keys(problem['loc']))}"
        lines.append(f"{origin}: {key}: {message}.")
    return "\n  ".join(lines)


def _allowed_keys(location: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = Study
    for part in location[:-1]:
        field = model.model_fields[str(part)].annotation
        if isinstance(field, type) and issubclass(field, BaseModel):
            model = field
    return sorted(model.model_fields)

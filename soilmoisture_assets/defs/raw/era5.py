"""Raw ERA5 by month: the delivery as it came, the normalised grid, and the series at the stations.

Not here: the client and the formats (sources/era5*.py), taking a grid to points (alignment/collocation.py),
when months are asked for again (defs/automation.py).
"""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.deployment import FOLDER, ISMN, STUDY
from soilmoisture_assets.defs.partition_loop import PartitionResult, partitioned_spec, store_each, wanted_partitions
from soilmoisture_assets.defs.partitions import era5_month
from soilmoisture_assets.defs.progress import progress
from soilmoisture_assets.defs.resources import Services, resources
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.settings import Settings

if TYPE_CHECKING:
    from soilmoisture_assets.sources.era5.months import Era5Client, MonthDelivery

DELIVERY = dg.AssetKey(["raw", "era5", "delivery"])
HOURLY = dg.AssetKey(["raw", "era5", "hourly"])
STATION_SERIES = dg.AssetKey(["raw", "era5", "station_series"])
STATIONS = dg.AssetKey(["raw", "ismn", "stations"] if ISMN else ["cube", "target"])
"""Where the coordinates of the stations come from: the ISMN archive, or the study's own target file."""

STATE = FOLDER / "raw" / "era5" / "requests"
_CELLS = hashlib.sha256(f"{STUDY.domain} {STUDY.era5.resolution}".encode()).hexdigest()[:10]
INVARIANTS = FOLDER / "raw" / "era5" / f"invariants-{_CELLS}.zip"
"""Land-sea mask and heights of the cells of the study's domain."""

FETCHED = STUDY.era5.access != "files"
POINTS = STUDY.era5.access == "timeseries"
SANDBOX_POLL_SECONDS = 0.05

_ASSETS = {
    DELIVERY: ("The answer of the Climate Data Store for one month, as delivered.", [STATIONS] if POINTS else []),
    HOURLY: (
        "Hourly ERA5 of one month in the platform's names and units, with expver (preliminary or final) per hour.",
        [DELIVERY] if FETCHED else [],
    ),
    STATION_SERIES: ("ERA5 at the stations: one value per hour, station and variable.", [HOURLY, STATIONS]),
}
KEYS = [key for key in _ASSETS if FETCHED or key != DELIVERY]


@dg.multi_asset(
    name="era5_months",
    specs=[
        partitioned_spec(
            key,
            description,
            deps=deps,
            partitions_def=era5_month,
            kinds={"netcdf", "era5"},
            code_version=version("2", "era5"),
            io_manager_key=None if key == DELIVERY else "netcdf",  # a delivery stays as it came
        )
        for key, (description, deps) in _ASSETS.items()
        if key in KEYS
    ],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="cds" if FETCHED else None,
)
def era5_months(
    context: dg.AssetExecutionContext, services: dg.ResourceParam[Services], settings: dg.ResourceParam[Settings]
) -> Iterator[dg.AssetMaterialization]:
    """Fetch each month, normalise it and take it to the stations; what is made of a month is stored before the next."""
    from soilmoisture_assets.sources.era5.months import Era5Client

    chosen = context.selected_asset_keys
    months = wanted_partitions(context)
    report = progress(context)
    netcdf = resources()["netcdf"]

    def results() -> Iterator[PartitionResult]:
        made = _Months(chosen)
        if DELIVERY not in chosen:
            for done, month in enumerate(months, start=1):
                report(done, len(months), month)
                yield from made.of(month)
            return
        log = _QueueLog(context)
        with services.open(context) as urls:
            secret = settings.cds_key.get_secret_value() if settings.cds_key else None
            client = Era5Client(
                urls["era5"],
                "sandbox" if services.study.sandbox else secret,
                STATE,
                poll_seconds=SANDBOX_POLL_SECONDS if services.study.sandbox else settings.cds_poll_seconds,
                log=log,
            )
            for done, fetched in enumerate(_fetched(client, months), start=1):
                report(done, len(months), fetched.month)
                if fetched.error is not None:
                    yield PartitionResult(fetched.month, failure=str(fetched.error), key=DELIVERY)
                    continue
                yield PartitionResult(fetched.month, fetched.path, metadata=log.of(fetched), key=DELIVERY)
                yield from made.of(fetched.month)

    def store(value: Any, key: dg.AssetKey, month: str) -> Path:
        return value if key == DELIVERY else netcdf.write(value, key, month)  # a delivery is in place already

    yield from store_each(context, store, results())


def _fetched(client: "Era5Client", months: list[str]) -> Iterator["MonthDelivery"]:
    """Months as they arrive, several in the queue at a time; a request that is queued already is resumed."""
    targets = {month: delivery_path(month) for month in months}
    variables = STUDY.dynamic_inputs.variables
    if POINTS:
        yield from client.fetch_points(targets, stations=station_table(), variables=variables, keep=True)
        return
    if not INVARIANTS.exists():
        client.fetch_invariants(INVARIANTS, domain=STUDY.domain, resolution=STUDY.era5.resolution)
    yield from client.fetch_months(targets, domain=STUDY.domain, variables=variables, resolution=STUDY.era5.resolution)


class _Months:
    """What is made of the months in place: the hourly fields and the series at the stations, as far as chosen.

    What all months share is read once; the land-sea mask may arrive with the first of them.
    """

    def __init__(self, chosen: set[dg.AssetKey]) -> None:
        from soilmoisture_assets.sources.era5.formats import months_in_files

        self._chosen = chosen
        self._in_files = {} if FETCHED else months_in_files(Path(str(STUDY.era5.folder)))

    @cached_property
    def _invariants(self) -> xr.Dataset | None:
        from soilmoisture_assets.sources.era5.formats import read_invariants

        if POINTS:
            return None
        if FETCHED:
            return read_invariants(INVARIANTS)
        return read_invariants(sorted({file for files in self._in_files.values() for file in files}), STUDY.domain)

    @cached_property
    def _stations(self) -> xr.Dataset:
        return station_table()

    def of(self, month: str) -> Iterator[PartitionResult]:
        """Results of one month, each to be stored before the next is asked for."""
        for key, make in ((HOURLY, self._hourly), (STATION_SERIES, self._series)):
            if key in self._chosen:
                try:
                    found, metadata = make(month)
                except SoilMoistureError as error:
                    yield PartitionResult(month, failure=str(error), key=key)
                    return
                yield PartitionResult(month, found, metadata=metadata, key=key)

    def _hourly(self, month: str) -> tuple[xr.Dataset, dict[str, Any]]:
        from soilmoisture_assets.sources.era5.formats import preliminary_share
        from soilmoisture_assets.sources.era5.months import normalise_month

        source = delivery_path(month) if FETCHED else self._in_files.get(month[:7], [])
        domain = None if FETCHED else STUDY.domain  # a user's files may hold the whole globe
        found = normalise_month(source, month, STUDY.dynamic_inputs.variables, domain)
        return found, {"hours": found.sizes["time"], "preliminary_share": preliminary_share(found)}

    def _series(self, month: str) -> tuple[xr.Dataset, dict[str, Any]]:
        from soilmoisture_assets.alignment.collocation import collocate

        era5 = STUDY.era5
        with resources()["netcdf"].read(HOURLY, month) as hourly:
            found = collocate(
                hourly, self._stations, era5.interpolation, self._invariants, era5.lapse_rate_correction
            ).load()
        outside = found.station.values[found.cell_latitude.isnull().values].astype(str)
        return found, {
            "stations": found.sizes["station"],
            "stations_without_cell": dg.MetadataValue.json(list(outside)),
        }


class _QueueLog:
    """Passes each line of the queue on to the run's log and keeps it for the month it is about."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._lines: list[str] = []

    def __call__(self, line: str) -> None:
        self._context.log.info(line)
        self._lines.append(line)

    def of(self, fetched: "MonthDelivery") -> dict[str, Any]:
        """What the web UI shows of a delivery: its size, and how its jobs went through the queue."""
        own = [line for line in self._lines if POINTS or fetched.month[:7] in line.partition(":")[0]]
        size = fetched.path.stat().st_size / 2**20 if fetched.path else 0.0
        return {"size_mb": round(size, 2), "queue": dg.MetadataValue.md("\n".join(f"- {line}" for line in own[-30:]))}


def station_table() -> xr.Dataset:
    """Coordinates of the stations."""
    table: xr.Dataset = resources()["netcdf" if ISMN else "zarr"].read(STATIONS)
    return table.load()


def delivery_path(month: str) -> Path:
    """Where the delivery of a month is kept."""
    return FOLDER.joinpath(*DELIVERY.path, f"{month}.zip")

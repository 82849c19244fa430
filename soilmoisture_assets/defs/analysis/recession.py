"""Analysis: the dry-downs of all stations as CSV tables. Not here: finding and fitting them (defs/raw/ismn.py)."""

from collections.abc import Iterator

import dagster as dg

from soilmoisture_assets.defs.deployment import OWNERS
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.io_managers.base import Partitions


def _table(name: str, description: str) -> dg.AssetOut:
    return dg.AssetOut(
        key=dg.AssetKey(["analysis", name]),
        description=description,
        io_manager_key="table",
        group_name="analysis",
        kinds={"csv"},
        owners=OWNERS,
        code_version=version("1", "ismn"),
    )


@dg.multi_asset(
    name="recession_tables",
    outs={
        "recession_events": _table("recession_events", "One row per dry-down: its fit with errors and quality."),
        "recession_stations": _table("recession_stations", "One row per station: statistics over its good fits."),
        "recession_distributions": _table(
            "recession_distributions", "Distributions fitted to the properties of all well fitted dry-downs, by AIC."
        ),
    },
    ins={"curves": dg.AssetIn(key=["raw", "ismn", "recession_curves"])},
)
def recession_tables(curves: Partitions) -> Iterator[dg.Output]:
    """Gather the dry-downs of all stations that have any."""
    from soilmoisture_assets.alignment.recession import distributions_table, events_table, stations_table

    loaded = {name: curves[name].load() for name in curves}
    for name, gather in (
        ("recession_events", events_table),
        ("recession_stations", stations_table),
        ("recession_distributions", distributions_table),
    ):
        table = gather(loaded)
        yield dg.Output(table, name, metadata={"rows": dg.MetadataValue.int(len(table))})

"""Outputs go to the store with the record of what they were made from; inputs are the partitions that count.

Not here: pictures in the web UI (defs/pictures.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from soilmoisture_assets.deployment import ROWS, Deployment
from soilmoisture_assets.store.graph import Expected
from soilmoisture_assets.store.records import Record

ROW_COUNT, MEGABYTES = "dagster/row_count", "size [MB]"
"""Metadata of what is stored: the length of a table, by the name that Dagster's web UI knows, and the size."""


@dataclass(frozen=True)
class Publishable:
    """A value on its way to the store, with what it was made from.

    ``names`` are the stations whose partitions it names, ``parts`` fingerprints of what can be read alone.
    """

    value: Any
    expected: Expected
    names: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


def measured(deployment: Deployment, record: Record) -> dict[str, Any]:
    """Where a stored thing is and how large, as the web UI shows it."""
    rows = {ROW_COUNT: record.metadata[ROWS]} if ROWS in record.metadata else {}
    size = float(f"{record.size / 1e6:.3g}")
    return {"path": dg.MetadataValue.path(deployment.store.url_of(record)), MEGABYTES: size} | rows


class StoreIOManager(dg.IOManager):
    """Publishes unpartitioned outputs, and opens any asset of the study that counts."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def handle_output(self, context: dg.OutputContext, obj: Publishable | None) -> None:
        """Store it; of what is left out there is nothing."""
        if obj is None:
            return
        record = self.publish(context, obj)
        context.add_output_metadata(measured(self.deployment, record))

    def publish(self, context: dg.OutputContext, obj: Publishable) -> Record:
        """Store an output under the path of its asset."""
        return self.deployment.publish(
            self._path(context.asset_key),
            obj.value,
            obj.expected,
            run=context.run_id,
            names=obj.names,
            parts=obj.parts,
            metadata=obj.metadata,
        )

    def load_input(self, context: dg.InputContext) -> Any:
        """Open an input; of a partitioned asset, the partitions asked for that count, as a lazy mapping."""
        path = self._path(context.asset_key)
        if not context.has_asset_partitions:
            return self.deployment.read(path)
        return self.deployment.partitions(path, among=context.asset_partition_keys)

    def _path(self, key: dg.AssetKey) -> str:
        return "/".join(key.path[1:])

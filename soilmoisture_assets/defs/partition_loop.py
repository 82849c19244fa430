"""Many partitions in one run: each is stored and recorded as it finishes, and a failing one stays missing.

Belongs here: how such an asset is declared, the loop, the record of what is missing and why.
Not here: what a partition holds.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from soilmoisture_assets.defs.deployment import FOLDER, OWNERS
from soilmoisture_assets.defs.progress import SECONDS_BETWEEN_LINES
from soilmoisture_assets.files import replacing

WANTED_TAG = "soilmoisture/partitions"

Write = Callable[[Any, dg.AssetKey, str], Path]
"""Stores the value of one partition atomically and returns where; an IO manager's ``write`` is one."""


@dataclass(frozen=True)
class PartitionResult:
    """What became of one partition: a value to store, or the reason why there is none.

    ``failure`` is something to repair; ``left_out`` is a reason that lies in the data, and the run succeeds.
    """

    partition: str
    value: Any = None
    failure: str | None = None
    left_out: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    key: dg.AssetKey | None = None
    """Needed only where a step makes several assets."""
    stored: Path | None = None
    """Where the value is, if it has been stored already."""


def partitioned_spec(
    key: dg.AssetKey,
    description: str,
    *,
    deps: Sequence[dg.AssetKey],
    partitions_def: dg.PartitionsDefinition,
    kinds: set[str],
    code_version: str,
    io_manager_key: str | None = None,
) -> dg.AssetSpec:
    """Declare an asset that ``store_each`` stores: a run may leave partitions missing. Its group is its layer.

    ``io_manager_key`` says what reads its partitions; None where a step keeps the files itself.
    """
    spec = dg.AssetSpec(
        key,
        description=description,
        deps=deps,
        partitions_def=partitions_def,
        skippable=True,
        group_name=key.path[0],
        kinds=kinds,
        owners=OWNERS,
        code_version=code_version,
    )
    return spec.with_io_manager_key(io_manager_key) if io_manager_key else spec


def wanted_partitions(context: dg.AssetExecutionContext) -> list[str]:
    """The partitions to make: those of the run, or the ones among them that its tag names."""
    tag = context.run.tags.get(WANTED_TAG)
    wanted = set(json.loads(tag)) if tag else set(context.partition_keys)
    return [name for name in context.partition_keys if name in wanted]


def store_each(
    context: dg.AssetExecutionContext, write: Write, results: Iterable[PartitionResult]
) -> Iterator[dg.AssetMaterialization]:
    """Store results as they come and record each partition at once, so that a crash keeps what is done.

    Raises dg.Failure at the end if any partition failed; by then the others are stored and recorded.
    """
    failed: dict[str, str] = {}
    done, said = 0, time.monotonic()
    total = len(wanted_partitions(context)) * len(context.selected_asset_keys)
    for result in results:
        key = result.key or context.asset_key
        if result.left_out is not None:
            record_reason(key, result.partition, result.left_out, left_out=True)
            context.log.warning(f"{key.to_user_string()} {result.partition} is left out: {result.left_out}")
        elif result.failure is None:
            path = result.stored or write(result.value, key, result.partition)
            _failure_path(key, result.partition).unlink(missing_ok=True)
            done += 1
            if time.monotonic() - said >= SECONDS_BETWEEN_LINES or done == total:  # each line is a database commit
                said = time.monotonic()
                context.log.info(f"{key.to_user_string()} {result.partition}: stored ({done} of {total})")
            yield dg.AssetMaterialization(
                key,
                partition=result.partition,
                metadata={"path": dg.MetadataValue.path(path), **result.metadata},
                # says which code made it and that it is new; Dagster looks up no other tag by partition
                tags={DATA_VERSION_TAG: f"{context.assets_def.code_versions_by_key[key]}@{context.run_id[:8]}"},
            )
        else:
            failed[f"{key.to_user_string()} {result.partition}"] = result.failure
            record_reason(key, result.partition, result.failure)
            context.log.error(f"{key.to_user_string()} {result.partition}: {result.failure}")
    if failed:
        raise dg.Failure(
            f"{len(failed)} of {total} failed, the others are stored: "
            + "; ".join(f"{name}: {reason}" for name, reason in failed.items()),
            metadata={"failed": dg.MetadataValue.json(failed)},
            allow_retries=False,
        )


def record_reason(key: dg.AssetKey, partition: str, reason: str, *, left_out: bool = False) -> None:
    """Keep the reason until the partition is stored."""
    entry = {"asset": key.to_user_string(), "partition": partition, "reason": reason, "left_out": left_out}
    with replacing(_failure_path(key, partition)) as partial:
        partial.write_text(json.dumps(entry))


def failures(key: dg.AssetKey | None = None, *, left_out: bool = False) -> list[dict[str, str]]:
    """The recorded failures of an asset, or of all, or else what is left out: asset, partition and reason each."""
    found = [json.loads(path.read_text()) for path in sorted((FOLDER / "failures").glob("*/*.json"))]
    kept = [each for each in found if each.pop("left_out", False) == left_out]
    return [each for each in kept if key is None or each["asset"] == key.to_user_string()]


def _failure_path(key: dg.AssetKey, partition: str) -> Path:
    return FOLDER / "failures" / "__".join(key.path) / f"{partition}.json"

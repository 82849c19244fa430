"""Where the studies of a store come from: the file of each, and its text. Not here: reading a study (study.py)."""

import json
from dataclasses import dataclass
from pathlib import Path

from soilmoisture_assets.store.records import MADE_FROM_NOTHING, Address, Record
from soilmoisture_assets.store.store import Store
from soilmoisture_assets.study import BUILT_IN

ORIGIN = "origin"
"""Asset path of the record that says where a study comes from."""


@dataclass(frozen=True)
class Origin:
    """Where a study comes from: a built-in one, or a file, with its text as it was when it ran last."""

    where: str
    text: str = ""


def known_studies(store: Store) -> dict[str, Origin]:
    """Studies that have run in this store, by name."""
    found = {}
    for name in store.studies():
        record = store.record(Address(name, ORIGIN))
        if record is not None:
            found[name] = Origin(str(record.metadata["origin"]), str(record.metadata.get("text", "")))
    return found


def remember(store: Store, study: str, named: str) -> None:
    """Note where a study comes from, so that the web UI and other machines find it.

    Parameters
    ----------
    named : how it was asked for: the name of a built-in study, the path of a file, or a name found in the store.
    """
    path = Path(named)
    if path.is_file():
        origin = Origin(str(path.resolve()), path.read_text(encoding="utf-8-sig"))
    elif named in BUILT_IN:
        origin = Origin(named)
    else:
        return  # it was found in the store
    said = {"origin": origin.where, "text": origin.text}
    record = store.record(Address(study, ORIGIN))
    if record is None or record.metadata != said:
        new = Record(study, ORIGIN, fingerprint=MADE_FROM_NOTHING, suffix=".json", metadata=said)
        store.publish(new, lambda path: path.write_text(json.dumps(said)))

"""What the two dataset formats share: provenance on every store.

Belongs here: which global attributes a stored dataset carries. Not here: NetCDF or Zarr encoding.
"""

import json
from functools import cached_property
from pathlib import Path

import dagster as dg
import xarray as xr

from soilmoisture_assets.io_managers.base import FolderIOManager
from soilmoisture_assets.metadata.provenance import with_provenance
from soilmoisture_assets.sources import sources, sources_of
from soilmoisture_assets.sources.source import Source
from soilmoisture_assets.study import Study

NETWORK_CITATIONS = Path("raw", "ismn", "citations.json")
"""What the networks of the stations ask to be cited, by network; written with the station table."""


class DatasetIOManager(FolderIOManager):
    """Stores xarray datasets with CF and provenance attributes."""

    def __init__(self, folder: Path, study: Study) -> None:
        super().__init__(folder)
        self.study = study

    def documented(self, dataset: xr.Dataset, key: dg.AssetKey) -> xr.Dataset:
        """The dataset with title, source, licence, citation and code version as global attributes."""
        known, raw = self._sources, key.path[0] == "raw"
        read = [known[key.path[1]]] if raw and key.path[1] in known else [] if raw else self._read
        networks = self._network_references(dataset) if known["ismn"] in read else []
        return with_provenance(
            dataset,
            title=dataset.attrs.get("title", f"{key.to_user_string()} of {self.study.title}"),
            source=dataset.attrs.get("source", ", ".join(source.title for source in read)),
            study_name=self.study.name,
            synthetic=self.study.sandbox,
            references="; ".join([*(source.citation for source in read if source.citation), *networks]),
            licence="; ".join(dict.fromkeys(source.licence for source in read if source.licence)),
        )

    @cached_property
    def _sources(self) -> dict[str, Source]:
        return sources()

    @cached_property
    def _read(self) -> list[Source]:
        return sources_of(self.study)

    def network_citations(self) -> dict[str, str]:
        """What the ISMN networks of the study ask to be cited; none before the station table is made."""
        path = self.folder / NETWORK_CITATIONS
        return json.loads(path.read_text()) if path.exists() else {}

    def _network_references(self, dataset: xr.Dataset) -> list[str]:
        """References of the ISMN networks in the dataset, of all where it does not say which."""
        named = dataset["network"].values.ravel() if "network" in dataset.coords else [dataset.attrs.get("network")]
        own = {str(name) for name in named if name}
        citations = self.network_citations()
        return [f"{name}: {text}" for name, text in citations.items() if text and (name in own or not own)]

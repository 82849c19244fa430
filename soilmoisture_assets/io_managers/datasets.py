"""What the two dataset formats share: provenance on every store.

Belongs here: which global attributes a stored dataset carries. Not here: NetCDF or Zarr encoding.
"""

import json
from pathlib import Path

import dagster as dg
import xarray as xr

from soilmoisture_assets.io_managers.base import FolderIOManager
from soilmoisture_assets.metadata.provenance import CITATIONS, LICENCES, with_provenance
from soilmoisture_assets.study import Study

NETWORK_CITATIONS = Path("raw", "ismn", "citations.json")
"""What the networks of the stations ask to be cited, by network; written with the station table."""


class DatasetIOManager(FolderIOManager):
    """Stores xarray datasets with CF and provenance attributes."""

    def __init__(self, folder: Path, study: Study) -> None:
        super().__init__(folder)
        self.study = study

    def documented(self, dataset: xr.Dataset, key: dg.AssetKey) -> xr.Dataset:
        """The dataset with title, source, licence, citation, code version and study hash as global attributes."""
        sources = [key.path[1]] if key.path[0] == "raw" else study_sources(self.study)
        cited = [name for name in sources if name in CITATIONS]
        networks = self._network_references(dataset) if "ismn" in sources else []
        return with_provenance(
            dataset,
            title=dataset.attrs.get("title", f"{key.to_user_string()} of {self.study.title}"),
            source=dataset.attrs.get("source", ", ".join(sources)),
            study_name=self.study.name,
            study_hash=self.study.hash,
            synthetic=self.study.sandbox,
            references="; ".join([*(CITATIONS[name] for name in cited), *networks]),
            licence="; ".join(dict.fromkeys(LICENCES[name] for name in cited)),
        )

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


def study_sources(study: Study) -> list[str]:
    """Names of the sources a study reads, in the order of the graph."""
    sources = ["ismn"] if study.target.source == "ismn" else ["station files"]
    if study.dynamic_inputs.source == "era5":
        sources.append("era5")
    if study.static_attributes.source == "services":
        sources += ["soilgrids", "modis", "elevation"]
    return sources

"""CSV tables for people and spreadsheets. Not here: results that code reads (netcdf.py)."""

from pathlib import Path

import dagster as dg
import pandas as pd

from soilmoisture_assets.io_managers.base import FolderIOManager


class TableIOManager(FolderIOManager):
    """One CSV file per asset, numbers with six significant digits."""

    suffix = ".csv"

    def dump(self, value: pd.DataFrame, path: Path, key: dg.AssetKey) -> None:
        value.to_csv(path, index=False, float_format="%.6g")

    def load(self, path: Path) -> pd.DataFrame:
        return pd.read_csv(path)

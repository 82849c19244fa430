"""A study as a notebook sees it: what is stored, as xarray datasets, tables and models.

Belongs here: the names that people ask by, and the asset each stands for. Not here: which stored things count, and
opening them (deployment.py), whose forecast stands for a station (scoring/gathering.py). No Dagster.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from soilmoisture_assets.assets import COMMON, CUBE
from soilmoisture_assets.deployment import Deployment, load_deployment
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.methods import methods, ordered
from soilmoisture_assets.scoring.gathering import best_forecasts, gather, gather_fitted, methods_of
from soilmoisture_assets.settings import load_settings
from soilmoisture_assets.study import Experiment, Study

if TYPE_CHECKING:
    from soilmoisture_assets.learning.model import Model

STATION_COLUMNS = ("network", "station_name", "latitude", "longitude", "elevation", "depth")
"""What a table says of a station first, where the study knows it."""


def open_study(name_or_path: str | Path, data_dir: str | Path | None = None) -> "OpenStudy":
    """Open a study for reading; several can be open at once.

    Parameters
    ----------
    name_or_path : name of a built-in study or of one that has run in the data folder, or path of a study file.
    data_dir : folder or URL of the store; None: that of the settings (``SOILMOISTURE_DATA_DIR``, else ``data``).

    Raises
    ------
    StudyError : there is no such study, its file cannot be used, or the store cannot.
    """
    settings = load_settings()
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": str(data_dir)})
    return OpenStudy(load_deployment(str(name_or_path), settings))


class OpenStudy:
    """What is stored of one study.

    Each look finds what is stored and counts at that moment: made by this code, with these settings, from what counts
    itself. A dataset keeps the version it was opened from, and reads values when they are needed. What is found damaged
    is recorded so, and the next run makes it again; nothing else is written.

    Every property and method that reads raises ``SourceError`` where the thing is not stored, failed, was left out or
    is out of date; the message says which and gives the command that makes it.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def __repr__(self) -> str:
        return f"{self.study.name}: {self.study.title} ({self.deployment.store.url})"

    @property
    def study(self) -> Study:
        """The settings of the study: period, splits, variables, experiments and all else in its file."""
        return self.deployment.study

    @property
    def assets(self) -> pd.DataFrame:
        """What the study is made of: one row per asset, in an order in which they can be made.

        The index is the asset's path. ``partitions`` is station, month, year or empty; ``current`` counts the
        partitions that can be read (of an asset without partitions 0 or 1), ``outdated``, ``failed``, ``left_out`` and
        ``missing`` those that cannot.
        """
        return pd.DataFrame(self.deployment.states()).set_index("asset")

    @property
    def stations(self) -> pd.DataFrame:
        """Every station of the sources: one row per station, by its identifier.

        Columns: network, station_name, latitude and longitude [degrees], elevation and depth of the sensor [m],
        ``observed_train`` and the like (share of the steps of a split with an observation), ``included`` (whether it is
        in the cube) and the ``reason`` why it is not.
        """
        table = self.read(COMMON).load()
        places = table[["station"]].reset_coords().drop_dims("split", errors="ignore").to_dataframe()
        observed = table["observed_fraction"].to_pandas().add_prefix("observed_")
        known = [name for name in STATION_COLUMNS if name in places]
        return (
            places[known]
            .join(observed)
            .assign(included=table["included"].to_pandas().astype(bool), reason=table["reason"].to_pandas())
        )

    def left_out(self, names: Collection[str]) -> list[str]:
        """A sentence for each of these stations that is known and not in the cube, with the reason."""
        reasons = self.stations.query("not included and index in @names")["reason"]
        return [f"station {name} is left out of the study: {reason}" for name, reason in reasons.items()]

    @property
    def cube(self) -> xr.Dataset:
        """The station cube: target, dynamic inputs and static attributes of the common stations, aligned.

        Variables (station, time), (station) and (time), steps labelled by their end in UTC; units in the attributes,
        soil moisture in m3 m-3. ``split`` (time) says what is learned from, judged on and tested.
        """
        return self.read(CUBE)

    @property
    def latest_forecast(self) -> xr.Dataset:
        """The forecast from the newest step, of stations whose last observation is new enough.

        ``soil_moisture_forecast`` (station, lead [hours], quantile) and ``last_observation`` (station) [m3 m-3] and its
        ``age`` [hours] at the ``start``.
        """
        return self.read("models/latest_forecast")

    @property
    def skill(self) -> xr.Dataset:
        """Every score (split, experiment, forecaster, station, lead [hours]) of every method on the common sample."""
        return self.read("analysis/skill")

    @property
    def skill_summary(self) -> pd.DataFrame:
        """Medians of the scores over stations, one row per split, experiment, method and lead; R² with its interval."""
        return self.read("analysis/skill_summary")

    def forecasts(self, experiment: str, method: str | None = None) -> xr.Dataset:
        """Forecasts of the validation and test starts with the observations.

        Parameters
        ----------
        method : None gives the method that speaks for a station: all methods combined, where there are.

        Returns
        -------
        ``soil_moisture_forecast`` (station, start, lead [hours], quantile) and ``soil_moisture_observed`` (station,
        start, lead), both in m3 m-3. The methods that models are compared with, such as persistence, give one value
        and no ``quantile``. Without ``method`` the coordinate ``forecaster`` (station) says whose they are.

        Raises
        ------
        StudyError : the study has no such experiment, or the experiment no such method; says which there are.
        SourceError : no forecast is stored that counts.
        """
        e, view = self._experiment(experiment), self.deployment.view()
        stored = self.deployment.partitions(f"models/station_forecast_{e}", view=view)
        declared = methods().get(method) if method is not None else None
        if declared is not None and declared.fit is not None:
            fitted = self.deployment.read(f"models/baselines_{e}", view=view)
            if method in methods_of({"": fitted}):
                return gather_fitted(fitted, str(method), self.deployment.read(CUBE, view=view))
        if not stored:
            raise self.deployment.why_not(f"models/station_forecast_{e}", view=view)
        if method is None:
            return best_forecasts(stored)
        if method not in methods_of(stored):
            fitted = self.deployment.read(f"models/baselines_{e}", view=view)
            known = ordered([*methods_of({"": fitted}), *methods_of(stored)])
            raise StudyError(f"experiment '{e}' has no forecasts by '{method}'.\n  It has: {', '.join(known)}.")
        return gather(stored, method)

    def model(self, experiment: str, station: str | None = None) -> "Model":
        """The trained network of a station, or the regional one of all stations.

        Raises
        ------
        StudyError : the study has no such experiment. CheckpointError : written by a version that this one cannot read.
        """
        e = self._experiment(experiment)
        return self.read(f"models/regional_model_{e}" if station is None else f"models/station_model_{e}", station)

    def current(self, asset: str) -> list[str | None]:
        """The partitions of an asset that can be read, in order; of one without partitions None stands for all of it.

        Raises
        ------
        SourceError : the study has no such asset.
        """
        view = self.deployment.view()
        if asset not in self.deployment.graph:
            raise self.deployment.why_not(asset, view=view)
        return list(view.current(asset))

    def read(self, asset: str, partition: str | None = None) -> Any:
        """Open an asset by its path, such as "raw/ismn/soil_moisture", or one partition of it.

        Returns
        -------
        A dataset (read lazily), a table, a model, what JSON says, or the path of a picture, page or archive. An asset
        with partitions, none of which is named, is a mapping from those that count to what each is.
        """
        if partition is None and asset in self.deployment.graph and self.deployment.graph[asset].partitions:
            return self._each(asset)
        return self.deployment.read(asset, partition)

    def _each(self, asset: str) -> Mapping[str, Any]:
        view = self.deployment.view()
        found = self.deployment.partitions(asset, view=view)
        if not found:
            raise self.deployment.why_not(asset, view=view)
        return found

    def _experiment(self, name: str) -> Experiment:
        known = self.study.model.experiments
        if name not in known:
            raise StudyError(
                f"study '{self.study.name}' has no experiment '{name}'.\n"
                f"  It has: {', '.join(known)}. More are set in model.experiments of the study."
            )
        return Experiment(name)

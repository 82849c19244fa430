"""Driver clusters: stations that the same weather moves.

Belongs here: k-means on the strength of the dynamic drivers. Not here: how that strength is found (shap_values.py).
"""

import numpy as np
import xarray as xr
from scipy.optimize import linear_sum_assignment

from soilmoisture_assets.errors import StationError

CLUSTERS = 3


def driver_clusters(shap: xr.Dataset, *, clusters: int = CLUSTERS, seed: int = 0) -> xr.Dataset:
    """Group the stations by the standardised mean absolute SHAP of their dynamic drivers, in every window.

    Source: Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7 (silhouette).

    Parameters
    ----------
    shap : as from :func:`shap_values.explain`; features of kind dynamic and group dynamic are the drivers.

    Returns
    -------
    ``cluster`` (station, window) int8 from 0, the same number for the most alike clusters of all windows, 0 where the
    strongest drivers of all are strongest; ``silhouette`` (window), -1 ... 1, and ``station_silhouette`` (station,
    window); ``centre`` (window, group, driver) in standard deviations and ``strength`` (window, group, driver)
    [m3 m-3]; ``stations_in`` (window, group). A group is a value of ``cluster``.

    Raises
    ------
    StationError : fewer stations than clusters plus one.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_samples

    is_driver = (shap["feature_kind"].values == "dynamic") & (shap["feature_group"].values == "dynamic")
    strength = (
        shap["mean_absolute_shap"].isel(feature=np.flatnonzero(is_driver)).transpose("window", "station", "feature")
    )
    if strength.sizes["station"] <= clusters:
        raise StationError(
            f"too few stations for {clusters} clusters: {strength.sizes['station']}.\n  Explain more stations."
        )
    labels, silhouettes = [], []
    centres: list[np.ndarray] = []
    means: list[np.ndarray] = []
    for values in strength.values.astype(float):
        spread = values.std(axis=0)
        standard = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
        own = KMeans(clusters, n_init=20, random_state=seed).fit_predict(standard)
        middle = np.stack([standard[own == c].mean(axis=0) for c in range(clusters)])
        order = np.argsort(-middle.sum(axis=1)) if not centres else _alike(centres[0], middle)
        own = np.argsort(order)[own]
        labels.append(own)
        centres.append(middle[order])
        means.append(np.stack([values[own == c].mean(axis=0) for c in range(clusters)]))
        silhouettes.append(silhouette_samples(standard, own))
    sizes = [[int((own == c).sum()) for c in range(clusters)] for own in labels]
    dims = ("window", "group", "driver")
    return xr.Dataset(
        {
            "cluster": (
                ("station", "window"),
                np.stack(labels, axis=1).astype(np.int8),
                {"long_name": "cluster of stations with like drivers", "units": "1"},
            ),
            "station_silhouette": (
                ("station", "window"),
                np.stack(silhouettes, axis=1).astype(np.float32),
                {"long_name": "silhouette of the station", "units": "1"},
            ),
            "silhouette": (
                "window",
                np.array([each.mean() for each in silhouettes], dtype=np.float32),
                {"long_name": "mean silhouette", "units": "1"},
            ),
            "centre": (dims, np.stack(centres).astype(np.float32), {"long_name": "standardised centre", "units": "1"}),
            "strength": (
                dims,
                np.stack(means).astype(np.float32),
                {"long_name": "mean absolute SHAP value of the cluster's stations", "units": "m3 m-3"},
            ),
            "stations_in": (
                ("window", "group"),
                np.array(sizes, dtype=np.int32),
                {"long_name": "stations of the cluster", "units": "1"},
            ),
        },
        coords={
            **{name: c for name, c in shap.coords.items() if c.dims == ("station",)},
            "window": shap["window"],
            "group": (
                "group",
                np.arange(clusters),
                {"long_name": "cluster, 0 where the strongest drivers are strongest"},
            ),
            "driver": [str(name) for name in strength["feature"].values],
        },
        attrs={name: shap.attrs[name] for name in ("experiment", "method", "period") if name in shap.attrs},
    )


def _alike(reference: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Order of centres (cluster) that brings each nearest to the reference's of the same number."""
    distance = np.linalg.norm(reference[:, None] - centres[None], axis=2)
    return linear_sum_assignment(distance)[1]

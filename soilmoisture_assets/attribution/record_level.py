"""The level of the stations' records, split among the attributes that account for it.

Belongs here: the first stage of a two-stage attribution, a model from statics and mean weather to the mean of a
station's record. A forecast starts from that mean, so without this stage a soil that is always wet because it is clay
would be credited to "its own record" alone. Not here: the second stage, attributions of the network (shap_values.py).

What holds and moves water itself (texture, density, stones, water contents, slope, weather) is asked first; what acts
through it (chemistry, land cover, climate class) or stands for it (position) explains what is then left. Without that
order a soil's carbon, nitrogen and acidity would share the credit of the pores that go with them.

A climate acts on moisture in no straight line, and a soil acts differently in another climate: stones take more from a
wet soil than from a dry one. So the level is a smooth surface over the mean weather, plus the soil's attributes times
slopes that are smooth over it too. A straight line would leave its error to whatever soils go with the climate.

Sources: Chen et al. 2022, doi:10.1038/s41467-022-31384-3 (Shapley values through a series of models); Frye et al. 2020,
"Asymmetric Shapley values", NeurIPS (causal order of features); Gelfand et al. 2003, doi:10.1198/016214503000170
(coefficients that vary smoothly); Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, section 5.4
(variances of greatest likelihood).
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from soilmoisture_assets.attribution.features import MEAN_WEATHER, feature, feature_coordinates
from soilmoisture_assets.errors import StationError
from soilmoisture_assets.learning.features import static_vector, training_steps, weather_channels
from soilmoisture_assets.learning.scaling import Scaler
from soilmoisture_assets.metadata.stations import STATION_COORDINATES
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.study import Study

FEWEST_STATIONS = 10
DIRECT_GROUPS = ("physical", "hydraulic", "topography")
"""Feature groups of the registry that hold and move water themselves; height, of topography too, is a position."""
_LAYERS = ("0_30cm", "30_100cm")
_QUANTITY = {
    **{f"{part}_fraction_{layer}": part for part in ("clay", "sand", "silt") for layer in _LAYERS},
    **{f"saturation_{layer}": "bdod" for layer in _LAYERS},
    "wv0010": "wv0033",
}
"""Attributes that say the same as another: a second map or layer of it, the pore space that a density leaves, field
capacity, which is taken at 10 kPa in sands and at 33 kPa elsewhere."""
_SMOOTH = 2.0
"""Over how many standard deviations of the mean weather the surface and the slopes change."""
_PENALTIES = np.logspace(-3, 4, 29)


def record_level(cube: xr.Dataset, study: Study) -> xr.Dataset:
    """Explain the mean of the stations' records by statics, coordinates and mean weather.

    Mean weather and what acts directly first, then a ridge regression of what they leave on the rest, with the penalty
    of least error over stations left out one by one. Every quantity, also one of many maps or classes, has the same
    prior spread.

    Returns
    -------
    Dataset of the stations that have a record; those held out have none.

        - ``record_mean`` (station) [m3 m-3]: mean over the training period;
        - ``level_part`` (station, feature) [m3 m-3]: what an attribute adds to it, relative to the mean over the
          stations; ``level_rest`` (station): what no attribute accounts for;
        - ``level_effect`` (station, feature) [m3 m-3]: how far one standard deviation over the stations of what the
          attribute says moves that mean at the station: attributes that say the same move together, as they do among
          the stations. Of classes, positions, chemistry and mean weather the root mean square of their parts, the same
          at all stations.

        ``explained`` in the attributes: R² over stations left out one by one in either step.

    Raises
    ------
    StationError : too few stations have a record.
    """
    stations = [str(name) for name in cube["station"].values]
    weather = weather_channels(cube, study.dynamic_inputs.variables, study.step)
    vector, columns, sources = static_vector(cube, study.static_attributes.variables)
    scaler = Scaler.fit(cube, weather, vector, columns, 1, False)
    known = np.array([name in scaler.moisture for name in stations])
    if known.sum() < FEWEST_STATIONS:
        raise StationError(
            f"too few stations have a record to tell what their means go with: {known.sum()}; "
            f"{FEWEST_STATIONS} are needed"
        )
    level = np.array([scaler.moisture[name][0] for name in stations if name in scaler.moisture])
    static = _statics(scaler.scale_static(vector)[known, : vector.shape[1]].astype(float), sources)
    direct = np.array([_acts_directly(source) for source in sources])
    soil, asked_first = static[:, direct], [source for source in sources if _acts_directly(source)]
    plain = [weather.names.index(name) for name in study.dynamic_inputs.variables]
    climate = _mean_weather(weather.values[known][:, training_steps(cube)][:, :, plain])
    surface, slopes, explained = _under_climate(climate, soil, level)
    left = level - level.mean() - surface - (soil * slopes).sum(axis=1)
    weights, explained_then = _ridge(static[:, ~direct], left - left.mean())
    moved = np.zeros_like(static)
    moved[:, direct], moved[:, ~direct] = soil * slopes, static[:, ~direct] * weights
    names = (*dict.fromkeys(sources), MEAN_WEATHER)
    owner = np.array([names.index(source) for source in sources])
    parts = np.stack([*(moved[:, owner == i].sum(axis=1) for i in range(len(names) - 1)), surface], axis=1)
    parts -= parts.mean(axis=0)
    effects = np.tile(np.sqrt((parts**2).mean(axis=0)), (len(parts), 1))
    effects[:, owner[direct]] = np.abs(slopes @ _moving_together(soil, asked_first))
    layout = {
        "record_mean": (("station",), level, "mean of the station's record over the training period"),
        "level_part": (("station", "feature"), parts, "part of the mean of the record"),
        "level_rest": (("station",), level - level.mean() - parts.sum(axis=1), "part that no attribute accounts for"),
        "level_effect": (("station", "feature"), effects, "change of the mean by one standard deviation"),
    }
    return xr.Dataset(
        {
            name: (dims, values.astype("float32"), {"units": "m3 m-3", "long_name": text})
            for name, (dims, values, text) in layout.items()
        },
        coords={
            "station": [name for name, is_known in zip(stations, known, strict=True) if is_known],
            **feature_coordinates([feature(name, "static") for name in names]),
        },
        attrs={
            "explained": 1 - (1 - explained) * (1 - explained_then),
            "period": f"train {study.splits.train.start} to {study.splits.train.end}",
        },
    ).assign_coords(
        {name: ("station", cube[name].values[known]) for name in STATION_COORDINATES if name in cube.coords}
    )


def _acts_directly(source: str) -> bool:
    if source not in VARIABLES or source == "elevation":
        return False
    return VARIABLES[source].group in DIRECT_GROUPS and not VARIABLES[source].is_category


def _statics(columns: np.ndarray, sources: Sequence[str]) -> np.ndarray:
    """Columns (known station, column) centred, and of one spread for each quantity."""
    columns = columns - columns.mean(axis=0)
    _, owner = np.unique([_QUANTITY.get(source, source) for source in sources], return_inverse=True)
    spread = np.sqrt(np.bincount(owner, (columns**2).mean(axis=0)))
    return columns / np.where(spread > 1e-9, spread, 1)[owner]


def _mean_weather(weather: np.ndarray) -> np.ndarray:
    """Standardised means (known station, variable) of dynamic inputs (known station, time, variable)."""
    means = weather.mean(axis=1).astype(float)
    spread = means.std(axis=0)
    return (means - means.mean(axis=0)) / np.where(spread > 1e-9, spread, 1)


def _under_climate(climate: np.ndarray, soil: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Explain a level by a surface over the climate and the soil's columns times slopes that vary over it.

    A Gaussian process: surface, slopes the same everywhere, slopes that vary and noise each have a prior variance, and
    these are those of greatest likelihood.

    Parameters
    ----------
    climate, soil : (station, column), centred.
    level : (station).

    Returns
    -------
    The surface (station) and the slopes (station, soil column) in the unit of the level, and the R² over stations left
    out one by one.
    """
    count, unit = len(level), max(float(level.std()), 1e-9)
    target = (level - level.mean()) / unit
    near = np.exp(-cdist(climate, climate, "sqeuclidean") / (2 * _SMOOTH**2 * climate.shape[1]))
    alike = soil @ soil.T
    terms = np.stack([near, alike, alike * near, np.eye(count)])

    def solved(variances: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        factor = cho_factor(np.tensordot(variances, terms, 1), lower=True)
        inverse = cho_solve(factor, np.eye(count))
        return inverse, inverse @ target, float(np.log(np.diag(factor[0])).sum())

    def unlikeliness(logarithms: np.ndarray) -> tuple[float, np.ndarray]:
        variances = np.exp(logarithms)
        inverse, weights, determinant = solved(variances)
        gradient = variances * ((inverse * terms).sum(axis=(1, 2)) - (terms @ weights) @ weights) / 2
        return float(target @ weights) / 2 + determinant, gradient

    found = minimize(unlikeliness, np.array([0.0, -4, -4, -4]), jac=True, method="L-BFGS-B", bounds=[(-9, 3)] * 4)
    variances = np.exp(found.x)
    inverse, weights, _ = solved(variances)
    slopes = variances[1] * (soil.T @ weights) + variances[2] * near @ (soil * weights[:, None])
    left_out = weights / np.diag(inverse)
    explained = 1 - float(np.square(left_out).sum() / max(np.square(target * count / (count - 1)).sum(), 1e-9))
    return unit * variances[0] * near @ weights, unit * slopes, explained


def _moving_together(columns: np.ndarray, sources: Sequence[str]) -> np.ndarray:
    """How far each column (row) goes when another (column) moves by its standard deviation: as far as they go together
    among the stations where both say the same, else not at all."""
    quantity = np.array([_QUANTITY.get(source, source) for source in sources])
    together = columns.T @ columns / len(columns)
    spread = np.sqrt(np.diag(together))
    return np.where(quantity[:, None] == quantity, together / np.where(spread > 1e-9, spread, 1), 0)


def _ridge(columns: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (column) of centred columns and target (station), and the R² over stations left out one by one."""
    count = len(target)
    values, vectors = np.linalg.eigh(columns @ columns.T)
    values, rotated = np.maximum(values, 0), vectors.T @ target
    errors = []
    for penalty in _PENALTIES:
        shrunk = values / (values + penalty)
        leverage = (vectors**2 @ shrunk) + 1 / count
        residual = target - vectors @ (shrunk * rotated)
        errors.append(np.square(residual / np.maximum(1 - leverage, 1e-6)).sum())
    best = _PENALTIES[int(np.argmin(errors))]
    weights = columns.T @ (vectors @ (rotated / (values + best)))
    return weights, float(1 - min(errors) / np.square(target * count / (count - 1)).sum())

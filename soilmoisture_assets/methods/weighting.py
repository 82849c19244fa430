"""Weighting: what each method of a combined forecast weighs, at every start.

Belongs here: which errors are known to which weights, and the weights of all stations and of each. Not here: the
forecasts that are made with them (combination.py).

Weights are fitted on the validation starts that have chosen nothing else (alignment/splits.py) and, block by block of
later starts up to the end of the splits, on all forecasts whose target days had been seen by then. A start that is
fitted on is itself forecast with weights of the other blocks, so that intervals and scores of it are honest; a later
start with weights on their way from those of the block before to those of its own, so that nothing jumps. What comes
after the splits takes the last ones, as it takes all that was learned.

Per lead no weight is negative and they add up to one. They minimise the mean squared error in units of each station's
training spread, drawn towards weights that fall with each method's own error, the more the fewer blocks of data there
are: few errors say well how good each method is, and badly how they err together (Timmermann 2006,
doi:10.1016/S1574-0706(05)01004-9, sections 3 and 4). The fewer there are, the less do they say of either, and the more
alike do methods weigh; where no moisture is seen errors last for months, and two blocks count for one.

A station's weights are those of its own errors and of all stations' together, the more its own the more blocks of them
are known. Where no moisture is seen nothing that was observed at a station after validation counts for it: its own
errors are those of validation, and what followed is known of the others alone.

What is left of a station's mean error over the starts that are known is taken off its forecasts, the more of it the
more blocks it is from: the level of a station can be off for a year at a time, and most so where no moisture is seen.
Of less than a year as much less is taken off, since a mean error over some months is of their season too.

What a forecast of the weather is worth shows there too: unless the methods that see it err clearly less together than
the combined forecast without it, at a lead, that one stands in their place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.splits import BLOCK_DAYS, VALIDATION
from soilmoisture_assets.methods.without_weather import METHOD as WITHOUT
from soilmoisture_assets.scores import Array

FOLDS = 4
"""Groups of blocks of the validation period; the starts of one are forecast with weights of the others."""
PULL, POWER = 200.0, 8.0
"""Strength of the pull towards weights by own errors, in errors of the best method per block of a station, and how fast
those weights fall with the squared error; chosen on studies of 1 to 69 stations cut from years before the test years,
and on synthetic worlds (docs/learning.md)."""
HALF_KNOWN_BLOCKS = 6.0
"""Blocks at which half of the power is reached and half of the pull left; chosen on the same studies."""
BLOCKS_BLIND = 2.0
"""Blocks that count for one where no moisture is seen; chosen on the same studies."""
SHARED_BLOCKS = 12.0
"""Blocks of a station whose errors count as much as those of all stations together; chosen on the same studies."""
LEVEL_BLOCKS = 6.0
"""Blocks after which half of a station's mean error is believed; chosen on the same studies."""
_BLOCKS_OF_A_YEAR = 365 / BLOCK_DAYS
CLEARLY = 0.98
"""Share of the squared error without weather ahead that may be left for a forecast of it to count."""
LEAST_WEIGHT = 0.01
"""A method with less adds nothing and is left out, with its cost."""
_BLOCK = np.timedelta64(BLOCK_DAYS, "D")


@dataclass(frozen=True)
class Fits:
    """The sets of weights that are fitted in the course of time, and which errors each knows.

    The first :data:`FOLDS` know validation but for one fold, the next one all of it, and each later one what had been
    seen when one more block of later starts was over.
    """

    position: Array
    """(start) the fit that forecasts a start; between two where it is not whole."""
    chose: Array
    """(start) whether it chose something else, and is fitted on only where nothing else can be."""
    block: Array
    """(start) number of its block of days."""
    group: Array
    """(start, lead) fold of a pair of the validation period, from 1; of a later pair the first fit that knows it; 0:
    known to none."""
    knows: Array
    """(fit, group) bool."""

    @property
    def knows_without_moisture(self) -> Array:
        """(fit, group) what is known of a station itself where no moisture is seen."""
        return self.knows & (np.arange(self.knows.shape[1]) <= FOLDS)


def fits_of(dataset: xr.Dataset) -> Fits:
    """The fits for the starts of a dataset with ``start``, ``lead`` [hours], ``split`` and ``calibration`` (start)."""
    times = pd.DatetimeIndex(dataset["start"].values).values
    block = ((times - times[0]) // _BLOCK).astype(int)
    validation = dataset["split"].values == VALIDATION
    later = np.arange(len(times)) > np.flatnonzero(validation).max(initial=-1)
    # a block that chose and the one after it, which is fitted on, share a fold
    fold = 1 + np.unique(block[validation], return_inverse=True)[1] // 2 % FOLDS
    numbers, number = np.unique(block[later], return_inverse=True)
    begins = times[0] + numbers * _BLOCK
    position = np.full(len(times), float(FOLDS))
    position[validation] = fold - 1
    # on the way from what was known when the block before began to what was known when its own did
    position[later] += np.where(number > 0, number - 1 + (times[later] - begins[number]) / _BLOCK, 0)
    group = np.zeros((len(times), dataset.sizes["lead"]), dtype=int)
    group[validation] = fold[:, None]
    seen = times[later][:, None] + dataset["lead"].values * np.timedelta64(1, "h")
    group[later] = FOLDS + np.searchsorted(begins, seen)
    fits, groups = np.ogrid[: FOLDS + 1 + len(numbers), : FOLDS + 1 + len(numbers)]
    knows = (groups > 0) & np.where(fits < FOLDS, (groups <= FOLDS) & (groups != fits + 1), groups <= fits)
    return Fits(position, validation & (dataset["calibration"].values != 1), block, group, knows)


@dataclass
class Products:
    """Sums over pairs of the products of the errors of all methods, by group of starts; 0: of the starts that chose."""

    products: Array
    """(group, lead, method, method)"""
    pairs: Array
    """(group, lead)"""
    blocks: Array
    """(group, lead) blocks of each station with a pair."""

    def __add__(self, other: "Products") -> "Products":
        return Products(self.products + other.products, self.pairs + other.pairs, self.blocks + other.blocks)

    def without_later(self, other: "Products") -> "Products":
        """These less what is of another after validation."""
        found = Products(self.products.copy(), self.pairs.copy(), self.blocks.copy())
        later = slice(FOLDS + 1, None)
        found.products[later] -= other.products[later]
        found.pairs[later] -= other.pairs[later]
        found.blocks[later] -= other.blocks[later]
        return found

    def mean_squares(self) -> Array:
        """(method, lead) mean squared error over the validation period."""
        squares = np.einsum("glmm->ml", self.products[: FOLDS + 1])
        return squares / np.maximum(self.pairs[: FOLDS + 1].sum(axis=0), 1)

    def of(self, lead: int, groups: Array) -> tuple[Array, float, float]:
        """Mean products (method, method) at a lead over the groups that are known (group), and of how many pairs and
        blocks they are; where validation has none else, of the starts that chose too."""
        known = groups.copy()
        known[0] = not self.pairs[: FOLDS + 1][groups[: FOLDS + 1], lead].any()
        pairs = float(self.pairs[known, lead].sum())
        return self.products[known, lead].sum(axis=0) / max(pairs, 1), pairs, float(self.blocks[known, lead].sum())


def no_products(fits: Fits, methods: int, leads: int) -> Products:
    """Of no station."""
    groups = fits.knows.shape[1]
    return Products(np.zeros((groups, leads, methods, methods)), np.zeros((groups, leads)), np.zeros((groups, leads)))


def products_of(errors: Array, fits: Fits) -> Products:
    """The products of a station, of the pairs at which all methods have an error (method, start, lead)."""
    known = np.all(np.isfinite(errors), axis=0)
    errors = np.where(known, errors, 0.0)
    group = np.where(fits.chose[:, None], 0, np.where(fits.group > 0, fits.group, -1))
    found = no_products(fits, len(errors), errors.shape[2])
    for lead, each in np.ndindex(errors.shape[2], len(found.pairs)):
        inside = np.flatnonzero(known[:, lead] & (group[:, lead] == each))
        own = errors[:, inside, lead]
        found.products[each, lead] = own @ own.T
        found.pairs[each, lead] = len(inside)
        found.blocks[each, lead] = len(np.unique(fits.block[inside]))
    return found


def weights_of(
    together: Products, fits: Fits, names: Sequence[str], sees_moisture: bool, own: Products | None = None
) -> Array:
    """Weights of all stations, or of one of them.

    Parameters
    ----------
    together : of all stations.
    names : the methods.
    sees_moisture : whether an experiment does; else nothing that was seen after validation counts for the station.
    own : of the station whose weights they are.

    Returns
    -------
    (fit, method, lead), not negative and of sum one.
    """
    alike = 1.0 if sees_moisture else BLOCKS_BLIND
    of_own = fits.knows if sees_moisture else fits.knows_without_moisture
    if own is not None and not sees_moisture:
        together = together.without_later(own)
    alone = np.array([name == WITHOUT.name for name in names])
    found = np.full((len(fits.knows), len(names), together.pairs.shape[1]), 1 / len(names))
    for fit, lead in np.ndindex(len(fits.knows), together.pairs.shape[1]):
        products, pairs, blocks = together.of(lead, fits.knows[fit])
        if pairs == 0:
            continue
        mixed = products
        if own is not None:
            mine, _, its_blocks = own.of(lead, of_own[fit])
            if (size := np.trace(mine)) > 0:
                share = its_blocks / (its_blocks + SHARED_BLOCKS * alike)
                mixed = (1 - share) * products + share * mine * np.trace(products) / size
        weight = np.zeros(len(names))
        weight[~alone] = weights(mixed[np.ix_(~alone, ~alone)], blocks / alike)
        if alone.any() and weight @ products @ weight > CLEARLY * products[alone, alone].sum():
            weight = alone.astype(float)
        found[fit, :, lead] = weight
    return found


def weights(products: Array, blocks: float) -> Array:
    """(method) weights that minimise the mean squared error, not negative and of sum one.

    Parameters
    ----------
    products : (method, method) mean products of errors.
    blocks : how many blocks of data they are from, above 0.
    """
    from scipy.optimize import nnls  # imports slowly

    squares = np.maximum(np.diag(products), 1e-12)
    doubt = HALF_KNOWN_BLOCKS / (blocks + HALF_KNOWN_BLOCKS)
    prior = (squares / squares.min()) ** -(POWER * (1 - doubt))
    prior /= prior.sum()
    pull = PULL * doubt * squares.min() / blocks
    root = np.linalg.cholesky(products + (pull + 1e-9 * squares.max()) * np.eye(len(squares)))
    heavy = 1e3 * np.sqrt(squares.max())  # holds the sum at one
    found, _ = nnls(
        np.vstack([root.T, np.full(len(squares), heavy)]), np.append(np.linalg.solve(root, pull * prior), heavy)
    )
    found = np.where(found >= LEAST_WEIGHT * found.sum(), found, 0.0)
    return found / found.sum()


def level_errors(errors: Array, weight: Array, fits: Fits, sees_moisture: bool) -> Array:
    """(fit, lead) what to take off a station's forecasts: of its errors (method, start, lead) that each fit knows.

    Parameters
    ----------
    weight : (fit, method, lead) of the station.
    """
    found = np.zeros((len(weight), errors.shape[2]))
    known = fits.knows if sees_moisture else fits.knows_without_moisture
    for fit, lead in np.ndindex(*found.shape):
        used = known[fit][fits.group[:, lead]]
        mixed = weight[fit, :, lead] @ errors[:, used, lead]
        there = np.isfinite(mixed)
        if there.any():
            count = len(np.unique(fits.block[used][there]))
            believed = count / (count + LEVEL_BLOCKS) * min(count / _BLOCKS_OF_A_YEAR, 1)
            found[fit, lead] = mixed[there].mean() * believed
    return found

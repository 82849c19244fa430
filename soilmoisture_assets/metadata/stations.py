"""Stations: how they are called, which coordinates say where they are, how depths are compared with a layer.

Belongs here: the id of a station from its network and name, what more than one module takes for granted of stations.
Not here: where stations are or what they measure (sources/), which depth is used (alignment/depth.py).
"""

import difflib
import hashlib
import re
from collections.abc import Collection, Iterable, Sequence

from anyascii import anyascii

from soilmoisture_assets.errors import StudyError

SEPARATOR = "__"
STATION_COORDINATES = ("latitude", "longitude", "elevation", "network", "station_name")
"""Coordinates on ``station`` of every dataset of stations, as far as they are known."""
DEPTH_TOLERANCE = 0.00501
"""m; depths are compared to the centimetre: 0.1016 m is the 4-inch sensor of a 0-0.10 m layer."""
LONGEST_ID = 80

_NETWORKS = {name.lower(): name for name in "FR_Aqui HiWATER_EHWSN iRON LAB-net MySMNet Ru_CFR TxSON".split()}
"""Networks of the ISMN that are not written in capitals; fixed, since ids depend on it."""
_WORDS = {
    word.lower(): word
    for word in "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW AAMU ARM ARS UAPB jtg and de del of".split()
}
"""Words of stations of the ISMN that are spelled otherwise than the rule of ``_usual_word``; fixed, too."""
_DIGITS = 10
_LIKE_A_DIGEST = re.compile(rf"-[0-9a-f]{{{_DIGITS}}}$", re.IGNORECASE)


def place(latitude: float, longitude: float) -> str:
    """Where a station is, as people write it: ``39.1° N, 96.6° W``."""
    north, east = "NS"[latitude < 0], "EW"[longitude < 0]
    return f"{abs(latitude):g}° {north}, {abs(longitude):g}° {east}"


def station_id(network: str, station: str) -> str:
    """Make the identifier ``network__station`` used as partition key, file name and coordinate.

    It depends on nothing but the two names, so that it stays when stations are added; no two pairs of names share one,
    capitals or not. ASCII, at most 80 characters, safe as a path: other scripts are transliterated, blanks become
    ``_``, other punctuation than ``.`` and ``-`` is dropped. Of all names that come out the same but for capitals, the
    one that is spelled as usual has the bare id (``Adams Ranch #1``: ``Adams_Ranch_1``); the id of every other ends
    in a digest of its exact spelling (``ADAMS RANCH #1``: ``ADAMS_RANCH_1-`` and ten digits).

    Parameters
    ----------
    station : the name as it is spoken, with blanks; it is unique within its network only.

    Source: Dorigo et al. 2021, doi:10.5194/hess-25-5749-2021 (names of networks and stations).
    """
    first, second = _fold(network), _fold(station)
    bare = f"{first}{SEPARATOR}{second}"
    is_usual = network == _usual_network(first) and station == _usual_name(second)
    if is_usual and len(bare) <= LONGEST_ID and not _LIKE_A_DIGEST.search(bare):
        return bare
    exact = f"{len(network)} {network}{station}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(exact, digest_size=_DIGITS // 2).hexdigest()
    first = first[: LONGEST_ID // 3].rstrip("_.-")
    second = second[: LONGEST_ID - len(first) - len(SEPARATOR) - len(digest) - 1].rstrip("_.-")
    return f"{first}{SEPARATOR}{second}-{digest}"


def some_names(names: Iterable[str], most: int = 10) -> str:
    """The first few names, and how many there are beside them."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def check_known(names: Collection[str], known: Sequence[str], listing: str) -> None:
    """Raise StudyError for a station that is named and not known, with those that are spelled alike.

    Parameters
    ----------
    listing : the command that lists them.
    """
    if unknown := [name for name in names if name not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=3) or list(known[:3])
        raise StudyError(f"unknown station '{unknown[0]}'.\n  Did you mean: {', '.join(near)}? All of them: {listing}")


def in_layer(depth_from: float, depth_to: float, top: float, bottom: float) -> bool:
    """Whether an extent lies in the layer from top to bottom, compared to the centimetre; all in m."""
    return depth_from >= top - DEPTH_TOLERANCE and depth_to <= bottom + DEPTH_TOLERANCE


def _fold(name: str) -> str:
    words = re.sub(r"[^A-Za-z0-9.-]+", "_", anyascii(name).replace("#", "")).strip("_.-")
    return re.sub(r"_+", "_", words) or "unnamed"


def _usual_network(fold: str) -> str:
    """The one network that has a fold without a digest, whatever the fold's capitals."""
    return _NETWORKS.get(fold.lower(), fold.upper())


def _usual_name(fold: str) -> str:
    """The one name that has a fold without a digest, whatever the fold's capitals: ``Cape Charles 5 ENE``, ``Lind #1``.

    A number at the end is taken for one of several sites of a name, which SCAN writes with ``#``.
    """
    return re.sub(r" ([1-9]\d*)$", r" #\1", re.sub(r"[A-Za-z]+", _usual_word, fold.replace("_", " ")))


def _usual_word(word: re.Match[str]) -> str:
    """Words without vowels and letters of a number (``P036``) are capitals, longer ones small (``node703``)."""
    letters = word[0].upper()
    if known := _WORDS.get(letters.lower()):
        return known
    if len(letters) > 2 and not set(letters) & set("AEIOUY"):
        return letters
    if word.string[word.end() : word.end() + 1].isdigit():
        return letters if len(letters) <= 3 else letters.lower()
    return letters.capitalize()

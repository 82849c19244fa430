"""The code location of a study in which the training of some stations fails: those that a file names. Not here: tests.

Nothing else differs from the study's own: what is trained, stored, recorded and checked is what a user has.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg

from soilmoisture_assets.defs.build import build_definitions
from soilmoisture_assets.defs.making import Made, Work
from soilmoisture_assets.defs.models import networks
from soilmoisture_assets.deployment import load_deployment

FAILING = "_SOILMOISTURE_TESTS_FAILING"
"""Environment variable with the path of the file."""
REASON = "made to fail"

_train = networks._station


def _station(work: Work) -> Iterator[Made]:
    failing = set(Path(os.environ[FAILING]).read_text().split())
    for made in _train(work):
        yield replace(made, value=None, failure=REASON) if made.partition in failing else made


@dg.definitions
def defs() -> dg.Definitions:
    """What a code location loads; what imports this module alone trains as ever."""
    networks._station = _station
    return build_definitions(load_deployment())

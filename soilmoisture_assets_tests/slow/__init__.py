"""Tests that take long: `make chaos` runs all of them whole, `make chaos-short` those with a short form in it."""

import os

SHORT = "SOILMOISTURE_CHAOS_SHORT" in os.environ


def amount(whole: int, short: int) -> int:
    """How much a test does; a module that asks has a short form."""
    return short if SHORT else whole

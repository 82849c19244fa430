"""Tests that take long: `make slow` runs all of them, `make chaos` those that kill, damage, fill and fuzz (chaos/),
`make chaos-short` those of them that have a short form, in it, `make servers` those with real servers (servers/)."""

import os

SHORT = "SOILMOISTURE_CHAOS_SHORT" in os.environ


def amount(whole: int, short: int) -> int:
    """How much a test does; a module that asks has a short form."""
    return short if SHORT else whole

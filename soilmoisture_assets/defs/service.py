"""Services in a step, and what Dagster does when one is down. Not here: their addresses (sources/services.py)."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from soilmoisture_assets.defs.making import Work
from soilmoisture_assets.errors import SourceUnavailable
from soilmoisture_assets.sources.services import ServiceUrls, services

SECONDS_BEFORE_RETRY = 30.0


@contextmanager
def open_services(work: Work) -> Iterator[ServiceUrls]:
    """Addresses by source that work within the block: those of the settings, or of a sandbox.

    A service that is down makes Dagster try the step again, twice; other errors and interrupts end it at once, which
    they would not under a RetryPolicy.
    """
    try:
        with services(work.study, work.settings, work.deployment.today()) as urls:
            yield urls
    except SourceUnavailable as error:
        wait = SECONDS_BEFORE_RETRY * 2**work.context.retry_number
        raise dg.RetryRequested(max_retries=2, seconds_to_wait=wait) from error

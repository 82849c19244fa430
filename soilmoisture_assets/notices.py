"""Notices: what is posted when something failed, has grown stale or dry, and posting it.

Belongs here: what a notice says, as JSON for a webhook. Not here: what is told and when (defs/notices.py).
"""

import dataclasses
import json
import logging
from dataclasses import dataclass
from typing import Literal

import requests
from pydantic import SecretStr

from soilmoisture_assets.metadata.stations import some_names
from soilmoisture_assets.sources.http import BoundedSession

SECONDS = 5.0
"""For a receiver to accept a notice."""
NAMED = 20
"""Partitions that one notice names; it counts the others."""

logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)  # it prints whole addresses at DEBUG


@dataclass(frozen=True)
class Notice:
    """What happened to an asset of a study, or to the soil of stations.

    ``run`` is a link to the run that failed, or that made what has grown stale; empty where there was none.
    """

    study: str
    what: Literal["failed", "stale", "dry", "no longer dry"]
    asset: str
    reason: str
    partitions: tuple[str, ...] = ()
    run: str = ""

    def to_json(self) -> str:
        """The fields, and ``text``, the same as one line: what Slack, Mattermost and Teams show."""
        names = some_names(self.partitions, NAMED)
        text = f"{self.study}/{self.asset}{f' ({names})' if names else ''} {self.what}: {self.reason} {self.run}"
        said = dataclasses.asdict(self) | {"partitions": self.partitions[:NAMED], "count": len(self.partitions)}
        return json.dumps(said | {"text": text.strip()})


def post(url: SecretStr, notice: Notice) -> str:
    """Post a notice; why it was not accepted, or nothing. Neither says the address: it is a secret."""
    try:
        with BoundedSession() as session:
            answer = session.request(
                "POST",
                url.get_secret_value(),
                data=notice.to_json().encode(),
                headers={"Content-Type": "application/json"},
                timeout=SECONDS,
                allow_redirects=False,
            )
    except requests.RequestException as error:
        return type(error).__name__
    return "" if answer.status_code < 300 else f"it answered {answer.status_code}"

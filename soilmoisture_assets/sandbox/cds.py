"""The Climate Data Store's retrieve API of the sandbox: processes, jobs, results, downloads.

Belongs here: the protocol that ``cdsapi`` speaks, the queue, licences, limits and rejections.
Not here: what the files hold (era5_files.py), HTTP and faults of the transport (server.py).
"""

import datetime as dt
import json
import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from soilmoisture_assets.sandbox.era5_files import (
    RequestRefused,
    grid_file,
    parameters_of,
    point_file,
    requested_hours,
)
from soilmoisture_assets.sandbox.server import Request, Response, json_response
from soilmoisture_assets.sandbox.world import World

GRID_DATASET = "reanalysis-era5-single-levels"
POINT_DATASET = "reanalysis-era5-single-levels-timeseries"
LICENCE = "cc-by"
QUEUE_LIMIT = (
    "Number queued requests for this dataset is temporarily limited. Please configure your scripts accordingly"
)
_FILES_KEPT = 4


@dataclass
class Job:
    """One job of the queue."""

    job_id: str
    dataset: str
    inputs: dict[str, Any]
    created: dt.datetime
    today: dt.date | None
    polls_left: int
    fault: str | None = None
    refusal: str | None = None
    rejected: bool = False

    @property
    def status(self) -> str:
        if self.polls_left > 1:
            return "accepted"
        if self.polls_left == 1:
            return "running"
        return "rejected" if self.rejected else "failed" if self.refusal else "successful"


@dataclass
class CdsService:
    """The Climate Data Store of a world: a handler for the sandbox server, with its moods as attributes.

    ``today`` decides what is published and what is preliminary (None: all is final). A job succeeds at the poll
    after ``polls``. The next ``reject_next`` jobs are rejected because the queue is full, a request of more than
    ``most_fields`` fields (variables x hours) costs too much, and nothing runs without the licence.
    """

    world: World
    today: dt.date | None = None
    polls: int = 2
    reject_next: int = 0
    most_fields: int | None = None
    licence_accepted: bool = True
    key: str | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    _files: "OrderedDict[str, tuple[bytes, str]]" = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, request: Request) -> Response | None:
        steps = [step for step in request.path.split("/") if step]
        match request.method, steps:
            case "GET", ["catalogue", "v1", "messages"]:
                return json_response({"messages": []})
            case "GET" | "HEAD", ["object-store", name]:
                return self._download(name.partition(".")[0])
        token = request.headers.get("private-token")
        if not token or (self.key is not None and token != self.key):
            return _problem(401, "operation not allowed", "authentication failed")
        match request.method, steps:
            case "GET", ["profiles", "v1", "account", "licences"]:
                accepted = [{"id": LICENCE, "revision": 1}] if self.licence_accepted else []
                return json_response({"licences": accepted})
            case "POST", ["profiles", "v1", "account", "verification", "pat"]:
                return json_response({"role": "user"})
            case "GET", ["retrieve", "v1", "processes", dataset] if dataset in (GRID_DATASET, POINT_DATASET):
                return json_response({"id": dataset, "version": "1.0.0", "links": []})
            case "POST", ["retrieve", "v1", "processes", dataset, "execution"] if dataset in (
                GRID_DATASET,
                POINT_DATASET,
            ):
                return self._execute(dataset, request)
            case "GET", ["retrieve", "v1", "jobs"]:
                return self._list(request)
            case "GET", ["retrieve", "v1", "jobs", job_id] if job_id in self.jobs:
                return self._poll(self.jobs[job_id], request)
            case "GET", ["retrieve", "v1", "jobs", job_id, "results"] if job_id in self.jobs:
                return self._results(self.jobs[job_id], request)
            case "DELETE", ["retrieve", "v1", "jobs", job_id] if job_id in self.jobs:
                with self._lock:
                    job = self.jobs.pop(job_id)
                return json_response(_described(job, request) | {"status": "dismissed"})
        return _problem(404, "not found", f"no such path or job: {request.path}")

    def _execute(self, dataset: str, request: Request) -> Response:
        inputs = json.loads(request.body or b"{}").get("inputs", {})
        if not self.licence_accepted:
            return _problem(
                403,
                "required licences not accepted",
                "Not all the required licences have been accepted; please visit "
                f"https://cds.climate.copernicus.eu/datasets/{dataset}?tab=download#manage-licences "
                "to accept the required licence(s).",
            )
        job = Job(str(uuid.uuid4()), dataset, inputs, dt.datetime.now(dt.UTC), self.today, self.polls, request.fault)
        try:
            fields = len(parameters_of(inputs)) * len(requested_hours(inputs, None))
            if self.most_fields is not None and fields > self.most_fields:
                return _problem(403, "cost limits exceeded", "Your request is too large, please reduce your selection.")
        except RequestRefused as error:
            return _problem(400, "invalid request", str(error))
        try:
            requested_hours(inputs, self.today)
        except RequestRefused as error:
            job.refusal = str(error)
        with self._lock:
            if self.reject_next:
                self.reject_next -= 1
                job.rejected = True
            self.jobs[job.job_id] = job
        return json_response(_described(job, request), 201)

    def _list(self, request: Request) -> Response:
        jobs = sorted(
            self.jobs.values(), key=lambda job: job.created, reverse=request.query.get("sortby") == "-created"
        )
        wanted = request.values.get("status")
        jobs = [job for job in jobs if not wanted or job.status in wanted][: int(request.query.get("limit", 100))]
        return json_response({"jobs": [_described(job, request) for job in jobs], "links": []})

    def _poll(self, job: Job, request: Request) -> Response:
        with self._lock:
            answer = json_response(_described(job, request))
            if "log" in request.query:  # cdsapi asks for the log when it polls
                job.polls_left = max(0, job.polls_left - 1)
        return answer

    def _results(self, job: Job, request: Request) -> Response:
        if job.status == "rejected":
            return _problem(400, "The job has been rejected", QUEUE_LIMIT)
        if job.status == "failed":
            return _problem(400, "The job has failed", str(job.refusal))
        if job.status != "successful":
            return _problem(404, "results not ready", f"job {job.job_id} is {job.status}")
        content, ending = self._file(job)
        value = {
            "type": "application/zip" if ending == "zip" else "application/netcdf",
            "href": f"{request.service_url}/object-store/{job.job_id}.{ending}",
            "file:size": len(content),
            "file:local_path": f"/object-store/{job.job_id}.{ending}",
        }
        return json_response({"asset": {"value": value}})

    def _download(self, job_id: str) -> Response | None:
        if job_id not in self.jobs:
            return None
        content, ending = self._file(self.jobs[job_id])
        return Response(200, content, "application/zip" if ending == "zip" else "application/netcdf")

    def _file(self, job: Job) -> tuple[bytes, str]:
        """The job's file, made again when it is no longer kept: the same world gives the same bytes."""
        with self._lock:
            if job.job_id in self._files:
                self._files.move_to_end(job.job_id)
                return self._files[job.job_id]
        make = grid_file if job.dataset == GRID_DATASET else point_file
        made = make(self.world, job.inputs, job.today, job.fault)
        with self._lock:
            self._files[job.job_id] = made
            while len(self._files) > _FILES_KEPT:
                self._files.popitem(last=False)
        return made


def cds_service(world: World, today: dt.date | None = None) -> CdsService:
    """The Climate Data Store of a world on a day; its attributes set the queue and its limits."""
    return CdsService(world, today)


def _problem(status: int, title: str, detail: str) -> Response:
    return json_response({"type": title, "title": title, "status": status, "detail": detail}, status)


def _described(job: Job, request: Request) -> dict[str, Any]:
    url = f"{request.service_url}/retrieve/v1/jobs/{job.job_id}"
    links = [{"rel": "monitor", "href": url}, {"rel": "self", "href": url}]
    if job.status in ("successful", "failed", "rejected"):
        links.append({"rel": "results", "href": f"{url}/results"})
    now = dt.datetime.now(dt.UTC)
    return {
        "processID": job.dataset,
        "type": "process",
        "jobID": job.job_id,
        "status": job.status,
        "created": f"{job.created:%Y-%m-%dT%H:%M:%S.%f}",
        "updated": f"{now:%Y-%m-%dT%H:%M:%S.%f}",
        "links": links,
        "metadata": {"request": {"ids": job.inputs}, "log": []},
    }

"""Jobs in the queue of the Climate Data Store: submitted once, waited for, resumed, split, downloaded and checked.

Belongs here: everything about jobs, whatever their dataset. ``cdsapi`` speaks the protocol; its own retries are off,
because repeating a submission whose answer was lost would queue the job twice, and files are downloaded here.
Not here: what to request and how deliveries are put together (months.py), the account (account.py).

Two patiences: a service without a usable answer is dead after the one of the command (patience.py). A service that
answers is alive: a job that it has taken is waited for up to ``LONGEST_QUEUED``, and a queue that takes no job is asked
again up to ``LONGEST_REJECTED``.
"""

import contextlib
import datetime as dt
import json
import os
import re
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import requests

from soilmoisture_assets.errors import SoilMoistureError, SourceError, SourceUnavailable, without_secrets
from soilmoisture_assets.files import trouble_of_machine
from soilmoisture_assets.machine import try_to_hold
from soilmoisture_assets.sources.era5.account import cds_account
from soilmoisture_assets.sources.foreign import reason_of
from soilmoisture_assets.sources.http import PROBE_SECONDS, BoundedSession, download
from soilmoisture_assets.sources.patience import Clock, Patience, spoken

Log = Callable[[str], None]
Trouble = Literal["busy", "rejected", "too large", "gone", "unusable", "unpublished", "final"]

SERVICE = "the Climate Data Store"
LONGEST_QUEUED = dt.timedelta(days=2)
LONGEST_REJECTED = dt.timedelta(hours=2)

_LONGEST_POLL = 120.0
_LONGEST_PAUSE = 600.0
_TIMEOUT = 60.0
_SUBMISSION_MARGIN = dt.timedelta(minutes=10)
_MOST_UNUSABLE = 3
_LONGEST_KEPT = dt.timedelta(days=1)


@dataclass(frozen=True, eq=False)
class CdsRequest:
    """A request under a file-safe name that is the same in every run; ``inputs`` as the API documents them."""

    name: str
    dataset: str
    inputs: dict[str, Any]


@dataclass(frozen=True)
class CdsOutcome:
    """What became of a request: its files in order (several where it had to be split), or why there are none."""

    request: CdsRequest
    files: tuple[Path, ...] = ()
    error: SoilMoistureError | None = None


@dataclass
class _Job:
    """A request on its way, as remembered in ``<state_dir>/<name>.json`` across runs."""

    request: CdsRequest
    lock: IO[str]
    intended: str | None = None
    job_id: str | None = None
    remote: Any = None
    status: str = ""
    due: float = 0.0
    pause: float = 0.0
    poll: float = 0.0
    unusable: int = 0
    finished: bool = False
    started: float = field(default_factory=time.monotonic)
    rejected_since: float | None = None


@dataclass
class _Order:
    """A request wanted, and the parts it had to be split into."""

    request: CdsRequest
    parts: list[CdsRequest]
    files: dict[str, Path] = field(default_factory=dict)
    given_up: bool = False

    def replace(self, part: CdsRequest, pieces: Sequence[CdsRequest]) -> None:
        at = self.parts.index(part)
        self.parts[at : at + 1] = pieces

    @property
    def is_complete(self) -> bool:
        return all(part.name in self.files for part in self.parts)

    @property
    def ordered_files(self) -> tuple[Path, ...]:
        return tuple(self.files[part.name] for part in self.parts)


class CdsQueue:
    """Keeps a few jobs in the queue at a time and remembers them across runs.

    Parameters
    ----------
    url, key : address and token of the service; None: from ``CDSAPI_URL``, ``CDSAPI_KEY`` or ``~/.cdsapirc``.
    state_dir : job ids and finished downloads lie here until they are taken.
    at_once : jobs queued or running at a time.
    poll_seconds : first pause between looks at a job; pauses grow to two minutes.
    patience : of the command that asks; when it is over all requests are given up, and the next run goes on from there.
    log : receives a line for each change of state.
    """

    def __init__(
        self,
        url: str | None,
        key: str | None,
        state_dir: Path,
        *,
        at_once: int = 4,
        poll_seconds: float = 1.0,
        patience: Patience | None = None,
        log: Log = lambda line: None,
    ) -> None:
        self._account_of = lambda: cds_account(url, key)
        self._key = ""
        self._state_dir = state_dir
        self._at_once = at_once
        self._poll_seconds = poll_seconds
        self._patience = patience or Patience()
        self._silences: dict[str, contextlib.ExitStack] = {}
        self._log = log
        self._session = BoundedSession(left=lambda: self._patience.of(SERVICE).left)
        self._client: Any = None

    def fetch(
        self,
        wanted: Sequence[CdsRequest],
        check: Callable[[CdsRequest, Path], None],
        split: Callable[[CdsRequest], Sequence[CdsRequest]],
    ) -> Iterator[CdsOutcome]:
        """Bring requests home, in the order they finish.

        Parameters
        ----------
        check : raises SourceError for a file that is not what was asked for; the request is then made again.
        split : parts of a request that costs too much; none where it cannot be split.

        Yields one outcome per request. The files stay in ``state_dir`` until :meth:`forget`.

        Raises
        ------
        SourceError : credentials or licence are missing: no request can succeed.
        """
        self._state_dir.mkdir(parents=True, exist_ok=True)
        orders = {request.name: _Order(request, [request]) for request in wanted}
        waiting = deque(wanted)
        active: list[_Job] = []
        try:
            while waiting or active:
                locked = self._take_up(waiting, active)
                for job in [job for job in active if job.due <= time.monotonic()]:
                    order = orders[job.request.name]
                    if order.given_up:
                        continue
                    try:
                        result = self._advance(job, check, split)
                    except _Hopeless:
                        raise
                    except SoilMoistureError as error:
                        order.given_up = True
                        yield CdsOutcome(order.request, error=error)
                        continue
                    if isinstance(result, Path):
                        order.files[job.request.name] = result
                        job.finished = True
                        if order.is_complete:
                            yield CdsOutcome(order.request, order.ordered_files)
                    elif result:
                        order.replace(job.request, result)
                        orders |= {part.name: order for part in result}
                        waiting.extendleft(reversed(result))
                        job.finished = True
                waiting = deque(request for request in waiting if not orders[request.name].given_up)
                for job in list(active):
                    if job.finished or orders[job.request.name].given_up:
                        active.remove(job)
                        job.lock.close()
                if locked or len(active) == self._at_once or not waiting:
                    now = time.monotonic()
                    due = [job.due for job in active] + [now + self._poll_seconds] * locked
                    time.sleep(max(0.0, min(due, default=now) - now))
        finally:
            self._end_silences(list(self._silences))
            for job in active:
                job.lock.close()

    def _take_up(self, waiting: deque[CdsRequest], active: list[_Job]) -> bool:
        """Fill the free places. Returns whether a request had to go to the end of the line, as another run has it."""
        locked = False
        for _ in range(min(len(waiting), self._at_once - len(active))):
            request = waiting.popleft()
            job = self._open(request)
            if job:
                active.append(job)
            else:
                waiting.append(request)
                locked = True
        return locked

    def forget(self, outcome: CdsOutcome) -> None:
        """Remove what is remembered of a request whose files have been taken."""
        stems = [outcome.request.name, *(path.stem for path in outcome.files)]
        for stem in stems:
            for path in self._state_dir.glob(f"{stem}*"):
                path.unlink(missing_ok=True)

    def _open(self, request: CdsRequest) -> _Job | None:
        """Take up a request where the last run left it; None while another process works on it."""
        lock = (self._state_dir / f"{request.name}.lock").open("w")
        try:
            try_to_hold(lock.fileno())
        except OSError:
            lock.close()
            return None
        self._remove_old(request)
        job = _Job(request, lock, poll=self._poll_seconds)
        state_file = self._state_dir / f"{request.name}.json"
        if state_file.is_file():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # damaged: it is queued again
                state = json.loads(state_file.read_text())
                job.intended, job.job_id = state["intended"], state["job_id"]
            if job.job_id:
                self._log(f"{request.name}: resuming job {job.job_id}")
        return job

    def _remove_old(self, request: CdsRequest) -> None:
        """Remove a download that nobody took for a day: the service may have newer values by now."""
        file = self._state_dir / f"{request.name}.zip"
        if file.is_file() and time.time() - file.stat().st_mtime > _LONGEST_KEPT.total_seconds():
            for suffix in (".zip", ".json"):
                file.with_suffix(suffix).unlink(missing_ok=True)

    def _advance(
        self, job: _Job, check: Callable[[CdsRequest, Path], None], split: Callable[[CdsRequest], Sequence[CdsRequest]]
    ) -> Path | list[CdsRequest] | None:
        """One look at a job: its file, its parts where it was split, or None while it goes on."""
        file = self._state_dir / f"{job.request.name}.zip"
        if file.is_file():
            return file
        if (self._state_dir / f"{job.request.name}.split").exists():
            return list(split(job.request))
        try:
            if job.job_id is None:
                self._asked("submissions", lambda: self._submit(job))
                job.due = time.monotonic() + min(self._poll_seconds, 0.1)
                return None
            if not self._asked("queue", lambda: self._is_ready(job)):
                if time.monotonic() - job.started > LONGEST_QUEUED.total_seconds():
                    raise SourceUnavailable(
                        f"{job.request.name}: still {job.status} after {LONGEST_QUEUED.days} days.\n"
                        "  The next run takes up the job."
                    )
                job.due = time.monotonic() + job.poll
                job.poll = min(job.poll * 1.5, _LONGEST_POLL)
                return None
            self._asked("downloads", lambda: self._download(job, file, check))
            return file
        except _Troubled as troubled:
            return self._troubled(job, troubled, split)

    def _asked(self, step: str, ask: Callable[[], Any]) -> Any:
        """Ask for something of one kind; each has a clock, and the whole service.

        Raises
        ------
        _Troubled : it was no success. SourceUnavailable : this kind or all of the service is dead.
        MachineError : this machine could not store what came.
        """
        names = (SERVICE, f"{SERVICE}, {step}")
        clocks = [self._patience.of(name) for name in names]
        with contextlib.ExitStack() as asking:
            for clock in clocks:
                asking.enter_context(clock.asking())
            try:
                found = ask()
            except (SourceUnavailable, _Hopeless):
                raise
            except Exception as error:  # whatever the client raises on answers that are not what it expects
                if (machine := trouble_of_machine(error)) is not None:
                    raise machine from None
                trouble, words = _understood(error, self._key)
                if trouble != "busy":
                    self._heard(clocks)
                elif over := [clock.over(reason_of(words)) for clock in clocks if clock.left <= 0]:
                    raise over[0] from None
                else:
                    for clock in clocks:
                        if clock.service not in self._silences:  # its time runs on between attempts
                            self._silences[clock.service] = contextlib.ExitStack()
                            self._silences[clock.service].enter_context(clock.asking())
                raise _Troubled(trouble, words, min(clock.left for clock in clocks)) from None
            self._heard(clocks)
            return found

    def _heard(self, clocks: Sequence[Clock]) -> None:
        """A usable answer came."""
        for clock in clocks:
            clock.answered()
        self._end_silences([clock.service for clock in clocks])

    def _end_silences(self, services: Sequence[str]) -> None:
        for service in services:
            if service in self._silences:
                self._silences.pop(service).close()

    def _submit(self, job: _Job) -> None:
        """Queue the job, unless an earlier attempt whose answer was lost did."""
        if job.intended:
            job.job_id = self._adopted(job)
        if job.job_id is None:
            job.intended = dt.datetime.now(dt.UTC).isoformat()
            self._remember(job)
            job.remote = self._connected().submit(job.request.dataset, job.request.inputs)
            job.job_id = str(job.remote.request_id)
            self._log(f"{job.request.name}: queued as job {job.job_id}")
        self._remember(job)

    def _adopted(self, job: _Job) -> str | None:
        """The job that an interrupted run queued without learning its id, if there is one."""
        since = dt.datetime.fromisoformat(str(job.intended)) - _SUBMISSION_MARGIN
        listing = self._connected().get_jobs(limit=100, sortby="-created").json
        for entry in listing.get("jobs", []):
            created = dt.datetime.fromisoformat(entry["created"].replace("Z", "+00:00"))
            created = created if created.tzinfo else created.replace(tzinfo=dt.UTC)
            usable = entry["status"] in ("accepted", "running", "successful")
            if not usable or created < since or entry["processID"] != job.request.dataset:
                continue
            found = entry.get("metadata", {}).get("request", {}).get("ids")
            found = found or self._connected().get_remote(entry["jobID"]).request
            if _same(found, job.request.inputs):
                self._log(f"{job.request.name}: found its job {entry['jobID']} in the queue")
                return str(entry["jobID"])
        return None

    def _is_ready(self, job: _Job) -> bool:
        job.remote = job.remote or self._connected().get_remote(job.job_id)
        ready = bool(job.remote.results_ready)  # raises with the service's words where the job failed or was rejected
        if job.remote.last_status != job.status:
            job.status = str(job.remote.last_status)
            seconds = time.monotonic() - job.started
            self._log(f"{job.request.name}: {job.status} after {seconds:.0f} s (job {job.job_id})")
        if not ready:
            job.rejected_since = None
        return ready

    def _download(self, job: _Job, file: Path, check: Callable[[CdsRequest, Path], None]) -> None:
        """Download beside the file, check size and content, then rename: a file that exists is whole."""
        partial = file.with_suffix(".part")
        results = job.remote._make_results(wait=False)  # the public one would wait, for ever if the service lied
        download(self._session, results.location, partial, results.content_length, _TIMEOUT)
        check(job.request, partial)
        os.replace(partial, file)
        self._log(f"{job.request.name}: downloaded {file.stat().st_size / 1e6:.1f} MB")

    def _troubled(
        self, job: _Job, troubled: "_Troubled", split: Callable[[CdsRequest], Sequence[CdsRequest]]
    ) -> list[CdsRequest] | None:
        """Wait, queue again, split or give up, according to what went wrong."""
        trouble, words, name = troubled.trouble, troubled.words, job.request.name
        if trouble == "too large":
            parts = list(split(job.request))
            if parts:
                (self._state_dir / f"{name}.split").touch()
                self._log(f"{name}: costs too much for one request; split into {len(parts)}")
                return parts
            raise SourceError(f"{name}: the smallest possible request still costs too much.\n  {words}")
        if trouble == "unpublished":
            self._drop(job)
            raise SourceUnavailable(f"{name}: not published yet. {words}\n  The daily schedule will ask again.")
        if trouble == "final" or (trouble == "gone" and job.job_id is None):
            self._drop(job)
            raise SourceError(f"{name}: {SERVICE} refused it.\n  {words}")
        now = time.monotonic()
        if trouble == "rejected":
            job.rejected_since = job.rejected_since or now
            if now - job.rejected_since > LONGEST_REJECTED.total_seconds():
                waited = spoken(LONGEST_REJECTED.total_seconds())
                raise SourceUnavailable(f"{name}: its queue takes no job, for {waited} now.\n  {words}")
        if trouble in ("unusable", "gone"):
            job.unusable += 1
            if job.unusable >= _MOST_UNUSABLE:
                self._drop(job)
                keeps = "delivering unusable files" if trouble == "unusable" else "losing the job"
                raise SourceUnavailable(f"{name}: the service keeps {keeps}.\n  {words}")
        if trouble in ("rejected", "gone", "unusable"):
            self._drop(job)
        base = self._poll_seconds * (10 if trouble == "rejected" else 1)
        job.pause = min(max(job.pause * 2, base), _LONGEST_PAUSE)
        asked = re.search(r"wait (\d+) seconds", words)
        pause = max(job.pause, float(asked.group(1)) if asked else 0.0)
        if trouble == "busy":
            pause = min(pause, troubled.left)
        job.due = now + pause
        self._log(f"{name}: {trouble}, next attempt in {pause:.0f} s ({words.splitlines()[-1]})")
        return None

    def _drop(self, job: _Job) -> None:
        job.job_id, job.intended, job.remote, job.status, job.poll = None, None, None, "", self._poll_seconds
        self._remember(job)

    def _remember(self, job: _Job) -> None:
        file = self._state_dir / f"{job.request.name}.json"
        partial = file.with_suffix(".json.tmp")
        partial.write_text(json.dumps({"job_id": job.job_id, "intended": job.intended, "inputs": job.request.inputs}))
        os.replace(partial, file)

    def _connected(self) -> Any:
        """The datastores client behind ``cdsapi``. Raises _Hopeless where there is no account that can serve."""
        if self._client is None:
            import cdsapi

            try:
                account = self._account_of()
            except SoilMoistureError as error:
                raise _Hopeless(str(error)) from None
            self._key, self._session.home = account.key.get_secret_value(), account.url
            with warnings.catch_warnings():  # where its greeting is not answered; what is asked next will say so
                warnings.simplefilter("ignore", UserWarning)
                self._client = cdsapi.Client(
                    url=account.url,
                    key=self._key,
                    quiet=True,
                    progress=False,
                    timeout=_TIMEOUT,
                    retry_max=1,
                    wait_until_complete=False,
                    warning_callback=self._pass_on,
                    error_callback=self._pass_on,
                    session=self._session,
                ).client
        return self._client

    def _pass_on(self, words: object, *_: object) -> None:
        """What the service says to all its users."""
        self._log(without_secrets(reason_of(words), self._key))


def probe(url: str | None, key: str | None, dataset: str) -> str:
    """Look once whether the service knows the key and the dataset, and has a licence accepted; nothing is queued.

    Raises
    ------
    SourceError : no account that can serve, no licence, or another answer than one that a run could go on with.
    """
    import tempfile

    account = cds_account(url, key)
    with tempfile.TemporaryDirectory() as folder:
        queue = CdsQueue(account.url, account.key.get_secret_value(), Path(folder), patience=Patience(PROBE_SECONDS))

        def ask() -> None:
            client = queue._connected()
            client.check_authentication()
            client.get_process(dataset)
            if not client.get_accepted_licences():
                page = f"https://cds.climate.copernicus.eu/datasets/{dataset}?tab=download#manage-licences"
                raise _Hopeless(f"the licence of the dataset has not been accepted.\n  Accept it once at {page}")

        try:
            queue._asked("probe", ask)
        except _Troubled as troubled:
            words = reason_of(troubled.words)
            raise SourceUnavailable(f"{account.url}: {words}.\n  Check the address, or try again later.") from None
    return f"{account.url} answers, knows the key and {dataset}"


class _Hopeless(SourceError):
    """Nothing can be fetched until the user acts."""


class _Troubled(Exception):
    """An attempt without success: what it means, in the words of the service, and seconds until it counts as dead."""

    def __init__(self, trouble: Trouble, words: str, left: float) -> None:
        super().__init__(words)
        self.trouble, self.words, self.left = trouble, words, left


def _understood(error: Exception, key: str) -> tuple[Trouble, str]:
    """What an error of the service means, and its words. Raises _Hopeless for credentials and licences."""
    words = without_secrets(str(error).strip() or type(error).__name__, key)
    said = words.lower()
    response = error.response if isinstance(error, requests.HTTPError) else None
    status = response.status_code if response is not None else None
    if isinstance(error, SourceError):
        return "unusable", words
    if "licence" in said and status == 403:
        page = re.search(r"https?://\S+", words.split("\n", 1)[-1])
        where = page.group().rstrip(".,;") if page else "the dataset's download page"
        raise _Hopeless(f"the licence of the dataset has not been accepted.\n  Accept it once at {where}") from None
    if "cost limits exceeded" in said or "request is too large" in said:
        return "too large", words
    if status in (401, 403):
        raise _Hopeless(
            f"{SERVICE} does not accept the key.\n"
            "  Check SOILMOISTURE_CDS_KEY or ~/.cdsapirc against the token on your profile page."
        ) from None
    if "temporarily limited" in said or "has been rejected" in said:
        return "rejected", words
    if "available yet" in said or "returned no data" in said:
        return "unpublished", words
    if status == 404:
        return "gone", words
    if status is not None and status < 500 and status not in (408, 429):
        return "final", words
    return "busy", words if isinstance(error, requests.RequestException | RuntimeError) else reason_of(error)


def _same(found: dict[str, Any], inputs: dict[str, Any]) -> bool:
    """Whether a queued request is this one; the service may add defaults and turn single values into lists."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        items = value if isinstance(value, list) else [value]
        with contextlib.suppress(TypeError, ValueError):
            return [float(item) for item in items]
        return sorted(map(str, items))

    return all(key in found and plain(found[key]) == plain(value) for key, value in inputs.items())

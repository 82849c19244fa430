"""The order of runs: what is made in one, and when each begins.

Belongs here: stages of a graph, which of them can begin beside others, threads in which runs go on side by side. Not
here: what of a stage is out of date and how a run is launched (runs.py), how runs share workers (workers.py).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from soilmoisture_assets.defs.dagster_private import end_runs
from soilmoisture_assets.defs.workers import share_among
from soilmoisture_assets.store.graph import Graph, Partitioning

SECONDS_BETWEEN_BEGINNINGS = 4.0
K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """Assets of one partitioning that can run together; nothing of a level needs anything else of it, but what is made
    ``aside``."""

    level: int
    assets: tuple[str, ...]
    partitions: Partitioning | None
    aside: bool = False


def stages(graph: Graph, wanted: Collection[str], aside: Collection[str] = ()) -> list[Stage]:
    """Order the assets into runs, by their levels; ``aside`` are those that have runs of their own."""
    level = graph.levels

    def order(path: str) -> tuple[int, bool, str, str]:
        return level[path], path in aside, graph[path].partitions or "", graph[path].names_from or ""

    ordered = sorted((path for path in graph if path in wanted), key=order)
    return [
        Stage(level[members[0]], tuple(members), graph[members[0]].partitions, members[0] in aside)
        for members in (list(group) for _, group in groupby(ordered, key=order))
    ]


class Order:
    """When stages begin that go on side by side: each when all that it needs is made, by runs that may still go on.

    What is made aside fills the places that the others leave, and one at least is left to these. The report comes last:
    it tells of all that there is.
    """

    def __init__(
        self, graph: Graph, wanted: Collection[str], count: int, made: Callable[[Collection[str]], bool]
    ) -> None:
        self._graph, self._count, self._made = graph, count, made
        every = sorted(stages(graph, wanted, graph.aside), key=lambda stage: (stage.aside, stage.level))
        self._last = [stage for stage in every if graph[stage.assets[0]].layer == "report"]
        self._left = [stage for stage in every if stage not in self._last]

    def next(self, running: Collection[Stage]) -> Iterator[Stage]:
        """Stages to begin now; ``running`` are those that go on, also of what this has given."""
        for stage in list(self._left):
            if len(running) == self._count:
                return
            if self._can_begin(stage, running):
                self._left.remove(stage)
                yield stage
        if not self._left and not running:
            yield from self._last
            self._last = []

    def _can_begin(self, stage: Stage, running: Collection[Stage]) -> bool:
        others = [each for each in (*self._left, *running) if each != stage]
        if stage.aside:
            places = self._count if all(each.aside for each in others) else self._count - 1
            if len([each for each in running if each.aside]) >= places:
                return False
        needed = {parent for path in stage.assets for parent in self._graph.parents(path)}
        if any(needed.intersection(each.assets) for each in others if each not in running):
            return False
        of_running = {path for each in running for path in needed.intersection(each.assets)}
        return not of_running or self._made(of_running)


def side_by_side(begin: Callable[[Collection[K]], Iterable[tuple[K, Iterator[T]]]], count: int) -> Iterator[T]:
    """What iterators say as they say it, at most ``count`` of them at work in threads of their own.

    ``begin`` gives those that are to begin, by name, while others are running; it is asked again when one has ended,
    and now and then.
    """
    told: SimpleQueue[tuple[K, bool, Any]] = SimpleQueue()

    def tell(name: K, steps: Iterator[T]) -> None:
        error = None
        try:
            for step in steps:
                told.put((name, False, step))
        except BaseException as raised:
            error = raised
        finally:
            told.put((name, True, error))

    pool, running = ThreadPoolExecutor(count), dict[K, Future[None]]()
    try:
        while True:
            for name, steps in begin(running.keys()):
                share_among(len(running) + 1)
                running[name] = pool.submit(copy_context().run, tell, name, steps)
            share_among(len(running))
            if not running:
                break
            with suppress(Empty):
                ended = False
                while not ended:
                    name, ended, said = told.get(timeout=SECONDS_BETWEEN_BEGINNINGS)
                    if not ended:
                        yield said
                    elif said is not None:
                        raise said
                del running[name]
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        end_runs(lambda: not all(each.done() for each in running.values()))
        raise
    finally:
        share_among(1)
    pool.shutdown()

"""joblib on the batch scheduler: importing this registers joblib's backend ``gridmap``.

joblib has no entry points for backends; dask and ray are registered by an import too.
Install ``gridmap-core[joblib]``, on the nodes as well, then::

    import gridmap.joblib
    from joblib import parallel_config

    with parallel_config("gridmap", scheduler="sge", n_jobs=40):
        GridSearchCV(model, grid).fit(features, labels)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import joblib
from joblib._parallel_backends import (  # what dask's and ray's backends are made of
    AutoBatchingMixin,
    ParallelBackendBase,
    SequentialBackend,
)

from gridmap.executor import GridExecutor
from gridmap.resources import make_resources

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

MANY: Final = 100
"""What joblib is told of ``n_jobs=-1`` on a cluster. It hands out twice as many batches
ahead; how many runners there are is decided as for `gridmap.grid_map`."""


_JOBLIBS: Final = frozenset(
    {
        *("max_nbytes", "temp_folder", "mmap_mode", "prefer", "require", "verbose"),
        *("context", "idle_worker_timeout", "inner_max_num_threads"),
    }
)
"""What joblib tells every backend: of memory maps, which do not leave this machine."""


class GridmapBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc] # joblib has no types
    """Runs joblib's batches on a scheduler; made by joblib, used from its threads.

    Runners stay up from one `joblib.Parallel` to the next, for as long as the
    ``with parallel_config(...)`` that names the backend, and its `n_jobs`, last.

    Args:
        scheduler: Name of gridmap's backend, such as ``"sge"``; None: see
            `gridmap.grid_map`.
        nesting_level: joblib's.
        inner_max_num_threads: joblib's, and not supported.
        options: Anything else that `gridmap.GridExecutor` takes, such as ``resources``.
    """

    default_n_jobs = -1
    supports_retrieve_callback = True

    def __init__(
        self,
        scheduler: str | None = None,
        *,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads
        )
        self._scheduler = scheduler
        self._options = {"name": "joblib", **options}
        self._executor: GridExecutor | None = None
        self._wanted: dict[str, Any] = {}
        self._waiting: set[Future[Any]] = set()

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many batches are worked on at a time.

        Raises:
            ValueError: For 0, as every backend of joblib's.
        """
        if n_jobs == 0:
            msg = "n_jobs == 0 in Parallel has no meaning"
            raise ValueError(msg)
        if n_jobs is not None and n_jobs > 0:
            return n_jobs
        most = self._options.get("max_workers")
        if most is None:
            local = self._wanted.get("backend", self._scheduler) == "local"
            most = len(os.sched_getaffinity(0)) if local else MANY
        return max(1, int(most) + 1 + (n_jobs or -1))

    def configure(
        self,
        n_jobs: int | None = 1,
        parallel: Any = None,
        *,
        scheduler: str | None = None,
        **options: Any,
    ) -> int:
        """Get ready for a `joblib.Parallel`; return how many batches run at a time.

        What `Parallel` was given for its backend comes here and not to the constructor,
        among what joblib has to say itself.
        """
        self.parallel = parallel
        workers = n_jobs if n_jobs is not None and n_jobs > 0 else None
        given = {name: value for name, value in options.items() if name not in _JOBLIBS}
        wanted = {
            "max_workers": workers,
            **self._options,
            "backend": scheduler or self._scheduler,
            **given,
        }
        if self._executor is None or wanted != self._wanted:
            self._let_go()
            self._executor = GridExecutor(**wanted)
            self._wanted = wanted
        return self.effective_n_jobs(n_jobs)

    def submit(
        self,
        func: Callable[[], Any],
        callback: Callable[[Future[Any]], object] | None = None,
    ) -> Future[Any]:
        """Hand in one batch; its callback is called in a thread of the executor's."""
        if self._executor is None:
            msg = "joblib configures a backend before it submits; this one was not"
            raise RuntimeError(msg)
        future = self._executor.submit(_call, func)
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    apply_async = submit  # what joblib before 1.5 calls it

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """Return what a batch came to, or raise what it raised."""
        return out.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Take back what was handed in; runners stay for what may follow."""
        for future in list(self._waiting):
            future.cancel()
        if not ensure_ready:
            self._let_go()

    def terminate(self) -> None:
        """Forget a `joblib.Parallel` that is over; runners stay for the next."""
        self.reset_batch_stats()
        self.parallel = None  # which holds this: the last one to leave ends the run

    def get_nested_backend(self) -> tuple[Any, Any]:
        """Return what jobs get that use joblib themselves: threads on their cores."""
        if make_resources(self._options.get("resources")).cores > 1:
            nested: tuple[Any, Any] = super().get_nested_backend()
            return nested
        return SequentialBackend(nesting_level=(self.nesting_level or 0) + 1), None

    def _let_go(self) -> None:
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)


def _call(batch: Callable[[], Any]) -> Any:
    """Run a batch, which travels as an argument: functions are kept on the nodes."""
    return batch()


joblib.register_parallel_backend("gridmap", GridmapBackend)

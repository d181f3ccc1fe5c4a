"""A pool of worker processes that decodes images in order and survives worker crashes.

:mod:`multiprocessing` is not used for three reasons. Its workers import the caller's main script again. If a worker
crashes, the results of all workers are lost and the image is not reported. Workers cannot be stopped immediately.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from typing import IO, Any

from ganctl.data.decoding import Block, make_block
from ganctl.errors import DATA, RESOURCES, GanctlError
from ganctl.system.environment_errors import environment_error
from ganctl.system.processors import usable_processors

CHUNK = (
    32  # images per request: enough to make messages cheap, and few enough to decode in less than a second
)
MAX_CRASHES = 20


def decode(
    open_image: Callable[[str], Any],
    names: Sequence[str],
    size: int | None,
    channels: int | None,
    workers: int | None = None,
) -> Generator[tuple[int, Block], None, None]:
    """Yield blocks of decoded images in the order of ``names``, each with the position of the block's first name.

    To stop the workers early, close the generator (``contextlib.closing``). An exception in the consumer's thread,
    such as Ctrl-C, also stops the workers. An image that crashes a worker is reported as failed.

    Args:
        open_image: see :class:`ganctl.ImageFiles`.
        names: arguments for ``open_image``.
        size: see :func:`ganctl.data.decoding.to_array`.
        channels: see :func:`ganctl.data.decoding.decode`.
        workers: number of worker processes. By default, there is one per usable processor.

    Raises:
        GanctlError: ``open_image`` cannot be pickled, a worker does not start, or too many workers crash.
    """
    if not names:
        return
    try:
        setup = (size, channels, pickle.dumps(open_image))
    except Exception as error:
        raise _not_picklable(error) from error
    chunks = [list(names[start : start + CHUNK]) for start in range(0, len(names), CHUNK)]
    pool = _WorkerPool(setup, chunks, min(workers or usable_processors(), len(chunks)))
    try:
        yield from pool.blocks()
    finally:
        pool.shut_down()


class _WorkerPool:
    """A pool with one thread per worker. The thread sends chunks, receives blocks, and replaces a crashed worker."""

    def __init__(self, setup: Any, chunks: list[list[str]], workers: int) -> None:
        self._setup = setup
        self._chunks = chunks
        self._next_index = iter(range(len(chunks)))
        self._lock = threading.Lock()
        self._running: set[_Worker] = set()
        self._shut_down = False
        self._crashes = 0
        self._results: queue.SimpleQueue[tuple[int, Block] | Exception] = queue.SimpleQueue()
        self._free_slots = threading.Semaphore(
            4 * workers
        )  # limits the number of decoded chunks waiting to be consumed
        self._threads = [threading.Thread(target=self._run_thread, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def blocks(self) -> Generator[tuple[int, Block], None, None]:
        out_of_order: dict[int, Block] = {}
        for index in range(len(self._chunks)):
            while index not in out_of_order:
                result = self._results.get()
                if isinstance(result, Exception):
                    raise result
                out_of_order[result[0]] = result[1]
            yield index * CHUNK, out_of_order.pop(index)
            self._free_slots.release()

    def shut_down(self) -> None:
        with self._lock:
            self._shut_down = True
            for worker in self._running:
                worker.kill()
        self._free_slots.release(len(self._threads))
        for thread in self._threads:
            thread.join()

    def _run_thread(self) -> None:
        worker = None
        try:
            worker = self._start_worker()
            while True:
                self._free_slots.acquire()
                with self._lock:
                    index = None if self._shut_down else next(self._next_index, None)
                if index is None:
                    return
                names = self._chunks[index]
                try:
                    block = worker.decode(names)
                except _WorkerCrashedError:
                    worker, block = self._decode_individually(worker, names)
                self._results.put((index, block))
        except Exception as error:
            if not self._shut_down:
                self._results.put(error)
        finally:
            if worker:
                self._stop_worker(worker)

    def _decode_individually(self, worker: _Worker, names: list[str]) -> tuple[_Worker, Block]:
        """Decode ``names`` one by one after one of the images crashed a worker."""
        arrays, decoded, failed = [], [], []
        for position, name in enumerate(names):
            if worker.crashed:
                self._stop_worker(worker)
                worker = self._start_worker()
            try:
                block = worker.decode([name])
            except _WorkerCrashedError:
                failed.append((position, f"the process that decoded it {worker.exit_description()}"))
                self._count_crash(worker)
                continue
            failed += [(position, error) for _, error in block.failed]
            if block.pixels is not None:
                decoded.append(position)
                arrays += list(block.pixels)
        if worker.crashed:
            self._stop_worker(worker)
            worker = self._start_worker()
        return worker, make_block(arrays, decoded, failed)

    def _count_crash(self, worker: _Worker) -> None:
        with self._lock:
            self._crashes += 1
            if self._crashes > MAX_CRASHES and not self._shut_down:
                raise GanctlError(
                    f"Decoding stopped: {self._crashes} images crashed the process that decoded them. "
                    f"The last process {worker.exit_description()}.",
                    "If memory is low, close other programs. Otherwise, update Pillow.",
                    status=RESOURCES,
                )

    def _start_worker(self) -> _Worker:
        with self._lock:  # otherwise, shut_down() could miss this worker
            if self._shut_down:
                raise _WorkerCrashedError
            worker = _Worker()
            self._running.add(worker)
        worker.send_setup(self._setup)
        return worker

    def _stop_worker(self, worker: _Worker) -> None:
        with self._lock:
            self._running.discard(worker)
        worker.kill()
        worker.close()


class _WorkerCrashedError(Exception):
    pass


class _Worker:
    """A process that runs :func:`ganctl.data.decoding.run_worker`."""

    def __init__(self) -> None:
        self.crashed = False
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        # With the parent's sys.path, the worker can import all plugins that the parent can import.
        code = f"import sys; sys.path[:] = {sys.path!r}; from ganctl.data.decoding import run_worker; run_worker()"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # numpy's threads would be idle
                start_new_session=True,  # so that Ctrl-C in the terminal does not affect the worker
            )
        except OSError as error:
            known = environment_error(error)
            raise GanctlError(
                f"A worker process that decodes images could not be started: {error}.",
                known.hint if known else "",
                status=RESOURCES,
            ) from error

    def send_setup(self, setup: Any) -> None:
        try:
            problem = self._request(setup)
        except _WorkerCrashedError:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            message = lines[-1] if lines else "no message"
            raise GanctlError(
                f"A worker process that decodes images {self.exit_description()} when it started: {message}",
                f"Check whether this works: {sys.executable} -c 'import ganctl.data.decoding'",
            ) from None
        if problem:
            raise _not_picklable(problem)

    def decode(self, names: list[str]) -> Block:
        block: Block = self._request(names)
        return block

    def _request(self, message: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        try:
            pickle.dump(message, stdin, protocol=5)
            stdin.flush()
            return pickle.load(stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            self.crashed = True
            self._process.kill()
            self._process.wait()
            raise _WorkerCrashedError from None

    def exit_description(self) -> str:
        code = self._process.returncode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        return f"exited with status {code}"

    def kill(self) -> None:
        """Kill the process. Any thread may call this."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close the pipes. Only the thread that uses them may call this."""
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            try:
                if stream:
                    stream.close()
            except OSError:  # no process reads the remaining bytes
                pass


def _not_picklable(problem: object) -> GanctlError:
    return GanctlError(
        f"The function that opens the images of this dataset cannot be used in a worker process: {problem}",
        "ImageFiles.open must be a top-level function of a module that can be imported, or functools.partial "
        "of such a function. A lambda or a function defined in a notebook cannot be used.",
        status=DATA,
    )

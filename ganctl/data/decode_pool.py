"""Worker processes that decode pictures: in order, in parallel, and not stopped by one that crashes.

Not :mod:`multiprocessing`: its workers import the caller's main script again, a crash of one loses the work
of all without saying which picture did it, and they cannot be ended at once.
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

from ganctl.data.decoding import Block, joined
from ganctl.errors import DATA, RESOURCES, GanctlError
from ganctl.system.processors import usable_processors

CHUNK = 32  # pictures a request: far above the cost of a message, far below a second of decoding
MAX_CRASHES = 20


def decode(
    open_picture: Callable[[str], Any],
    names: Sequence[str],
    size: int | None,
    channels: int | None,
    workers: int | None = None,
) -> Generator[tuple[int, Block], None, None]:
    """Blocks of decoded pictures, in the order of ``names``, each with the position of its first name.

    Close the iterator (``contextlib.closing``) to end the workers early; an exception in the consumer's
    thread, such as Ctrl-C, ends them too. A picture on which a worker dies is reported as broken.

    Args:
        open_picture: see :class:`ganctl.ImageFiles`.
        names: what to decode.
        size: see :func:`ganctl.data.decoding.pixels`.
        channels: see :func:`ganctl.data.decoding.pixels`.
        workers: how many processes; by default one for each CPU that this process may use.

    Raises:
        GanctlError: ``open_picture`` cannot be sent to a worker, workers do not start, or all of them die.
    """
    if not names:
        return
    try:
        setup = (size, channels, pickle.dumps(open_picture))
    except Exception as error:
        raise _not_portable(error) from error
    chunks = [list(names[start : start + CHUNK]) for start in range(0, len(names), CHUNK)]
    crew = _Crew(setup, chunks, min(workers or usable_processors(), len(chunks)))
    try:
        yield from crew.blocks()
    finally:
        crew.end()


class _Crew:
    """A thread for each worker: it hands out chunks, waits for the answer and replaces a worker that died."""

    def __init__(self, setup: Any, chunks: list[list[str]], workers: int) -> None:
        self._setup = setup
        self._chunks = chunks
        self._next = iter(range(len(chunks)))
        self._lock = threading.Lock()
        self._running: set[_Worker] = set()
        self._ended = False
        self._crashes = 0
        self._answers: queue.SimpleQueue[tuple[int, Block] | Exception] = queue.SimpleQueue()
        self._room = threading.Semaphore(4 * workers)  # chunks that are decoded but not yet taken
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def blocks(self) -> Generator[tuple[int, Block], None, None]:
        early: dict[int, Block] = {}
        for index in range(len(self._chunks)):
            while index not in early:
                answer = self._answers.get()
                if isinstance(answer, Exception):
                    raise answer
                early[answer[0]] = answer[1]
            yield index * CHUNK, early.pop(index)
            self._room.release()

    def end(self) -> None:
        with self._lock:
            self._ended = True
            for worker in self._running:
                worker.kill()
        self._room.release(len(self._threads))
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        worker = None
        try:
            worker = self._start()
            while True:
                self._room.acquire()
                with self._lock:
                    index = None if self._ended else next(self._next, None)
                if index is None:
                    return
                names = self._chunks[index]
                try:
                    block = worker.ask(names)
                except _DiedError:
                    worker, block = self._one_by_one(worker, names)
                self._answers.put((index, block))
        except Exception as error:
            if not self._ended:
                self._answers.put(error)
        finally:
            if worker:
                self._stop(worker)

    def _one_by_one(self, worker: _Worker, names: list[str]) -> tuple[_Worker, Block]:
        """A worker died on these pictures: find the one it died on, and have the others decoded."""
        arrays, kept, broken = [], [], []
        for position, name in enumerate(names):
            if worker.dead:
                self._stop(worker)
                worker = self._start()
            try:
                block = worker.ask([name])
            except _DiedError:
                broken.append((position, f"the process that decoded it {worker.fate()}"))
                self._count_crash(worker)
                continue
            broken += [(position, why) for _, why in block.broken]
            if block.pixels is not None:
                kept.append(position)
                arrays += list(block.pixels)
        if worker.dead:
            self._stop(worker)
            worker = self._start()
        return worker, joined(arrays, kept, broken)

    def _count_crash(self, worker: _Worker) -> None:
        with self._lock:
            self._crashes += 1
            if self._crashes > MAX_CRASHES and not self._ended:
                raise GanctlError(
                    f"Decoding gave up: {self._crashes} pictures each ended the process that decoded them; "
                    f"the last one {worker.fate()}.",
                    "If memory is short, end other programs; else update Pillow.",
                    status=RESOURCES,
                )

    def _start(self) -> _Worker:
        with self._lock:  # so that end() misses none
            if self._ended:
                raise _DiedError
            worker = _Worker()
            self._running.add(worker)
        worker.greet(self._setup)
        return worker

    def _stop(self, worker: _Worker) -> None:
        with self._lock:
            self._running.discard(worker)
        worker.kill()
        worker.close()


class _DiedError(Exception):
    pass


class _Worker:
    def __init__(self) -> None:
        self.dead = False
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        # The parent's path, so that a plugin which it can import can be imported there too.
        start = f"import sys; sys.path[:] = {sys.path!r}; from ganctl.data.decoding import serve; serve()"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", start],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # numpy's threads would have nothing to do
                start_new_session=True,  # out of reach of the terminal's Ctrl-C
            )
        except OSError as error:
            raise GanctlError(
                f"A process to decode pictures could not be started: {error}", status=RESOURCES
            ) from error

    def greet(self, setup: Any) -> None:
        try:
            problem = self._exchange(setup)
        except _DiedError:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip().splitlines()
            why = said[-1] if said else "no message"
            raise GanctlError(
                f"A process to decode pictures {self.fate()} at its start: {why}",
                f"Does this work? {sys.executable} -c 'import ganctl.data.decoding'",
            ) from None
        if problem:
            raise _not_portable(problem)

    def ask(self, names: list[str]) -> Block:
        block: Block = self._exchange(names)
        return block

    def _exchange(self, message: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        try:
            pickle.dump(message, stdin, protocol=5)
            stdin.flush()
            return pickle.load(stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            self.dead = True
            self._process.kill()
            self._process.wait()
            raise _DiedError from None

    def fate(self) -> str:
        code = self._process.returncode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        return f"ended with status {code}"

    def kill(self) -> None:
        """From any thread."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Only from the thread that talks to it: another may be reading."""
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            try:
                if stream:
                    stream.close()
            except OSError:  # what was left to flush has nobody to go to
                pass


def _not_portable(problem: object) -> GanctlError:
    return GanctlError(
        f"The function that opens this dataset's pictures cannot be used in a worker process: {problem}",
        "Pictures.open must be a function at the top of a module that can be imported (or functools.partial "
        "of one): not a lambda, not one of a notebook's.",
        status=DATA,
    )

"""A process that takes one run of a sweep after the other and trains it, until none is left."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ganctl.errors import GanctlError, InUseError
from ganctl.sweeps.claim import Claim, take
from ganctl.sweeps.folder import Sweep, read
from ganctl.system.memory import free_memory
from ganctl.system.progress import NullReporter
from ganctl.system.signals import Interrupted, StopSignals

if TYPE_CHECKING:
    import torch

#: Exit status: a run failed in a way after which a fresh process is safer, as out of memory.
REPLACE = 75
#: Exit status: nothing can be done here at all; the last line on stderr is JSON and says why.
HOPELESS = 76
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_MEASUREMENTS = 10.0


def work(sweep: Sweep, stop: StopSignals, *, plugins: Sequence[str] = (), given: Mapping[str, Any]) -> int:
    """Train runs of ``sweep`` until every one has ended. Those that others work on are waited for: they may die.

    Args:
        plugins: files, as ``--plugin``.
        given: settings for this process, such as its device; only those that may change when a run goes on.

    Returns:
        0, or :data:`REPLACE`.

    Raises:
        Interrupted: a signal came; the run is saved.
    """
    import torch

    from ganctl.plugin import single_file

    torch.set_num_threads(sweep.threads)
    registry = single_file.registry_with(plugins)
    in_use: set[str] = set()  # by somebody who came by another road
    while True:
        stop.deferring = True
        stop.check()
        claim = take(sweep, skip=in_use, check=stop.check)
        if claim is None:
            if all(entry.end is not None for entry in sweep):
                return 0
            in_use.clear()
            _wait(stop)
            continue
        try:
            stop.deferring = False  # the training says from when on
            _train(claim, registry, given, stop)
        except InUseError:
            in_use.add(claim.entry.name)
            claim.released()
        except KeyboardInterrupt:
            stop.deferring = True
            claim.released()
            raise
        except Exception as error:
            stop.deferring = True
            from ganctl.plugin.failures import explain

            claim.failed(*explain(error))
            if not isinstance(error, GanctlError):
                return REPLACE
        else:
            claim.done()


def _train(claim: Claim, registry: Any, given: Mapping[str, Any], stop: StopSignals) -> None:
    import torch

    from ganctl.runs import resume
    from ganctl.training.devices import choose_device
    from ganctl.training.loop import train

    found = resume.find(claim.entry.run.path, registry, given, lambda text: None)
    device = choose_device(found.config.device)
    if device.type == "cuda":  # what the run before has left must not count as this one's
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    train(found.config, registry=registry, resume=found, reporter=_Memory(claim, device), stop=stop)


def _wait(stop: StopSignals) -> None:
    until = time.monotonic() + SECONDS_BETWEEN_LOOKS
    while time.monotonic() < until:
        stop.check()
        time.sleep(0.05)


class _Memory(NullReporter):
    """Says nothing, and tells in the worker's file how much memory the run takes."""

    def __init__(self, claim: Claim, device: torch.device) -> None:
        self._claim, self._device, self._due = claim, device, 0.0

    def show(self, values: Mapping[str, str]) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + SECONDS_BETWEEN_MEASUREMENTS
            self._claim.add(**measured(self._device))


def measured(device: torch.device) -> dict[str, int]:
    """Bytes that this process takes at most, and that are free where it takes them: on the GPU, or in the machine."""
    if device.type == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        return {"memory": torch.cuda.max_memory_reserved(device) + CUDA_CONTEXT, "free": free}
    try:
        import resource
    except ImportError:  # Windows
        return {}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    available = free_memory()
    taken = {"memory": peak if sys.platform == "darwin" else 1024 * peak}
    return taken if available is None else {**taken, "free": available}


CUDA_CONTEXT = 600 * 2**20  # of each process, outside what torch counts


def main(text: str, *, leave_with_parent: bool = True) -> int:
    """The life of a worker process: its exit status.

    Args:
        text: JSON of what :func:`work` takes, with ``folder``.
        leave_with_parent: stop, and save, when stdin ends; who started us holds the other end.
    """
    with StopSignals() as stop:
        stop.deferring = True
        if leave_with_parent:
            threading.Thread(target=_leave_with_parent, daemon=True).start()
        request = json.loads(text)
        try:
            sweep = read(request["folder"])
            return work(sweep, stop, plugins=request["plugins"], given=request["given"])
        except Interrupted as error:
            return error.status
        except GanctlError as error:
            said = {"message": error.message, "hint": error.hint, "status": error.status}
            print(json.dumps(said), file=sys.stderr)
            return HOPELESS


def _leave_with_parent() -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def command(request: Mapping[str, Any]) -> list[str]:
    """The command line of a worker process; the parent's path, so that what it can import can be imported there."""
    start = f"import sys; sys.path[:] = {sys.path!r}; from ganctl.sweeps.worker import main"
    return [sys.executable, "-c", f"{start}; sys.exit(main(sys.argv[1]))", json.dumps(request)]

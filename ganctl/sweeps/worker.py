"""A worker process. It claims and trains the runs of a sweep, one after the other, until all runs have ended."""

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
from ganctl.sweeps.claim_runs import Claim, claim_next
from ganctl.sweeps.folder import Sweep, read
from ganctl.system.memory import free_memory
from ganctl.system.progress import NullReporter
from ganctl.system.signals import Interrupted, StopSignals

if TYPE_CHECKING:
    import torch

#: Exit status after an unexpected error in a run, such as running out of memory. The next run needs a new process.
REPLACE = 75
#: Exit status if no run can be trained on this machine. The last line on stderr is the error, as JSON.
CANNOT_WORK = 76
POLL_INTERVAL = 1.0  # seconds
MEMORY_INTERVAL = 10.0  # seconds between two measurements
CUDA_CONTEXT = 600 * 2**20  # bytes that each process uses on the GPU in addition to torch's memory


def work(sweep: Sweep, stop: StopSignals, *, plugins: Sequence[str] = (), given: Mapping[str, Any]) -> int:
    """Train runs of ``sweep`` until all runs have ended.

    The function waits for the runs of other workers to end, because those workers may die.

    Args:
        plugins: plugin files, as ``--plugin``.
        given: settings for this process, such as ``device``. Only settings that may change on resume are allowed.

    Returns:
        0 or :data:`REPLACE`.

    Raises:
        Interrupted: a signal arrived. The run was saved.
    """
    import torch

    from ganctl.plugin import single_file

    torch.set_num_threads(sweep.threads)
    registry = single_file.registry_with(plugins)
    in_use: set[str] = set()  # runs that are trained outside the sweep, with ganctl train --resume
    while True:
        stop.deferring = True
        stop.check()
        claim = claim_next(sweep, skip=in_use, check=stop.check)
        if claim is None:
            if all(entry.end is not None for entry in sweep):
                return 0
            in_use.clear()
            _wait(stop)
            continue
        try:
            stop.deferring = False  # training itself defers signals once there is something to save
            _train(claim, registry, given, stop)
        except InUseError:
            in_use.add(claim.entry.name)
            claim.release()
        except KeyboardInterrupt:
            stop.deferring = True
            claim.release()
            raise
        except Exception as error:
            stop.deferring = True
            from ganctl.plugin.error_messages import explain

            claim.fail(*explain(error))
            if not isinstance(error, GanctlError):
                return REPLACE
        else:
            claim.finish()


def _train(claim: Claim, registry: Any, given: Mapping[str, Any], stop: StopSignals) -> None:
    import torch

    from ganctl.runs import resume
    from ganctl.training.devices import choose_device
    from ganctl.training.loop import train

    found = resume.find(claim.entry.run.path, registry, given, lambda text: None)
    device = choose_device(found.config.device)
    if device.type == "cuda":  # the memory of the previous run must not be attributed to this run
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    train(found.config, registry=registry, resume=found, reporter=_MemoryReporter(claim, device), stop=stop)


def _wait(stop: StopSignals) -> None:
    until = time.monotonic() + POLL_INTERVAL
    while time.monotonic() < until:
        stop.check()
        time.sleep(0.05)


class _MemoryReporter(NullReporter):
    """Reporter that prints nothing, and writes the run's memory use to the worker file."""

    def __init__(self, claim: Claim, device: torch.device) -> None:
        self._claim, self._device, self._due = claim, device, 0.0

    def show(self, values: Mapping[str, str]) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + MEMORY_INTERVAL
            self._claim.update(**measure_memory(self._device))


def measure_memory(device: torch.device) -> dict[str, int]:
    """Return the peak memory of this process and the free memory of ``device``, in bytes.

    The keys are ``memory`` and ``free``. A key is missing if the system does not report the number.
    """
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


def main(text: str, *, exit_with_parent: bool = True) -> int:
    """Run a worker process, and return its exit status.

    Args:
        text: JSON object with the arguments of :func:`work` and the sweep's path as ``folder``.
        exit_with_parent: if True, save and exit when stdin is closed. The parent process holds the other end of stdin.
    """
    with StopSignals() as stop:
        stop.deferring = True
        if exit_with_parent:
            threading.Thread(target=_exit_with_parent, daemon=True).start()
        request = json.loads(text)
        try:
            sweep = read(request["folder"])
            return work(sweep, stop, plugins=request["plugins"], given=request["given"])
        except Interrupted as error:
            return error.status
        except GanctlError as error:
            record = {"message": error.message, "hint": error.hint, "status": error.status}
            print(json.dumps(record), file=sys.stderr)
            return CANNOT_WORK


def _exit_with_parent() -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def command(request: Mapping[str, Any]) -> list[str]:
    """Return the command line of a worker process that uses the same ``sys.path``."""
    start = f"import sys; sys.path[:] = {sys.path!r}; from ganctl.sweeps.worker import main"
    return [sys.executable, "-c", f"{start}; sys.exit(main(sys.argv[1]))", json.dumps(request)]

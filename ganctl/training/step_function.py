"""Make the function that takes a step: from Python, or by replaying a graph."""

from __future__ import annotations

from collections.abc import Callable

from ganctl.system.signals import StopSignals
from ganctl.training.graph.host_syncs import HostSync, user_reads, watch_host_syncs
from ganctl.training.graph.warmup_and_replay import Steps, graph_factory
from ganctl.training.long_steps import MOST_UPDATES, draw_until_stopped, is_long
from ganctl.training.objectives import Due
from ganctl.training.state import Training


def make_step_function(t: Training, stop: StopSignals) -> Callable[[Due], None]:
    """Return the function that takes a step: from Python first, then by replaying a graph if the device has graphs.

    Each combination of regularizers that are due in a step has its own graph.
    """
    config, say = t.config, t.reporter.say
    long = is_long(config.n_critic)
    draw = draw_until_stopped(t.batches, stop) if long else t.batches.draw

    def device_step(due: Due) -> None:
        t.recorder.write(t.engine.step(draw, due), due)

    on_the_host = t.schedules.on_the_host()
    reason = f"{on_the_host[0]} is scheduled, and its optimizer keeps it in Python" if on_the_host else None
    if long:
        reason = f"a step has {config.n_critic:,} D updates, and a graph at most {MOST_UPDATES}"
        stop.notice = "Stopping after this D update. A step cannot be saved before its end."
    steps = Steps(
        device_step,
        t.engine,
        graph_factory(t.engine.device, compiled=config.compile) if config.graph else None,
        say,
        fallback_reason=reason,
        watch=not config.compile,
    )

    first = not config.compile  # torch.compile does not work under a watch

    def take_step(due: Due) -> None:
        nonlocal first
        if long:
            t.batches.position = t.step * t.images_per_step
        else:
            t.batches.prepare(t.step * t.images_per_step, t.images_per_step)
        if not first:
            steps(due)
            return
        first = False
        syncs: list[HostSync] = []
        with watch_host_syncs(syncs.append):
            device_step(due)
        for place in user_reads(syncs):
            say(f"warning: {place} reads a value from the device in every step, which stalls a GPU.")

    return take_step

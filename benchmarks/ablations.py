"""Measure the gain of each technique in the training step by disabling it: ``python benchmarks/ablations.py``.

Each variant is interleaved with the unchanged step. A value above 1 is the speedup due to the technique.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import interleaving
import machine_info
import torch
from compare import add_arguments
from measured_loops import Ganctl, Setting, data, original_images, synchronize
from textbook import endless_batches

from ganctl.kernels import linear
from ganctl.loss import Batch
from ganctl.training.engine import Engine
from ganctl.training.objectives import Due


def baseline(setting: Setting) -> Ganctl:
    """Use the unchanged step."""
    return Ganctl(setting)


def eager(setting: Setting) -> Ganctl:
    """Run every step eagerly, without a graph."""
    return Ganctl(setting, graph=False)


def channels_first(setting: Setting) -> Ganctl:
    """Use torch's default memory layout, which is channels first."""
    loop = Ganctl(setting)
    for network in (loop.engine.G, loop.engine.D):
        network.to(memory_format=torch.contiguous_format)
    return loop


def adam_default(setting: Setting) -> Ganctl:
    """Use torch.optim.Adam with default settings, which loops over the weights on a CPU."""
    return Ganctl(setting, {"optimizer": {"name": "adam", "fused": False}})


def adam_foreach(setting: Setting) -> Ganctl:
    """Use torch.optim.Adam with foreach=True."""
    return Ganctl(setting, {"optimizer": {"name": "adam", "foreach": True}})


class _TwoPasses(Engine):
    def update_generator(self, real: Batch, fake: Batch, due: Due = ()) -> dict[str, torch.Tensor]:
        return super().update_generator(real, self.generate(real, keep_graph=True), due)


def two_passes(setting: Setting) -> Ganctl:
    """Run G twice per step, once for the D step and once for the G step."""
    loop = Ganctl(setting)
    loop.engine.__class__ = _TwoPasses
    return loop


def d_not_frozen(setting: Setting) -> Ganctl:
    """Compute gradients of D's weights in the G step, where these gradients are not needed."""
    loop = Ganctl(setting)
    loop.engine._d_weights = []
    return loop


def data_loader(setting: Setting) -> Ganctl:
    """Decode and resize images one by one in a DataLoader, which cannot be part of a graph."""
    loop = Ganctl(setting)
    original = original_images(loop.config)
    batches = endless_batches(original.x, None, loop.images.shape.height, setting.batch_size)

    def draw() -> Batch:
        x, _ = next(batches)
        while len(x) < setting.batch_size:  # the last batch of an epoch is smaller
            x, _ = next(batches)
        return Batch(x.to(loop.device))

    loop.draw = draw
    return loop


def plain_layers(setting: Setting) -> Ganctl:
    """Apply the networks' layers one by one, without the cheaper equivalents."""
    loop = Ganctl(setting)
    G: Any = loop.engine.G
    D: Any = loop.engine.D
    if setting.model == "dcgan":
        G.forward = lambda z, y=None: G.layers(z[:, :, None, None])
        D.forward = lambda x, y=None: D.layers(x).flatten()
    else:
        G.forward = lambda z, y=None: G.layers(G.project(z).view(-1, *G.start))
    return loop


def return_freed_memory(setting: Setting) -> Ganctl:
    """Let the C library return freed memory to the system, which is the library's default."""
    with patch.object(linear, "keep_freed_memory"):
        return Ganctl(setting)


def default_linear(setting: Setting) -> Ganctl:
    """Use torch's default library for linear layers."""
    with patch.object(linear, "onednn_is_faster", return_value=False):
        return Ganctl(setting)


def one_thread(setting: Setting) -> Ganctl:
    """Use one CPU thread."""
    loop = Ganctl(setting)
    torch.set_num_threads(1)
    return loop


def bf16(setting: Setting) -> Ganctl:
    """Use ``--precision bf16``, which is not the default."""
    return Ganctl(setting, {"precision": "bf16"})


def control(setting: Setting) -> Ganctl:
    """Change nothing. The difference from 1 is the measurement error."""
    return Ganctl(setting)


CONVOLUTIONS = ("dcgan", "dcgan-upsample")
#: Maps each variant to the technique that it disables and the models to which it applies (empty: all models).
VARIANTS: dict[Callable[[Setting], Ganctl], tuple[str, tuple[str, ...]]] = {
    data_loader: ("images in one uint8 tensor", ()),
    eager: ("graph", ()),
    two_passes: ("one forward pass of G per step", ()),
    d_not_frozen: ("D frozen in the G step", ()),
    adam_default: ("fused Adam (against default)", ()),
    adam_foreach: ("fused Adam (against foreach)", ()),
    channels_first: ("channels_last", CONVOLUTIONS),
    plain_layers: ("cheaper equivalent layers", CONVOLUTIONS),
    return_freed_memory: ("freed memory kept", ()),
    default_linear: ("oneDNN for large linear layers", ()),
    one_thread: ("all threads (against one)", ()),
    bf16: ("fp32 (against bf16)", ()),
    control: ("control (no change)", ()),
}


def make_loop(
    setting: Setting, variant: Callable[[Setting], Ganctl]
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return one step of a variant, and a function that waits for the device."""
    loop = variant(setting)
    return loop.step, partial(synchronize, loop.device)


def measure(setting: Setting, **timing: Any) -> dict[str, float]:
    """Return the time of each variant divided by the time of the unchanged step."""
    variants = [v for v, (_, models) in VARIANTS.items() if not models or setting.model in models]
    makers = {v.__name__: partial(make_loop, setting, v) for v in (baseline, *variants)}
    times = interleaving.interleave(makers, **timing)
    return {v.__name__: interleaving.speedup(times[v.__name__], times["baseline"]) for v in variants}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    args = parser.parse_args()
    timing = {"rounds": args.rounds, "seconds": args.seconds, "clock": args.clock}
    machine = machine_info.describe(args.device, args.threads)
    print(
        f"{machine_info.format_line(machine)}\n{data()['data']['name']}, batch {args.batch_size}, {args.clock} time\n"
    )
    rows = {}
    for model in args.models:
        setting = Setting(model, args.batch_size, args.image_size, args.device, args.threads)
        rows[model] = measure(setting, **timing)
    print(f"{'':34}" + "".join(f"{model:>16}" for model in rows))
    for variant, (label, _) in VARIANTS.items():
        cells = [row.get(variant.__name__) for row in rows.values()]
        if any(cells):
            print(f"{label:34}" + "".join(f"{cell:16.2f}" if cell else " " * 16 for cell in cells))
    if args.json:
        result = {
            "machine": machine,
            "data": data()["data"]["name"],
            "batch_size": args.batch_size,
            **timing,
            "models": rows,
        }
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

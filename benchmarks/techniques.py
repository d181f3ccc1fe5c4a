"""What each technique of ganctl's step brings: ``python benchmarks/techniques.py`` undoes them one at a time.

Each variant runs beside the step as it is, in turn. Above 1: the technique brings that much.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import machine
import rounds
import torch
from compare import arguments
from subjects import Ganctl, Setting, data, original_images, synchronize
from textbook import endless

from ganctl.kernels import linear
from ganctl.loss import Batch
from ganctl.training.engine import Engine


def as_it_is(setting: Setting) -> Ganctl:
    return Ganctl(setting)


def from_python(setting: Setting) -> Ganctl:
    """Every step from Python, layer by layer."""
    return Ganctl(setting, graph=False)


def contiguous(setting: Setting) -> Ganctl:
    """Images and weights with the channels first, as torch makes them."""
    loop = Ganctl(setting)
    for network in (loop.engine.G, loop.engine.D):
        network.to(memory_format=torch.contiguous_format)
    return loop


def adam_by_default(setting: Setting) -> Ganctl:
    """torch.optim.Adam as it comes: on a CPU a loop over the weights."""
    return Ganctl(setting, {"optimizer": {"name": "adam", "fused": False}})


def adam_foreach(setting: Setting) -> Ganctl:
    return Ganctl(setting, {"optimizer": {"name": "adam", "foreach": True}})


class _TwoPasses(Engine):
    def update_generator(self, real: Batch, fake: Batch) -> dict[str, torch.Tensor]:
        return super().update_generator(real, self.generate(real.y, keep_graph=True))


def two_passes(setting: Setting) -> Ganctl:
    """The generator runs once for D's turn, and again for its own."""
    loop = Ganctl(setting)
    loop.engine.__class__ = _TwoPasses
    return loop


def d_not_frozen(setting: Setting) -> Ganctl:
    """D's weights get a gradient in G's turn that nobody uses."""
    loop = Ganctl(setting)
    loop.engine._d_weights = []
    return loop


def through_pil(setting: Setting) -> Ganctl:
    """Images decoded and resized one by one, batch after batch, by a DataLoader, which no graph can hold."""
    loop = Ganctl(setting)
    original = original_images(loop.config)
    batches = endless(original.x, None, loop.images.shape.height, setting.batch_size)

    def draw() -> Batch:
        x, _ = next(batches)
        while len(x) < setting.batch_size:  # the last of an epoch
            x, _ = next(batches)
        return Batch(x.to(loop.device))

    loop.draw = draw
    return loop


def as_layers_say(setting: Setting) -> Ganctl:
    """Upsampling, then convolution; projections as convolutions: the networks' layers one after another."""
    loop = Ganctl(setting)
    G: Any = loop.engine.G
    D: Any = loop.engine.D
    if setting.model == "dcgan":
        G.forward = lambda z, y=None: G.layers(z[:, :, None, None])
        D.forward = lambda x, y=None: D.layers(x).flatten()
    else:
        G.forward = lambda z, y=None: G.layers(G.project(z).view(-1, *G.start))
    return loop


def memory_given_back(setting: Setting) -> Ganctl:
    """The C library gives freed memory back to the system, as it is used to."""
    with patch.object(linear, "keep_freed_memory"):
        return Ganctl(setting)


def mkl(setting: Setting) -> Ganctl:
    """Linear layers by the library that torch chooses."""
    with patch.object(linear, "onednn_is_quicker", return_value=False):
        return Ganctl(setting)


def one_thread(setting: Setting) -> Ganctl:
    loop = Ganctl(setting)
    torch.set_num_threads(1)
    return loop


def bf16(setting: Setting) -> Ganctl:
    """``--precision bf16``, which is not the default."""
    return Ganctl(setting, {"precision": "bf16"})


def control(setting: Setting) -> Ganctl:
    """Nothing undone: how far this is from 1 is the error of all others."""
    return Ganctl(setting)


CONVOLUTIONS = ("dcgan", "dcgan-upsample")
#: Variant → what it undoes, and the models that it means anything to (none named: all).
VARIANTS: dict[Callable[[Setting], Ganctl], tuple[str, tuple[str, ...]]] = {
    through_pil: ("one uint8 tensor, in a graph", ()),
    from_python: ("a graph", ()),
    two_passes: ("G's graph used twice", ()),
    d_not_frozen: ("D frozen in G's turn", ()),
    adam_by_default: ("fused Adam, not torch's default", ()),
    adam_foreach: ("fused Adam, not foreach", ()),
    contiguous: ("channels_last", CONVOLUTIONS),
    as_layers_say: ("equal, cheaper layers", CONVOLUTIONS),
    memory_given_back: ("freed memory is kept", ()),
    mkl: ("oneDNN for large linear layers", ()),
    one_thread: ("all threads, not one", ()),
    bf16: ("fp32, not bf16", ()),
    control: ("control: the step against itself", ()),
}


def make_loop(
    setting: Setting, variant: Callable[[Setting], Ganctl]
) -> tuple[Callable[[], None], Callable[[], None]]:
    loop = variant(setting)
    return loop.step, partial(synchronize, loop.device)


def measure(setting: Setting, **how: Any) -> dict[str, float]:
    """How many times as slow each variant is as the step as it is."""
    variants = [v for v, (_, models) in VARIANTS.items() if not models or setting.model in models]
    makers = {v.__name__: partial(make_loop, setting, v) for v in (as_it_is, *variants)}
    times = rounds.interleaved(makers, **how)
    return {v.__name__: rounds.ratio(times[v.__name__], times["as_it_is"]) for v in variants}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    arguments(parser)
    given = parser.parse_args()
    how = {"rounds": given.rounds, "seconds": given.seconds, "clock": given.clock}
    about = machine.describe(given.device, given.threads)
    print(f"{machine.line(about)}\n{data()['data']['name']}, batch {given.batch_size}, {given.clock} time\n")
    rows = {}
    for model in given.models:
        setting = Setting(model, given.batch_size, given.image_size, given.device, given.threads)
        rows[model] = measure(setting, **how)
    print(f"{'':34}" + "".join(f"{model:>16}" for model in rows))
    for variant, (label, _) in VARIANTS.items():
        cells = [row.get(variant.__name__) for row in rows.values()]
        if any(cells):
            print(f"{label:34}" + "".join(f"{cell:16.2f}" if cell else " " * 16 for cell in cells))
    if given.json:
        result = {
            "machine": about,
            "data": data()["data"]["name"],
            "batch_size": given.batch_size,
            **how,
            "models": rows,
        }
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What every model, a recipe of components, must fulfil."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ganctl.config.resolve import resolve
from ganctl.config.settings import COMPONENTS
from ganctl.data.batches import Batches
from ganctl.dataset import Images
from ganctl.errors import GanctlError
from ganctl.plugin.registry import KINDS, Component, Registry
from ganctl.recipe import ImageShape, Model
from ganctl.testing.findings import Broken, Findings
from ganctl.training import setup
from ganctl.training.schedules import Schedules

STEPS = 3
BATCH = 4
CLASSES = 3
CPU = torch.device("cpu")


def check(
    model: str | Model,
    registry: Registry,
    findings: Findings,
    image: ImageShape | None,
    settings: Mapping[str, Any],
) -> None:
    """Say in ``findings`` what ``model`` does not fulfil."""
    name = model if isinstance(model, str) else model.name
    if isinstance(model, Model):
        registry = _with(registry, model)
    with findings.during("when its parts are put together"):
        config = resolve(registry, {"model": name, "data": "glyphs", "batch_size": BATCH}, settings).config
        image = image or ImageShape(1, *[config.image_size or 32] * 2)
        torch.manual_seed(0)
        images = Images(
            torch.randint(256, (3 * BATCH, *image), dtype=torch.uint8), torch.arange(3 * BATCH) % CLASSES
        )
        engine = setup.make_engine(registry, config, images, CPU)
        schedules = Schedules(config.schedules, engine, total_steps=STEPS)
    if findings.failures:
        return
    with findings.during("when it is trained"):
        batches = Batches(images, BATCH, seed=0, device=CPU)
        for step in range(STEPS):
            schedules.apply(step)
            report = engine.step(batches.next)
            for part, value in report.items():
                if not bool(value.isfinite()):
                    raise Broken(
                        f"has a {part} of {float(value)} after {step + 1} step{'s' * (step > 0)} on random images.",
                        "Lower the learning rate, or check its loss: ganctl.testing.check_loss.",
                    )
        if not engine.is_finite():
            raise Broken("has weights that are not finite after a few steps.", "Lower the learning rate.")
    with findings.during("when its state is saved and loaded"):
        engine.load_state_dict(engine.state_dict())


def missing_parts(model: Model, registry: Registry) -> list[GanctlError]:
    """An error for each component that ``model`` names and nobody registers."""
    errors = []
    for setting, kind in COMPONENTS.items():
        spec = getattr(model, setting, None)
        if spec is None or not hasattr(spec, "name"):
            continue
        try:
            registry.get(kind, spec.name).load()
        except GanctlError as error:
            errors.append(error)
    return errors


def _with(registry: Registry, model: Model) -> Registry:
    """``registry`` and ``model``, in a registry of its own."""
    wider = Registry()
    for kind in KINDS:
        for component in registry.all(kind):
            if (kind, component.name) != ("model", model.name):
                wider.add(component)
    wider.add(Component("model", model.name, model, model.summary, "given", "given", "0"))
    return wider

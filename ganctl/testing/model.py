"""Check a model, which is a combination of components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ganctl.config.resolve import resolve
from ganctl.config.settings import COMPONENTS
from ganctl.data.batches import Batches
from ganctl.dataset import Images
from ganctl.errors import GanctlError
from ganctl.plugin import discovery
from ganctl.plugin.registry import KINDS, Component, Registry
from ganctl.recipe import ImageShape, Model
from ganctl.testing.component_under_test import target_name
from ganctl.testing.failures import Broken, Failure, Findings
from ganctl.training import setup
from ganctl.training.schedules import Schedules

STEPS = 3
BATCH = 4
CLASSES = 3
CPU = torch.device("cpu")


def check_model(
    model: str | Model,
    /,
    *,
    image: ImageShape | None = None,
    registry: Registry | None = None,
    **settings: Any,
) -> list[Failure]:
    """Check that a model's components exist and are compatible, and that all values are finite after a few steps.

    Args:
        model: Its name or the :class:`ganctl.Model` itself.
        image: Shape of the random training images. By default, one channel at the model's image size or 32×32.
        registry: Registry in which names are looked up. By default, the registry of installed plugins.
        **settings: Settings that override the model's settings, such as ``generator={"width": 8}``. See
            :func:`ganctl.train`.
    """
    registry = registry or discovery.registry()
    findings = Findings(f"model '{target_name(model) if isinstance(model, str) else model.name}'")
    with findings.collect("when it is looked up"):
        recipe = registry.get("model", model).load() if isinstance(model, str) else model
        for error in _missing_components(recipe, registry):
            findings.add(f"names a component that does not exist: {error.message}", error.hint)
    if not findings.failures:
        _check(model, registry, findings, image, settings)
    return findings.failures


def _check(
    model: str | Model,
    registry: Registry,
    findings: Findings,
    image: ImageShape | None,
    settings: Mapping[str, Any],
) -> None:
    name = model if isinstance(model, str) else model.name
    if isinstance(model, Model):
        registry = _with_model(registry, model)
    with findings.collect("when it is built"):
        config = resolve(registry, {"model": name, "data": "glyphs", "batch_size": BATCH}, settings).config
        image = image or ImageShape(1, *[config.image_size or 32] * 2)
        torch.manual_seed(0)
        images = Images(
            torch.randint(256, (3 * BATCH, *image), dtype=torch.uint8), torch.arange(3 * BATCH) % CLASSES
        )
        engine = setup.make_engine(registry, config, images, CPU)
        schedules = Schedules(config.schedules, engine, total_steps=STEPS, ema_rampup=config.ema_rampup)
    if findings.failures:
        return
    with findings.collect("when it is trained"):
        batches = Batches(images, BATCH, seed=0, device=CPU)
        for step in range(STEPS):
            schedules.apply(step)
            report = engine.step(batches.next, engine.due(step))
            for part, value in report.items():
                if not bool(value.isfinite()):
                    raise Broken(
                        f"has a {part} of {float(value)} after {step + 1} step{'s' * (step > 0)} on random images.",
                        "Lower the learning rate, or check its loss: ganctl.testing.check_loss.",
                    )
        if not engine.is_finite():
            raise Broken("has infinite or NaN weights after a few steps.", "Lower the learning rate.")
    with findings.collect("when its state is saved and loaded"):
        engine.load_state_dict(engine.state_dict())


def _missing_components(model: Model, registry: Registry) -> list[GanctlError]:
    """Return an error for each component of ``model`` that is not registered."""
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


def _with_model(registry: Registry, model: Model) -> Registry:
    """Return a new registry that contains ``model`` and the components of ``registry``."""
    extended = Registry()
    for kind in KINDS:
        for component in registry.all(kind):
            if (kind, component.name) != ("model", model.name):
                extended.add(component)
    extended.add(Component("model", model.name, model, model.summary, "given", "given", "0"))
    return extended

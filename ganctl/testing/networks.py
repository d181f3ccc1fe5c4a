"""Checks shared by generators and discriminators."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.errors import GanctlError
from ganctl.latent import Latent
from ganctl.plugin.registry import Registry
from ganctl.recipe import ImageShape, Model, Spec
from ganctl.testing.component_under_test import Subject
from ganctl.testing.device import on_device
from ganctl.testing.failures import Broken, Findings
from ganctl.training import components

N = 3
CLASSES = 3
SIZES = (28, 32, 64)
Inputs = Callable[[ImageShape], tuple[Tensor, "Tensor | None"]]


def models_with(registry: Registry, subject: Subject) -> list[Model]:
    """Return the models that use the component ``subject``, with models from its own distribution first.

    A model from another distribution is omitted if its component name could refer to a component in that distribution.
    """
    own, others = [], []
    for component in registry.all("model"):
        model = component.load()
        if not isinstance(model, Model):
            continue
        used: tuple[Spec, ...] = (
            model.regularizers if subject.kind == "regularizer" else (getattr(model, subject.kind),)
        )
        names = [spec.name for spec in used if spec.name.rpartition(":")[2] == subject.name]
        if not names:
            continue
        if component.distribution == subject.distribution:
            own.append(model)
        elif len(registry.find(subject.kind, names[0])) == 1:
            others.append(model)
    return [*own, *others]


def make_latent(registry: Registry, spec: Spec) -> Latent:
    """Build the latent for checking networks and losses."""
    spec = components.resolve_options(registry, "latent", spec)
    return components.make_latent(registry, spec, ImageShape(1, SIZES[0], SIZES[0]))


def build(subject: Subject, image: ImageShape, latent: Latent, classes: int = CLASSES) -> nn.Module:
    """Build the network with a fixed seed.

    Raises:
        Broken: The factory does not return a torch.nn.Module.
    """
    torch.manual_seed(0)
    network = subject.make(image=image, latent=latent, num_classes=classes, condition=None)
    if not isinstance(network, nn.Module):
        raise Broken(
            f"is a {type(network).__name__}, not a torch.nn.Module.",
            "Return a torch.nn.Module from its factory.",
        )
    return network


def check_sizes(
    subject: Subject,
    findings: Findings,
    latent: Latent,
    sizes: Sequence[int],
    inputs: Inputs,
    check_output: Callable[[nn.Module, ImageShape, Any], None],
) -> ImageShape | None:
    """Check that the network supports or rejects each size, and return the smallest supported image shape."""
    supported, rejection = [], ""
    for channels in (1, 3):
        for size in sizes:
            image = ImageShape(channels, size, size)
            with findings.collect(f"for images of {image}"):
                try:
                    network = build(subject, image, latent)
                except GanctlError as error:
                    rejection = f"{error.message} {error.hint}".strip()
                    continue
                check_output(network, image, network(*inputs(image)))
                supported.append(image)
            if findings.failures:
                return None  # the next size would have the same failure
    if not supported:
        findings.add(
            f"does not support images of {', '.join(map(str, sizes))} pixels: {rejection}",
            "Give a supported size: sizes=(48,).",
        )
        return None
    image = min(supported, key=lambda image: image.height)
    with findings.collect("for data without labels"):
        try:
            network = build(subject, image, latent, classes=0)
        except GanctlError:
            pass  # a network that needs labels may reject data without labels
        else:
            check_output(network, image, network(inputs(image)[0], None))
    return image


def check_module(
    subject: Subject, findings: Findings, image: ImageShape, latent: Latent, inputs: Inputs
) -> None:
    """Check a network's behavior with seeds, gradients, saved state, copies, eval mode and autocast."""

    def new() -> nn.Module:
        return build(subject, image, latent)

    torch.manual_seed(2)
    x, y = inputs(image)
    with findings.collect("when it is built twice"):
        first, second = new().state_dict(), new().state_dict()
        if first.keys() != second.keys() or any(not torch.equal(first[k], second[k]) for k in first):
            raise Broken(
                "has different weights with the same seed.",
                "Initialize them only with torch's random number generator, not with random or numpy.",
            )
    with findings.collect("when it is called twice"):
        _check_repeatable(new(), x, y)
    with findings.collect("when it is trained"):
        _check_gradients(new().train(), x, y)
    with findings.collect("when its state is saved and loaded"):
        _check_state(new().train(), new(), x, y)
    with findings.collect("when it is copied"):
        network = new()
        _check_same_outputs(
            network, copy.deepcopy(network), x, y,
            "produces different outputs when it is copied with copy.deepcopy.",
            "Do not keep references to tensors of other modules. The averaged generator is a copy of this kind.",
        )  # fmt: skip
    with findings.collect("in eval mode without gradients"):
        network = new().eval()
        with torch.inference_mode():
            if any(output.requires_grad for output in tensors(network(x, y))):
                raise Broken("enables gradients itself.", "Remove torch.enable_grad().")
    with findings.collect("under bf16 autocast"):
        network = new().train()
        with torch.autocast("cpu", torch.bfloat16):
            outputs = tensors(network(x, y))
        if not all(bool(output.isfinite().all()) for output in outputs):
            raise Broken(
                "produces infinite or NaN outputs under bf16 autocast.",
                "Compute sums of many terms in float32.",
            )


def _check_repeatable(network: nn.Module, x: Tensor, y: Tensor | None) -> None:
    before = x.clone()
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        outputs.append(tensors(copy.deepcopy(network)(x, y)))
    if not _equal(*outputs):
        raise Broken(
            "produces different outputs with the same seed.",
            "Draw noise only with torch's random number generator, and store state in buffers.",
        )
    if not torch.equal(before, x):
        raise Broken("changes its input.", "Do not use in-place operations on its arguments.")


def _has_methods_of_its_own(network: nn.Module) -> bool:
    names = {
        name for cls in type(network).__mro__ if not cls.__module__.startswith("torch.") for name in vars(cls)
    }
    inherited = {*dir(nn.Module), "forward", "parameter_groups"}
    return any(
        callable(getattr(network, name, None)) for name in names - inherited if not name.startswith("_")
    )


def _check_gradients(network: nn.Module, x: Tensor, y: Tensor | None) -> None:
    with on_device("in its forward or backward pass"):
        # Use random weights, because the sum of a normalized output may be constant.
        outputs = tensors(network(x, y))
        torch.stack([(output * torch.randn_like(output)).sum() for output in outputs]).sum().backward()
    weights = [(name, weight) for name, weight in network.named_parameters() if weight.requires_grad]
    unused = [name for name, weight in weights if weight.grad is None]
    if unused and not _has_methods_of_its_own(network):  # a loss may call them, for example an encoder
        raise Broken(
            f"has weights without a gradient: {', '.join(unused[:3])}{', …' * (len(unused) > 3)}.",
            "Use them in forward, or remove them.",
        )
    gradients = [(name, weight.grad) for name, weight in weights if weight.grad is not None]
    infinite = [name for name, gradient in gradients if not gradient.isfinite().all()]
    if infinite:
        raise Broken(
            f"has an infinite or NaN gradient of {infinite[0]}.",
            "Keep the arguments of square roots away from 0.",
        )


def _check_state(trained: nn.Module, fresh: nn.Module, x: Tensor, y: Tensor | None) -> None:
    trained(x, y)
    with torch.no_grad():
        for weight in trained.parameters():
            weight.add_(0.01)
    saved = io.BytesIO()
    torch.save(trained.state_dict(), saved)
    saved.seek(0)
    fresh.load_state_dict(torch.load(saved, weights_only=True))
    _check_same_outputs(
        trained, fresh, x, y,
        "produces different outputs after its state is saved and loaded.",
        "Store its whole state in parameters and buffers, not in other attributes.",
    )  # fmt: skip


def _check_same_outputs(
    network: nn.Module, other: nn.Module, x: Tensor, y: Tensor | None, problem: str, remedy: str
) -> None:
    """Raise :class:`Broken` if the two networks produce different outputs in eval mode."""
    with torch.no_grad():
        torch.manual_seed(4)
        first = tensors(network.eval()(x, y))
        torch.manual_seed(4)
        second = tensors(other.eval()(x, y))
    if not _equal(first, second):
        raise Broken(problem, remedy)


def tensors(output: Any) -> list[Tensor]:
    """Return the tensors in a network's output."""
    return [output] if isinstance(output, Tensor) else list(output)


def describe(value: Any) -> str:
    """Describe the type of ``value``, or the dtype and shape of a tensor."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, tuple):
        return f"({', '.join(map(describe, value))})"
    return f"a {type(value).__name__}"


def _equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))

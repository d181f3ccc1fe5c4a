"""What every generator and every discriminator must fulfil."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.errors import GanctlError
from ganctl.latent import Latent
from ganctl.loss import Batch
from ganctl.plugin.registry import Registry
from ganctl.recipe import ImageShape, Model, Spec
from ganctl.testing.device import on_device
from ganctl.testing.findings import Broken, Findings, Subject
from ganctl.training import components

N = 3
CLASSES = 3
Inputs = Callable[[ImageShape], tuple[Tensor, "Tensor | None"]]


def check_generator(
    subject: Subject,
    registry: Registry,
    findings: Findings,
    sizes: Sequence[int],
    latent_spec: Spec | None,
) -> None:
    """Say in ``findings`` what ``subject`` does not fulfil."""
    if latent_spec is None:
        models = _models(registry, lambda model: model.generator.name == subject.name)
        latent_spec = models[0].latent if models else Spec("normal", z_dim=8)
    latent = components.make_latent(registry, latent_spec)

    def inputs(image: ImageShape) -> tuple[Tensor, Tensor | None]:
        return latent.sample(N, "cpu"), torch.arange(N) % CLASSES

    def right(network: nn.Module, image: ImageShape, x: Any) -> None:
        if not isinstance(x, Tensor) or x.shape != (N, *image) or not x.is_floating_point():
            raise Broken(
                f"answers {N} latents with {_shape(x)} where images of {image} are asked for: "
                f"it should be float {(N, *image)}.",
                "Build its last layer from the argument 'image': image.channels, image.height, image.width.",
            )
        furthest = float(x.detach().abs().max())
        if furthest > 1 + 1e-6 and not getattr(network, "unbounded", False):
            raise Broken(
                f"draws x as far as {furthest:.3g} from 0, beyond [−1, 1].",
                "End it with tanh; or, if its paper has it so, give the module the attribute unbounded = True.",
            )

    image = _try_sizes(subject, findings, latent, sizes, inputs, right)
    if image is None or findings.failures:
        return
    _check_module(subject, findings, image, latent, inputs)
    with findings.during("in eval mode"):
        G = _build(subject, image, latent).eval()
        z, y = inputs(image)
        with torch.inference_mode():
            together = G(z, y)
            alone = G(z[:1], None if y is None else y[:1])
        if not torch.allclose(together[:1], alone, atol=1e-4, rtol=1e-3):
            raise Broken(
                "draws another picture of the same z when others are drawn beside it, in eval mode.",
                "Let no statistic of the batch decide in eval mode, as torch.nn.BatchNorm2d does.",
            )


def check_discriminator(
    subject: Subject, registry: Registry, findings: Findings, sizes: Sequence[int], loss: Any
) -> None:
    """Say in ``findings`` what ``subject`` does not fulfil. ``loss`` is what it answers something else than logits."""
    latent_spec = Spec("normal", z_dim=8)
    for model in _models(registry, lambda model: model.discriminator.name == subject.name):
        loss, latent_spec = loss or model.loss, model.latent
        break
    if isinstance(loss, str):
        loss = Spec(loss)
    latent = components.make_latent(registry, latent_spec)

    def inputs(image: ImageShape) -> tuple[Tensor, Tensor | None]:
        return torch.rand(N, *image) * 2 - 1, torch.arange(N) % CLASSES

    def right(network: nn.Module, image: ImageShape, answer: Any) -> None:
        if isinstance(answer, Tensor) and answer.shape == (N,):
            return
        if loss is None:
            raise Broken(
                f"answers {N} images with {_shape(answer)}: it should be {N} logits, a tensor of shape ({N},).",
                "End it with .squeeze(1) or .flatten(). If it belongs to a loss of its own: "
                "check_discriminator(…, loss='its-name').",
            )

    image = _try_sizes(subject, findings, latent, sizes, inputs, right)
    if image is None or findings.failures:
        return
    _check_module(subject, findings, image, latent, inputs)
    with findings.during("when a gradient penalty is taken of it"):
        _check_twice(_build(subject, image, latent), *inputs(image))
    if loss is not None:
        with findings.during(f"with the loss '{getattr(loss, 'name', 'given')}'"):
            D = _build(subject, image, latent)
            x, y = inputs(image)
            made = components.build(registry, "loss", loss, num_classes=CLASSES, latent=latent)
            value, _ = made.discriminator_loss(D, Batch(x, y), Batch(x.flip(0), y, latent.sample(N, "cpu")))
            if not bool(value.isfinite()):
                raise Broken(f"makes the loss '{loss.name}' {float(value)}.", "Start with smaller weights.")


def _models(registry: Registry, wanted: Callable[[Model], bool]) -> list[Model]:
    models = [component.load() for component in registry.all("model")]
    return [model for model in models if isinstance(model, Model) and wanted(model)]


def _build(subject: Subject, image: ImageShape, latent: Latent, classes: int = CLASSES) -> nn.Module:
    torch.manual_seed(0)
    made = subject.make(image=image, latent=latent, num_classes=classes)
    if not isinstance(made, nn.Module):
        raise Broken(
            f"is a {type(made).__name__}, not a torch.nn.Module.",
            "Return a torch.nn.Module from its factory.",
        )
    return made


def _try_sizes(
    subject: Subject,
    findings: Findings,
    latent: Latent,
    sizes: Sequence[int],
    inputs: Inputs,
    right: Callable[[nn.Module, ImageShape, Any], None],
) -> ImageShape | None:
    """The smallest image that is served; every size is served, or refused in words."""
    served, refused = [], ""
    for channels in (1, 3):
        for size in sizes:
            image = ImageShape(channels, size, size)
            with findings.during(f"for images of {image}"):
                try:
                    network = _build(subject, image, latent)
                except GanctlError as error:
                    refused = f"{error.message} {error.hint}".strip()
                    continue
                right(network, image, network(*inputs(image)))
                served.append(image)
            if findings.failures:
                return None  # the next size would tell the same
    if not served:
        findings.say(
            f"serves no image of {', '.join(map(str, sizes))} pixels: {refused}",
            "Name a size that it serves: sizes=(48,).",
        )
        return None
    image = min(served, key=lambda image: image.height)
    with findings.during("for data without labels"):
        try:
            network = _build(subject, image, latent, classes=0)
        except GanctlError:
            pass  # one that needs labels says so
        else:
            right(network, image, network(inputs(image)[0], None))
    return image


def _check_module(
    subject: Subject, findings: Findings, image: ImageShape, latent: Latent, inputs: Inputs
) -> None:
    """What holds for any network of ganctl."""

    def new() -> nn.Module:
        return _build(subject, image, latent)

    torch.manual_seed(2)
    x, y = inputs(image)
    with findings.during("when it is built twice"):
        first, second = new().state_dict(), new().state_dict()
        if first.keys() != second.keys() or any(not torch.equal(first[k], second[k]) for k in first):
            raise Broken(
                "has other weights each time, under one seed.",
                "Draw them from torch's random numbers alone, not from random or numpy.",
            )
    with findings.during("when it is called twice"):
        network = new()
        given = x.clone()
        answers = []
        for _ in range(2):
            torch.manual_seed(3)
            answers.append(_tensors(copy.deepcopy(network)(x, y)))
        if not _equal(*answers):
            raise Broken(
                "answers differently each time, under one seed.",
                "Draw noise from torch's random numbers alone, and keep what it remembers in buffers.",
            )
        if not torch.equal(given, x):
            raise Broken("changes its input.", "Leave its arguments as they are: no in-place operation.")
    with findings.during("when it is trained"):
        network = new().train()
        with on_device("in its forward or backward pass"):
            # Of random weight each, so that a normalized output does not add up to a constant.
            outputs = _tensors(network(x, y))
            torch.stack([(answer * torch.randn_like(answer)).sum() for answer in outputs]).sum().backward()
        lost = [
            name
            for name, weight in network.named_parameters()
            if weight.requires_grad and weight.grad is None
        ]
        if lost:
            raise Broken(
                f"has weights that no gradient reaches: {', '.join(lost[:3])}{', …' * (len(lost) > 3)}.",
                "Use them in forward, or leave them out.",
            )
        infinite = [
            n for n, w in network.named_parameters() if w.grad is not None and not w.grad.isfinite().all()
        ]
        if infinite:
            raise Broken(f"has a gradient that is not finite, of {infinite[0]}.", "Keep roots away from 0.")
    with findings.during("when its state is saved and loaded"):
        trained, fresh = new().train(), new()
        trained(x, y)
        with torch.no_grad():
            for weight in trained.parameters():
                weight.add_(0.01)
        saved = io.BytesIO()
        torch.save(trained.state_dict(), saved)
        saved.seek(0)
        fresh.load_state_dict(torch.load(saved, weights_only=True))
        _same_in_eval(
            trained, fresh, x, y,
            "answers differently after its state was saved and loaded.",
            "Keep everything that decides in parameters and buffers, not in plain attributes.",
        )  # fmt: skip
    with findings.during("when it is copied"):
        network = new()
        _same_in_eval(
            network, copy.deepcopy(network), x, y,
            "answers differently when it is copied with copy.deepcopy.",
            "Keep no reference to other modules' tensors: the averaged generator is such a copy.",
        )  # fmt: skip
    with findings.during("in eval mode without gradient"):
        network = new().eval()
        with torch.inference_mode():
            if any(answer.requires_grad for answer in _tensors(network(x, y))):
                raise Broken("turns gradients on by itself.", "Leave out torch.enable_grad().")
    with findings.during("under bf16 autocast"):
        network = new().train()
        with torch.autocast("cpu", torch.bfloat16):
            answers = [_tensors(network(x, y))]
        if not all(bool(answer.isfinite().all()) for answer in answers[0]):
            raise Broken("is not finite under bf16 autocast.", "Keep sums of many terms in float32.")


def _check_twice(D: nn.Module, x: Tensor, y: Tensor | None) -> None:
    x = x.clone().requires_grad_()
    answer = torch.stack([part.float().mean() for part in _tensors(D(x, y))]).sum()
    (gradient,) = torch.autograd.grad(answer, x, create_graph=True)
    penalty = gradient.square().sum()
    if not penalty.requires_grad:
        raise Broken(
            "cannot be differentiated twice: a gradient penalty (wgan-gp, r1) would train nothing.",
            "Use torch's own operations; an autograd.Function needs a backward that can be differentiated.",
        )
    penalty.backward()


def _same_in_eval(
    one: nn.Module, other: nn.Module, x: Tensor, y: Tensor | None, problem: str, remedy: str
) -> None:
    with torch.no_grad():
        torch.manual_seed(4)
        first = _tensors(one.eval()(x, y))
        torch.manual_seed(4)
        second = _tensors(other.eval()(x, y))
    if not _equal(first, second):
        raise Broken(problem, remedy)


def _tensors(answer: Any) -> list[Tensor]:
    return [answer] if isinstance(answer, Tensor) else list(answer)


def _equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def _shape(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_shape, value))})"
    return f"a {type(value).__name__}"

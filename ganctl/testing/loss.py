"""What every loss must fulfil."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ganctl.errors import GanctlError
from ganctl.latent import Latent
from ganctl.loss import Batch, Loss
from ganctl.plugin.registry import Registry
from ganctl.recipe import ImageShape, Model, Spec
from ganctl.testing.device import on_device
from ganctl.testing.findings import Broken, Findings, Subject
from ganctl.training import components

BATCH = 6
CLASSES = 3
SIZES = (12, 28, 32, 64)  # the first that the discriminator serves
D_TURN, G_TURN = "in D's turn", "in G's turn"


class World(NamedTuple):
    """A loss with all that it is called with."""

    loss: Loss
    D: nn.Module
    real: Batch
    fake: Batch


def check(
    subject: Subject, registry: Registry, findings: Findings, discriminator: Any, latent_spec: Spec | None
) -> None:
    """Say in ``findings`` what ``subject`` does not fulfil."""
    discriminator, latent_spec = _company(registry, subject, discriminator, latent_spec)

    def world(channels: int, labels: bool = True) -> World:
        return _world(subject, registry, discriminator, latent_spec, channels, labels)

    with findings.during("when it is built"):
        made = world(1).loss
        if not isinstance(made, Loss):
            raise Broken(
                f"is a {type(made).__name__}, not a ganctl.Loss.", "Derive its class from ganctl.Loss."
            )
    if findings.failures:
        return
    for channels in (1, 3):
        with findings.during(f"for images of {channels} channel{'s' * (channels > 1)}"):
            here = world(channels)
            _check_d_turn(here, findings)
            _check_g_turn(here, findings)
            with torch.no_grad():
                here.loss.constrain(here.D)
            if not _finite(here.D.parameters()):
                raise Broken("makes D's weights infinite in constrain(D).", "Keep them finite.")
    if findings.failures:
        return  # the rest is about finer points of a loss that works
    with findings.during("where it must stay on the device"):
        here = world(1)
        with on_device(D_TURN):
            here.loss.discriminator_loss(here.D, here.real, here.fake)[0].backward()
        with on_device("in constrain(D)"), torch.no_grad():
            here.loss.constrain(here.D)
        with on_device(G_TURN):
            here.loss.generator_loss(here.D, here.real, _with_graph(here.fake))[0].backward()
    with findings.during("under bf16 autocast"):
        _check_bf16(world(1))
    with findings.during("when its state is saved and loaded"):
        _check_state(world)
    with findings.during("for data without labels"):
        try:
            here = world(1, labels=False)
            here.loss.discriminator_loss(here.D, here.real, here.fake)
            here.loss.generator_loss(here.D, here.real, _with_graph(here.fake))
        except GanctlError:
            pass  # one that needs labels says so


def _company(
    registry: Registry, subject: Subject, discriminator: Any, latent_spec: Spec | None
) -> tuple[Any, Spec]:
    """The discriminator and the latent to try a loss with: as given, else of a model that names the loss."""
    if discriminator is None:
        for component in registry.all("model"):
            model = component.load()
            if isinstance(model, Model) and model.loss.name == subject.name:
                return model.discriminator, latent_spec or model.latent
    if isinstance(discriminator, str):
        discriminator = Spec(discriminator)
    return discriminator, latent_spec or Spec("normal", z_dim=4)


def _world(
    subject: Subject, registry: Registry, discriminator: Any, latent_spec: Spec, channels: int, labels: bool
) -> World:
    torch.manual_seed(0)
    classes = CLASSES if labels else 0
    z_of = components.make_latent(registry, latent_spec)
    loss = subject.make(num_classes=classes, latent=z_of)
    D, image = _discriminator(registry, discriminator, channels, classes, z_of)
    y = torch.arange(BATCH) % CLASSES if labels else None
    real = Batch(torch.rand(BATCH, *image) * 2 - 1, y)
    fake = Batch(torch.rand(BATCH, *image) * 2 - 1, y, z_of.sample(BATCH, "cpu"))
    return World(loss, D, real, fake)


def _discriminator(
    registry: Registry, chosen: Any, channels: int, classes: int, z_of: Latent
) -> tuple[nn.Module, ImageShape]:
    if chosen is None:
        image = ImageShape(channels, SIZES[0], SIZES[0])
        return Critic(image), image
    for size in SIZES:
        image = ImageShape(channels, size, size)
        filled_in = {"image": image, "num_classes": classes, "latent": z_of}
        try:
            if isinstance(chosen, Spec):
                return components.build(registry, "discriminator", chosen, **filled_in), image
            return Subject("discriminator", "given", chosen, {}).make(**filled_in), image
        except GanctlError:
            if size == SIZES[-1]:
                raise
    raise AssertionError("SIZES is not empty")


class Critic(nn.Module):
    """A small smooth D, whose answer depends on the label too."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__()
        self.hidden = nn.Linear(image.channels * image.height * image.width, 8)
        self.label = nn.Embedding(CLASSES, 8)
        self.out = nn.Linear(8, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        hidden = self.hidden(x.flatten(1))
        if y is not None:
            hidden = hidden + 0.1 * self.label(y)
        return self.out(torch.tanh(hidden)).squeeze(1)


def _check_d_turn(world: World, findings: Findings) -> None:
    with _unchanged(world, D_TURN):
        value, report = _answer(world.loss.discriminator_loss, D_TURN, world, world.fake)
    for name in ("D(x)", "D(G(z))"):
        if name not in report:
            findings.say(
                f"does not report '{name}' {D_TURN}.",
                "Return it in the dict, as {'D(x)': on_real.mean(), 'D(G(z))': on_fake.mean()}; it becomes a curve.",
            )
    gradients = _gradients(value, [*world.D.parameters()], D_TURN)
    if not any(bool((g != 0).any()) for g in gradients if g is not None):
        raise Broken(
            "gives D's weights no gradient in D's turn.",
            "Compute it from D(real.x, real.y) and D(fake.x, fake.y), without detach() and torch.no_grad().",
        )


def _check_g_turn(world: World, findings: Findings) -> None:
    fake = _with_graph(world.fake)
    for weight in world.D.parameters():
        weight.requires_grad_(False)
    with _unchanged(world, G_TURN):
        value, _ = _answer(world.loss.generator_loss, G_TURN, world, fake)
    thawed = any(weight.requires_grad for weight in world.D.parameters())
    for weight in world.D.parameters():
        weight.requires_grad_(True)
    if thawed:
        findings.say(
            "lets D's weights require gradients in G's turn.",
            "Leave requires_grad of D alone: the engine freezes D.",
        )
    (gradient,) = _gradients(value, [fake.x], G_TURN)
    if gradient is None or not bool((gradient != 0).any()):
        raise Broken(
            "gives G no gradient in G's turn: it does not depend on fake.x.",
            "Compute it from D(fake.x, fake.y), without detach() and torch.no_grad().",
        )


def _with_graph(fake: Batch) -> Batch:
    """As the generator leaves it: the end of a graph, not a leaf."""
    return fake._replace(x=fake.x.clone().requires_grad_() * 1)


def _answer(
    method: Callable[..., Any], turn: str, world: World, fake: Batch
) -> tuple[Tensor, dict[str, Tensor]]:
    answer = method(world.D, world.real, fake)
    if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], dict)):
        raise Broken(
            f"returns {_kind(answer)} {turn}, not a scalar and a dict.",
            "End it with: return loss, {'D(x)': …, 'D(G(z))': …} (or {} in G's turn).",
        )
    value, report = answer
    if not isinstance(value, Tensor) or value.ndim:
        raise Broken(
            f"returns {_kind(value)} {turn} where the value to minimize is a scalar.",
            "Take a mean over the batch: .mean().",
        )
    if not bool(value.isfinite()):
        raise Broken(
            f"is {float(value.detach())} {turn} on small random images.",
            "Write logarithms of sigmoids as torch.nn.functional.softplus, and keep roots away from 0.",
        )
    for name, entry in report.items():
        if not isinstance(entry, Tensor) or entry.ndim:
            raise Broken(
                f"reports '{name}' {turn} as {_kind(entry)}, not as a scalar tensor.",
                "Report a mean as a tensor, without .item().",
            )
        if not bool(entry.isfinite()):
            raise Broken(f"reports '{name}' {turn} as {float(entry.detach())}.", "Report what is finite.")
    return value, report


def _kind(value: Any) -> str:
    return (
        f"a tensor of shape {tuple(value.shape)}"
        if isinstance(value, Tensor)
        else f"a {type(value).__name__}"
    )


def _gradients(value: Tensor, inputs: list[Tensor], turn: str) -> tuple[Tensor | None, ...]:
    if not value.requires_grad:
        raise Broken(
            f"carries no gradient {turn}.",
            "Compute it from D's answers, without detach(), .data, .item() and torch.no_grad().",
        )
    gradients = torch.autograd.grad(value, inputs, allow_unused=True)
    if not _finite(g for g in gradients if g is not None):
        raise Broken(
            f"has a gradient that is not finite {turn}.",
            "Keep roots and norms away from 0: ganctl.penalties.norm is safe there.",
        )
    return gradients


class _unchanged:  # noqa: N801  # reads as a statement
    """Raise :class:`Broken` if a turn changes what it was given, or does the engine's work."""

    def __init__(self, world: World, turn: str) -> None:
        self.world, self.turn = world, turn
        batches = (world.real, world.fake)
        self.given = [t for batch in batches for t in batch if t is not None] + list(world.D.parameters())

    def __enter__(self) -> None:
        self.before = [tensor.detach().clone() for tensor in self.given]

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if kind is not None:
            return
        if any(not torch.equal(now, old) for now, old in zip(self.given, self.before, strict=True)):
            raise Broken(
                f"changes its inputs {self.turn}.",
                "Leave real, fake and D's weights as they are: x + 1 in place of x.add_(1).",
            )
        if any(weight.grad is not None for weight in self.world.D.parameters()):
            raise Broken(
                f"calls backward() itself {self.turn}.",
                "Return the value: backward and the optimizers are the engine's. "
                "For a penalty take torch.autograd.grad(…, create_graph=True).",
            )


def _check_bf16(world: World) -> None:
    for turn, method, fake in (
        (D_TURN, world.loss.discriminator_loss, world.fake),
        (G_TURN, world.loss.generator_loss, _with_graph(world.fake)),
    ):
        with torch.autocast("cpu", torch.bfloat16):
            value, _ = _answer(method, f"{turn} under bf16 autocast", world, fake)
        if value.dtype in (torch.bfloat16, torch.float16):
            raise Broken(
                f"is computed in {str(value.dtype).removeprefix('torch.')} {turn} under autocast: "
                "8 bits are too coarse for a mean.",
                "Ask D through ganctl.logits(D, real), which answers in float32, or use D(…).float().",
            )
        inputs: list[Tensor] = [*world.D.parameters()] if turn == D_TURN else [fake.x]
        _gradients(value, inputs, f"{turn} under bf16 autocast")


def _check_state(world: Callable[[int], World]) -> None:
    here, again = world(1), world(1)
    for _ in range(3):
        here.loss.discriminator_loss(here.D, here.real, here.fake)
    saved = io.BytesIO()
    torch.save(here.loss.state_dict(), saved)
    saved.seek(0)
    try:
        state = torch.load(saved, weights_only=True)
    except Exception as error:
        raise Broken(
            "keeps something in its state that a checkpoint cannot hold.", "Keep tensors in buffers alone."
        ) from error
    again.loss.load_state_dict(state)
    values = []
    for loss in (here.loss, again.loss):
        D = copy.deepcopy(again.D)  # spectral normalization changes with every call
        torch.manual_seed(1)
        values.append(
            [
                loss.discriminator_loss(D, here.real, here.fake)[0].item(),
                loss.generator_loss(D, here.real, here.fake)[0].item(),
            ]
        )
    if values[0] != values[1]:
        raise Broken(
            "goes on differently after its state was saved and loaded.",
            "Keep what it remembers in buffers (register_buffer), and draw random numbers from torch alone.",
        )


def _finite(tensors: Any) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)

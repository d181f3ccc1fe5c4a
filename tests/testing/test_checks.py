"""Test ganctl.testing: built-in components pass the checks, and each mistake has a distinct message."""

from __future__ import annotations

import inspect
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import ganctl
from ganctl import Images, Spec, testing
from ganctl.errors import DATA, GanctlError
from ganctl.plugin import discovery, options
from ganctl.plugin.registry import KINDS
from ganctl.testing.plugin import CHECKS

REGISTRY = discovery.registry()
#: Options that make ganctl's networks small enough for tests.
SMALL: dict[str, Any] = {
    "width": 8, "max_width": 16, "group_size": 8, "blocks": 1, "hidden": (16,), "embedding": 4, "code": 8,
}  # fmt: skip


def small(kind: str, name: str) -> dict[str, Any]:
    known = {option.name for option in options.of(kind, REGISTRY.get(kind, name).load())}
    return {option: value for option, value in SMALL.items() if option in known}


def text_of(failures: list[testing.Failure]) -> str:
    assert all(failure.remedy for failure in failures)
    return "\n".join(map(str, failures))


def test_every_kind_has_a_check() -> None:
    assert set(CHECKS) == set(KINDS)


# ---- built-in components


@pytest.mark.parametrize("name", REGISTRY.names("loss"))
def test_builtin_losses_pass(name: str) -> None:
    testing.assert_loss(name)


@pytest.mark.parametrize("name", REGISTRY.names("generator"))
def test_builtin_generators_pass(name: str) -> None:
    testing.assert_generator(name, sizes=(28, 32), **small("generator", name))


@pytest.mark.parametrize("name", REGISTRY.names("discriminator"))
def test_builtin_discriminators_pass(name: str) -> None:
    testing.assert_discriminator(name, sizes=(28, 32), **small("discriminator", name))


@pytest.mark.parametrize("name", REGISTRY.names("optimizer"))
def test_builtin_optimizers_pass(name: str) -> None:
    testing.assert_optimizer(name)


@pytest.mark.parametrize("name", REGISTRY.names("augmentation"))
def test_builtin_augmentations_pass(name: str) -> None:
    testing.assert_augmentation(name)


@pytest.mark.parametrize("name", REGISTRY.names("model"))
def test_builtin_models_pass(name: str) -> None:
    recipe = REGISTRY.get("model", name).load()
    parts = {kind: small(kind, getattr(recipe, kind).name) for kind in ("generator", "discriminator")}
    testing.assert_model(name, **parts)


def test_builtin_datasets_pass_if_their_data_is_available() -> None:
    testing.assert_dataset("glyphs", n=40)
    missing = testing.check_dataset("folder", path="no-such-folder")
    assert "cannot be read on this machine" in text_of(missing)


@pytest.mark.parametrize("name", ["losses", "dcgan"])
def test_builtin_registrations_pass(name: str) -> None:
    testing.assert_registration(f"ganctl_{name}")


# ---- incorrect losses


class Right(ganctl.Loss):
    """A correct loss: cross-entropy on logits. Each of the following losses changes one aspect."""

    def discriminator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        on_real, on_fake = ganctl.logits(D, real), ganctl.logits(D, fake)
        loss = softplus(-on_real).mean() + softplus(on_fake).mean()
        return loss, {"D(x)": on_real.mean(), "D(G(z))": on_fake.mean()}

    def generator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        return softplus(-ganctl.logits(D, fake)).mean(), {}


class Item(Right):
    def discriminator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        loss, report = super().discriminator_loss(D, real, fake)
        self.last = loss.item()
        return loss, report


class Branches(Right):
    def generator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        loss, report = super().generator_loss(D, real, fake)
        return (loss if loss > 0 else -loss), report


class CopiesToHost(Right):
    def discriminator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        self.seen = real.x.cpu()
        return super().discriminator_loss(D, real, fake)


class Uploads(Right):
    def generator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        return super().generator_loss(D, real, fake)[0] * torch.tensor(2.0), {}


class ChangesInput(Right):
    def discriminator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        real.x.add_(0.1)
        return super().discriminator_loss(D, real, fake)


class Detached(Right):
    def discriminator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        loss, report = super().discriminator_loss(D, real, fake)
        return loss.detach(), report


class ForgetsG(Right):
    def generator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        return softplus(-ganctl.logits(D, fake._replace(x=fake.x.detach() + 0 * fake.x))).mean(), {}


class Backward(Right):
    def discriminator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        super().discriminator_loss(D, real, fake)[0].backward()
        return super().discriminator_loss(D, real, fake)


class Unfreezes(Right):
    def generator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        for weight in D.module.parameters():
            weight.requires_grad_(True)
        return super().generator_loss(D, real, fake)


class Vector(Right):
    def generator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        return softplus(-ganctl.logits(D, fake)), {}


class Infinite(Right):
    def discriminator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        loss, report = super().discriminator_loss(D, real, fake)
        return loss + torch.log(torch.zeros_like(loss)), report


class Silent(Right):
    def discriminator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        return super().discriminator_loss(D, real, fake)[0], {}


class ReportsNumbers(Right):
    def discriminator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        loss, report = super().discriminator_loss(D, real, fake)
        return loss, {**report, "weight": 2.0}


class NoPair(Right):
    def generator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        return super().generator_loss(D, real, fake)[0]


class Coarse(Right):
    def generator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        return -D(fake.x, fake.y).mean(), {}


class Counts(Right):
    calls = 0

    def discriminator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        self.calls += 1
        loss, report = super().discriminator_loss(D, real, fake)
        return loss * self.calls, report


class GrayOnly(Right):
    def discriminator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        real.x.view(len(real.x), 12, 12)
        return super().discriminator_loss(D, real, fake)


def not_a_loss() -> nn.Module:
    return nn.Identity()


def demanding(weight: float) -> ganctl.Loss:
    return Right()


LOSSES = {
    Item: "reads a value from the device in the D step (test_checks.py, line",
    Branches: "reads a value from the device in the G step (test_checks.py, line",
    CopiesToHost: "copies a tensor to the host with .cpu() in the D step (test_checks.py, line",
    Uploads: "creates a tensor from Python numbers in each step in the G step (test_checks.py, line",
    ChangesInput: "changes its inputs in the D step",
    Detached: "has no gradient in the D step",
    ForgetsG: "gives G no gradient in the G step",
    Backward: "calls backward() itself in the D step",
    Unfreezes: "enables the gradients of D's weights in the G step",
    Vector: "returns a tensor of shape (6,) in the G step",
    Infinite: "is -inf in the D step",
    Silent: "does not report 'D(x)' in the D step",
    ReportsNumbers: "reports 'weight' in the D step as a float",
    NoPair: "instead of a scalar and a dict",
    Coarse: "is computed in bfloat16 in the G step under autocast",
    Counts: "has different values after its state is saved and loaded",
    GrayOnly: "raises RuntimeError for images of 3 channels (test_checks.py, line",
    not_a_loss: "is a Identity, not a ganctl.Loss",
    demanding: "needs the option 'weight' (float)",
}


class RequestsG(Right):
    def generator_loss(self, D: Any, real: Any, fake: Any, G: Any) -> Any:
        return super().generator_loss(D, real, fake)[0] + G(fake.z, fake.y).square().mean(), {}

    def constrain(self, D: Any, *, G: Any) -> None:
        assert isinstance(G.module, nn.Module)


@pytest.mark.parametrize("loss", [Right, RequestsG])
def test_correct_loss_has_no_failures(loss: Any) -> None:
    assert testing.check_loss(loss) == []


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_incorrect_loss_has_a_failure(loss: Any) -> None:
    assert LOSSES[loss] in text_of(testing.check_loss(loss))


# ---- incorrect networks


class Net(nn.Module):
    def __init__(self, image: ganctl.ImageShape, latent: ganctl.Latent) -> None:
        super().__init__()
        self.image = image
        self.layer = nn.Linear(latent.dim, image.channels * image.height * image.width)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layer(z).view(-1, *self.image).tanh()


class WrongShape(Net):
    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return super().forward(z)[:, :1, ::2]


class WrongRange(Net):
    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return 255 * super().forward(z).sigmoid()


class NoLabels(Net):
    def forward(self, z: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(z)


class PythonNoise(Net):
    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return super().forward(z) * random.random()


class PythonWeights(Net):
    def __init__(self, image: ganctl.ImageShape, latent: ganctl.Latent) -> None:
        super().__init__(image, latent)
        nn.init.constant_(self.layer.bias, random.random())


class HiddenState(Net):
    def __init__(self, image: ganctl.ImageShape, latent: ganctl.Latent) -> None:
        super().__init__(image, latent)
        self.scale = 1.0

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.training:
            self.scale *= 0.9
        return super().forward(z) * self.scale


class Unused(Net):
    def __init__(self, image: ganctl.ImageShape, latent: ganctl.Latent) -> None:
        super().__init__(image, latent)
        self.spare = nn.Linear(2, 2)


class BatchDecides(Net):
    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return super().forward(z - z.mean(0))


class ReadsInForward(Net):
    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return super().forward(z) if z.sum() > 0 else super().forward(-z)


class OneSize(Net):
    def __init__(self, image: ganctl.ImageShape, latent: ganctl.Latent) -> None:
        if image.height != 48:
            raise GanctlError(f"It does not support {image.height} pixels.", "Try --image-size 48.")
        super().__init__(image, latent)


GENERATORS: dict[Any, str] = {
    WrongShape: "returns float32 (3, 1, 14, 28) instead of float (3, 1, 28, 28) for 3 latents and images of 28×28×1",
    WrongRange: "outside [−1, 1]",
    NoLabels: "raises TypeError for images of 28×28×1",
    PythonNoise: "produces different outputs with the same seed",
    PythonWeights: "has different weights with the same seed",
    HiddenState: "produces different outputs after its state is saved and loaded",
    Unused: "has weights without a gradient: spare.weight, spare.bias",
    BatchDecides: "generates, in eval mode, an image that depends on the other z in the batch",
    ReadsInForward: "reads a value from the device in its forward or backward pass (test_checks.py, line",
    OneSize: "does not support images of 28, 32, 64 pixels: It does not support 64 pixels",
}


def test_correct_generator_has_no_failures() -> None:
    assert testing.check_generator(Net) == []
    assert testing.check_generator(OneSize, sizes=(48,)) == []


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.__name__)
def test_incorrect_generator_has_a_failure(generator: Any) -> None:
    assert GENERATORS[generator] in text_of(testing.check_generator(generator))


class Judge(nn.Module):
    def __init__(self, image: ganctl.ImageShape) -> None:
        super().__init__()
        self.layer = nn.Linear(image.channels * image.height * image.width, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layer(x.flatten(1)).squeeze(1).tanh()


class Column(Judge):
    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return super().forward(x).unsqueeze(1)


class Once(Judge):
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return 2 * x

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return 2 * gradient

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return super().forward(self.Twice.apply(x))


DISCRIMINATORS: dict[Any, str] = {
    Column: "returns float32 (3, 1) for 3 images instead of 3 logits",
    Once: "when a gradient penalty is computed",
}


def test_correct_discriminator_has_no_failures() -> None:
    assert testing.check_discriminator(Judge) == []


@pytest.mark.parametrize("discriminator", DISCRIMINATORS, ids=lambda d: d.__name__)
def test_incorrect_discriminator_has_a_failure(discriminator: Any) -> None:
    assert DISCRIMINATORS[discriminator] in text_of(testing.check_discriminator(discriminator))


# ---- incorrect datasets


def images(x: Tensor | None = None, y: Tensor | None = None, classes: tuple[str, ...] = ()) -> Images:
    return Images(torch.zeros(6, 1, 8, 8, dtype=torch.uint8) if x is None else x, y, classes)


class Stored(ganctl.Dataset):
    def __init__(self, x: Tensor, mark: object) -> None:
        self.x, self.mark = x, mark

    def fingerprint(self) -> str:
        return f"stored {self.mark}"

    def read(self) -> Images:
        return Images(self.x)


def ignores_option(root: Path, n: int = 3) -> ganctl.Dataset:
    return Stored(torch.zeros(n, 1, 8, 8, dtype=torch.uint8), "always")


def files(opener: Any, labels: Any = None, conditions: Any = None) -> Any:
    class Files(Stored):
        def read(self) -> Any:
            return ganctl.ImageFiles(
                names=["a", "b"], open=opener, labels=labels, classes=("one",), conditions=conditions
            )

    return lambda root: Files(torch.zeros(0), "files")


def open_gray(name: str) -> Any:
    from PIL import Image

    return Image.new("L", (8, 8), ord(name[0]))


DATASETS = {
    "float": (lambda root: images(torch.zeros(6, 1, 8, 8)), "x is float32 and has no range"),
    "range": (
        lambda root: images(torch.full((6, 1, 8, 8), 2.0))._replace(range=(0, 1)),
        "x has values from 2 to 2, but range is (0, 1)",
    ),
    "conditions": (lambda root: images()._replace(c=torch.zeros(5, 2)), "has conditions of shape (5, 2) for 6 images"),
    "condition type": (
        lambda root: images()._replace(c=torch.zeros(6, 2, dtype=torch.bfloat16)), "has conditions in bfloat16",
    ),
    "infinite conditions": (
        lambda root: images()._replace(c=torch.full((6,), torch.inf)), "has conditions that are not finite",
    ),
    "random conditions": (
        lambda root: images()._replace(c=torch.rand(6)), "returns different images, or a different order"
    ),
    "conditions of files": (
        files(open_gray, conditions=torch.zeros(3)), "has conditions of shape (3,) for 2 images",
    ),
    "labels below −1": (lambda root: images(y=torch.full((6,), -2)), "has labels from -2 to -2"),
    "gray": (lambda root: images(torch.zeros(6, 8, 8, dtype=torch.uint8)), "instead of N×C×H×W"),
    "channels last": (lambda root: images(torch.zeros(6, 8, 8, 3, dtype=torch.uint8)), "looks like N×H×W×C"),
    "labels": (
        lambda root: images(y=torch.full((6,), 2), classes=("one", "two")), "has labels from 2 to 2, but 2 classes",
    ),
    "label type": (lambda root: images(y=torch.zeros(6)), "labels of type float32 (6,)"),
    "order": (
        lambda root: images(torch.randint(256, (6, 1, 8, 8), dtype=torch.uint8)), "returns different images, or",
    ),
    "kind": (lambda root: [1, 2, 3], "is a list, not ganctl.Images or a ganctl.Dataset"),
    "fingerprint": (
        lambda root: Stored(images().x, random.random()), "has a different fingerprint each time",
    ),
    "options": (ignores_option, "has the same fingerprint with n=3 and n=4, but different data"),
    "lambda": (files(lambda name: open_gray(name)), "cannot be sent to worker processes"),
    "labels of files": (files(open_gray, labels=[0, 1]), "has labels from 0 to 1, but 1 classes"),
    "raises": (lambda root: 1 / 0, "raises ZeroDivisionError when it is read (test_checks.py, line"),
}  # fmt: skip


@pytest.mark.parametrize("name", DATASETS)
def test_incorrect_dataset_has_a_failure(name: str) -> None:
    dataset, sentence = DATASETS[name]
    assert sentence in text_of(testing.check_dataset(dataset))


def test_correct_datasets_have_no_failures() -> None:
    assert testing.check_dataset(lambda root: images(y=torch.arange(6) % 2, classes=("a", "b"))) == []
    assert testing.check_dataset(files(open_gray, labels=[0, -1], conditions=[[0.5], [1.0]])) == []
    spectral = torch.randint(4096, (6, 13, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint16)
    c = torch.arange(6).to(torch.uint16)
    unlabeled = Images(spectral, torch.arange(6) % 2 - 1, ("a",), c=c, range=(0, 4095))
    assert testing.check_dataset(lambda root: unlabeled) == []
    assert (
        testing.check_dataset(lambda root: Images(torch.linspace(0, 1, 384).view(6, 1, 8, 8), range=(0, 1)))
        == []
    )

    def unavailable(root: Path) -> Images:
        raise GanctlError("No data here.", "Get some.", status=DATA)

    assert "cannot be read on this machine: No data here. Get some." in text_of(
        testing.check_dataset(unavailable)
    )


# ---- incorrect optimizers, augmentations and models


class Momentum(torch.optim.Optimizer):
    """Incorrectly keeps its momentum outside the state_dict."""

    def __init__(self, params: Any, lr: float = 1e-3) -> None:
        super().__init__(params, {"lr": lr})
        self.memory: dict[Any, Tensor] = {}

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                self.memory[p] = 0.9 * self.memory.get(p, torch.zeros_like(p)) + p.grad
                p -= group["lr"] * self.memory[p]


class Idle(Momentum):
    def step(self) -> None:  # type: ignore[override]
        pass


def without_lr(params: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=0.1)


OPTIMIZERS: dict[Any, str] = {
    Momentum: "takes different steps after its state is saved and loaded",
    Idle: "does not change the weights",
    without_lr: "has no option 'lr'",
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: optimizer.__name__)
def test_incorrect_optimizer_has_a_failure(optimizer: Any) -> None:
    assert OPTIMIZERS[optimizer] in text_of(testing.check_optimizer(optimizer))


class Cuts(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, 1:]


class Rounds(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.round()


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(0.5) if not x.requires_grad else x * 0.5


class Remembers(nn.Module):
    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


AUGMENTATIONS: dict[Any, str] = {
    Cuts: "returns float32 (3, 1, 27, 28) for float32 (3, 1, 28, 28)",
    Rounds: "has a gradient that is zero, infinite or NaN",
    InPlace: "changes its input",
    Remembers: "returns different images after its state is saved and loaded",
}


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=lambda augmentation: augmentation.__name__)
def test_incorrect_augmentation_has_a_failure(augmentation: Any) -> None:
    assert AUGMENTATIONS[augmentation] in text_of(testing.check_augmentation(augmentation))


def recipe(**changed: Any) -> ganctl.Model:
    adam = Spec("adam", lr=1e-3)
    settings: dict[str, Any] = {
        "name": "mine", "summary": "A model", "generator": Spec("mlp", hidden=(8,)),
        "discriminator": Spec("mlp", hidden=(8,)), "loss": Spec("bce"), "g_optimizer": adam, "d_optimizer": adam,
    }  # fmt: skip
    return ganctl.Model(**{**settings, **changed})


def test_model_with_missing_components_or_invalid_options_has_a_failure() -> None:
    assert testing.check_model(recipe()) == []
    missing = text_of(testing.check_model(recipe(loss=Spec("bcee"), generator=Spec("nothing"))))
    assert "names a component that does not exist: There is no loss 'bcee'." in missing
    assert "There is no generator 'nothing'." in missing
    assert "has no option 'widht'" in text_of(testing.check_model(recipe(generator=Spec("mlp", widht=3))))
    diverges = recipe(d_optimizer=Spec("sgd", lr=1e9), g_optimizer=Spec("sgd", lr=1e9), loss=Spec("wgan-div"))
    assert "after" in text_of(testing.check_model(diverges, force=True))
    assert "There is no model 'dcgann'." in text_of(testing.check_model("dcgann"))


# ---- registration

REGISTRATIONS = {
    "torch": ("import torch", "imports torch when it registers"),
    "import": ("import no_such_module", "cannot be registered: ModuleNotFoundError"),
    "hook": ("register_lossess = register_losses; del register_losses", "cannot be registered"),
    "name": ("NAME = 'My Loss'", "use lower-case letters"),
    "address": ("ADDRESS = 'nowhere'", "is not of the form 'module:attribute'"),
    "summary": ("SUMMARY = ''", "has no summary"),
    "long": ("SUMMARY = 'x' * 300", "is too long for a listing or has several lines"),
    "nothing": ("@ganctl.hookimpl\ndef register_losses(register): pass", "registers nothing"),
    "unmarked": (
        "def register_models(register): pass",
        "has a function register_models that is not marked as a hook",
    ),
    "exit": ("import os; os._exit(3)", "ends Python when it is imported (status 3)"),
}


@pytest.mark.parametrize("name", ["torch", "hook", "name", "exit", "nothing"])
def test_incorrect_registration_has_a_failure(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, sentence = REGISTRATIONS[name]
    register(tmp_path, f"wrong_{name}", change)
    monkeypatch.syspath_prepend(tmp_path)
    assert sentence in text_of(testing.check_registration(f"wrong_{name}"))


@pytest.mark.parametrize("name", ["import", "address", "summary", "long", "unmarked"])
def test_incorrect_registration_has_a_failure_in_this_process(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run the check in this process, which is faster than starting a new process."""
    change, sentence = REGISTRATIONS[name]
    register(tmp_path, f"wrong_{name}", change)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(subprocess, "run", _in_process)
    assert sentence in text_of(testing.check_registration(f"wrong_{name}"))


def register(folder: Path, module: str, change: str) -> None:
    (folder / f"{module}.py").write_text(
        "import ganctl\nNAME, ADDRESS, SUMMARY = 'my-loss', 'somewhere:MyLoss', 'A loss'\n"
        "@ganctl.hookimpl\ndef register_losses(register):\n    register(NAME, ADDRESS, summary=SUMMARY)\n"
        f"{change}\n"
    )


def _in_process(command: list[str], **given: Any) -> subprocess.CompletedProcess[str]:
    import contextlib
    import io

    output = io.StringIO()
    with contextlib.redirect_stdout(output), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command[2:])
        exec(command[2], {})
    return subprocess.CompletedProcess(command, 0, output.getvalue(), "")


# ---- complete plugins, and the pytest plugin


def test_check_plugin_checks_registration_and_every_component() -> None:
    results: list[testing.CheckResult] = []
    assert testing.check_plugin("optim") == []
    testing.run_checks("optim", progress=results.append)
    assert [result.subject for result in results] == [
        "registration of the plugin 'optim' (ganctl_optim)",
        *(f"optimizer '{name}'" for name in ("adam", "adamw", "rmsprop", "sgd")),
    ]
    with pytest.raises(GanctlError, match="There is no plugin, distribution or component 'optimm'"):
        testing.check_plugin("optimm")


def test_assert_functions_have_the_same_parameters_as_the_checks() -> None:
    for name in testing.__all__:
        if name.startswith("assert_"):
            check = getattr(testing, name.replace("assert_", "check_"))
            parameters = inspect.signature(check).parameters
            assert inspect.signature(getattr(testing, name)).parameters == parameters
            assert getattr(testing, name).__name__ == name


def test_assert_function_raises_an_error_with_the_failure() -> None:
    with pytest.raises(AssertionError, match="The loss 'Silent' does not report 'D"):
        testing.assert_loss(Silent)


def test_fixtures_check_and_train_a_component(ganctl_kit: Any, ganctl_train: Any) -> None:
    assert ganctl_kit is testing
    run = ganctl_train(generator={"width": 8}, discriminator={"width": 8})
    assert run.losses[-1]["step"] == 2


def test_pytest_plugin_does_not_import_torch() -> None:
    code = "import sys, ganctl.pytest_plugin; assert 'torch' not in sys.modules; print('light')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "light\n", done.stderr


# ---- components from other plugins, and plugins without components


def registry_of(*items: tuple[str, str, Any, str]) -> Any:
    """Return ganctl's registry with additional components, each given as kind, name, target and distribution."""
    from ganctl.plugin.registry import component

    registry = discovery.registry().copy()
    for kind, name, target, distribution in items:
        registry.add(
            component(
                kind, name, target, "For a test", plugin=distribution, distribution=distribution, version="1"
            )
        )
    return registry


class OwnLoss(ganctl.Loss):
    def discriminator_loss(self, D: Any, real: Any, fake: Any) -> tuple[Tensor, dict[str, Tensor]]:
        r, f = ganctl.logits(D, real), ganctl.logits(D, fake)
        return softplus(-r).mean() + softplus(f).mean(), {"D(x)": r.mean(), "D(G(z))": f.mean()}

    def generator_loss(self, D: Any, real: Any, fake: Any) -> tuple[Tensor, dict[str, Tensor]]:
        return softplus(-ganctl.logits(D, fake)).mean(), {}


class Scores(nn.Linear):
    def __init__(self, image: ganctl.ImageShape) -> None:
        super().__init__(image.channels * image.height * image.width, 3)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return super().forward(x.flatten(1))


def test_loss_is_checked_with_a_discriminator_from_the_same_distribution() -> None:
    adam = Spec("adam", lr=1e-4)

    def model(discriminator: str) -> ganctl.Model:
        return ganctl.Model(
            name="its-model",
            summary="A model",
            generator=Spec("mlp-generator"),
            discriminator=Spec(discriminator),
            loss=Spec("same"),
            g_optimizer=adam,
            d_optimizer=adam,
        )

    others = [
        ("loss", "same", OwnLoss, "a-first"),
        ("discriminator", "scores", Scores, "a-first"),
        ("model", "its-model", model("scores"), "a-first"),
        ("loss", "same", OwnLoss, "mine"),
    ]
    assert testing.check_loss("mine:same", registry=registry_of(*others)) == []
    own = registry_of(*others, ("model", "my-model", model("scores"), "mine"))
    assert "one logit per image" in text_of(testing.check_loss("mine:same", registry=own))


def test_plugin_without_components_fails_the_check() -> None:
    found = discovery.Plugins([discovery.Plugin("empty", "empty_module", "empty", "1")], discovery.registry())
    results = testing.run_checks("empty", found=found, single_file=True)
    assert "registers nothing" in text_of([failure for result in results for failure in result.failures])

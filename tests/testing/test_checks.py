"""The kit: ganctl's own components pass it, and each way to be wrong is told in its own sentence."""

from __future__ import annotations

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

REGISTRY = discovery.registry()
#: Options that make any of our networks small enough for a test.
SMALL: dict[str, Any] = {
    "width": 8, "max_width": 16, "group_size": 8, "blocks": 1, "hidden": (16,), "embedding": 4, "code": 8,
}  # fmt: skip


def small(kind: str, name: str) -> dict[str, Any]:
    known = {option.name for option in options.of(REGISTRY.get(kind, name).load())}
    return {option: value for option, value in SMALL.items() if option in known}


def told(failures: list[testing.Failure]) -> str:
    assert all(failure.remedy for failure in failures)
    return "\n".join(map(str, failures))


# ---- what ganctl has itself


@pytest.mark.parametrize("name", REGISTRY.names("loss"))
def test_our_losses(name: str) -> None:
    testing.assert_loss(name)


@pytest.mark.parametrize("name", REGISTRY.names("generator"))
def test_our_generators(name: str) -> None:
    testing.assert_generator(name, sizes=(28, 32), **small("generator", name))


@pytest.mark.parametrize("name", REGISTRY.names("discriminator"))
def test_our_discriminators(name: str) -> None:
    testing.assert_discriminator(name, sizes=(28, 32), **small("discriminator", name))


@pytest.mark.parametrize("name", REGISTRY.names("optimizer"))
def test_our_optimizers(name: str) -> None:
    testing.assert_optimizer(name)


@pytest.mark.parametrize("name", REGISTRY.names("augmentation"))
def test_our_augmentations(name: str) -> None:
    testing.assert_augmentation(name)


@pytest.mark.parametrize("name", REGISTRY.names("model"))
def test_our_models(name: str) -> None:
    recipe = REGISTRY.get("model", name).load()
    parts = {kind: small(kind, getattr(recipe, kind).name) for kind in ("generator", "discriminator")}
    testing.assert_model(name, **parts)


def test_our_datasets() -> None:
    testing.assert_dataset("glyphs", n=40)
    missing = testing.check_dataset("folder", path="no-such-folder")
    assert "cannot be read here" in told(missing)


@pytest.mark.parametrize("name", ["losses", "dcgan"])
def test_our_registrations(name: str) -> None:
    testing.assert_registration(f"ganctl_{name}")


# ---- losses that are wrong


class Right(ganctl.Loss):
    """Cross-entropy on logits; the wrong ones below differ from it in one thing each."""

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


class Thaws(Right):
    def generator_loss(self, D: Any, real: Any, fake: Any) -> Any:
        for weight in D.parameters():
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
    Item: "reads a value from the device in D's turn (test_testing.py, line",
    Branches: "reads a value from the device in G's turn (test_testing.py, line",
    CopiesToHost: "copies a tensor to the host with .cpu() in D's turn (test_testing.py, line",
    Uploads: "makes a tensor from Python's numbers in each step in G's turn (test_testing.py, line",
    ChangesInput: "changes its inputs in D's turn",
    Detached: "carries no gradient in D's turn",
    ForgetsG: "gives G no gradient in G's turn",
    Backward: "calls backward() itself in D's turn",
    Thaws: "lets D's weights require gradients in G's turn",
    Vector: "returns a tensor of shape (6,) in G's turn",
    Infinite: "is -inf in D's turn",
    Silent: "does not report 'D(x)' in D's turn",
    ReportsNumbers: "reports 'weight' in D's turn as a float",
    NoPair: "not a scalar and a dict",
    Coarse: "is computed in bfloat16 in G's turn under autocast",
    Counts: "goes on differently after its state was saved and loaded",
    GrayOnly: "raises RuntimeError for images of 3 channels (test_testing.py, line",
    not_a_loss: "is a Identity, not a ganctl.Loss",
    demanding: "needs the option 'weight' (float)",
}


def test_the_loss_that_the_wrong_ones_are_made_of_is_right() -> None:
    assert testing.check_loss(Right) == []


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_wrong_losses(loss: Any) -> None:
    assert LOSSES[loss] in told(testing.check_loss(loss))


# ---- networks that are wrong


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
            raise GanctlError(f"It cannot serve {image.height} pixels.", "Try --image-size 48.")
        super().__init__(image, latent)


GENERATORS: dict[Any, str] = {
    WrongShape: "answers 3 latents with float32 (3, 1, 14, 28) where images of 28×28×1 are asked for",
    WrongRange: "beyond [−1, 1]",
    NoLabels: "raises TypeError for images of 28×28×1",
    PythonNoise: "answers differently each time, under one seed",
    PythonWeights: "has other weights each time, under one seed",
    HiddenState: "answers differently after its state was saved and loaded",
    Unused: "has weights that no gradient reaches: spare.weight, spare.bias",
    BatchDecides: "draws another picture of the same z when others are drawn beside it",
    ReadsInForward: "reads a value from the device in its forward or backward pass (test_testing.py, line",
    OneSize: "serves no image of 28, 32, 64 pixels: It cannot serve 64 pixels",
}


def test_the_generator_that_the_wrong_ones_are_made_of_is_right() -> None:
    assert testing.check_generator(Net) == []
    assert testing.check_generator(OneSize, sizes=(48,)) == []


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.__name__)
def test_wrong_generators(generator: Any) -> None:
    assert GENERATORS[generator] in told(testing.check_generator(generator))


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
    Column: "answers 3 images with float32 (3, 1): it should be 3 logits",
    Once: "when a gradient penalty is taken of it",
}


def test_a_right_discriminator() -> None:
    assert testing.check_discriminator(Judge) == []


@pytest.mark.parametrize("discriminator", DISCRIMINATORS, ids=lambda d: d.__name__)
def test_wrong_discriminators(discriminator: Any) -> None:
    assert DISCRIMINATORS[discriminator] in told(testing.check_discriminator(discriminator))


# ---- datasets that are wrong


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


def pictures(opener: Any, labels: Any = None) -> Any:
    class Files(Stored):
        def read(self) -> Any:
            return ganctl.ImageFiles(names=["a", "b"], open=opener, labels=labels, classes=("one",))

    return lambda root: Files(torch.zeros(0), "files")


def open_gray(name: str) -> Any:
    from PIL import Image

    return Image.new("L", (8, 8), ord(name[0]))


DATASETS = {
    "float": (lambda root: images(torch.zeros(6, 1, 8, 8)), "has x in float32: it should be uint8"),
    "gray": (lambda root: images(torch.zeros(6, 8, 8, dtype=torch.uint8)), "it should be N×C×H×W"),
    "channels last": (lambda root: images(torch.zeros(6, 8, 8, 3, dtype=torch.uint8)), "looks like N×H×W×C"),
    "labels": (
        lambda root: images(y=torch.full((6,), 2), classes=("one", "two")), "has labels from 2 to 2, but 2 classes",
    ),
    "label type": (lambda root: images(y=torch.zeros(6)), "labels that are float32 (6,)"),
    "order": (
        lambda root: images(torch.randint(256, (6, 1, 8, 8), dtype=torch.uint8)), "is in another order, or another",
    ),
    "kind": (lambda root: [1, 2, 3], "is a list, not ganctl.Images or a ganctl.Dataset"),
    "fingerprint": (
        lambda root: Stored(images().x, random.random()), "has another fingerprint each time",
    ),
    "options": (ignores_option, "has the same fingerprint with n=3 and n=4, but other data"),
    "lambda": (pictures(lambda name: open_gray(name)), "cannot be sent to worker processes"),
    "picture labels": (pictures(open_gray, labels=[0, 1]), "has labels from 0 to 1, but 1 classes"),
    "raises": (lambda root: 1 / 0, "raises ZeroDivisionError when it is read (test_testing.py, line"),
}  # fmt: skip


@pytest.mark.parametrize("name", DATASETS)
def test_wrong_datasets(name: str) -> None:
    dataset, sentence = DATASETS[name]
    assert sentence in told(testing.check_dataset(dataset))


def test_right_datasets() -> None:
    assert testing.check_dataset(lambda root: images(y=torch.arange(6) % 2, classes=("a", "b"))) == []
    assert testing.check_dataset(pictures(open_gray, labels=[0, 0])) == []

    def not_there(root: Path) -> Images:
        raise GanctlError("No data here.", "Get some.", status=DATA)

    assert "cannot be read here: No data here. Get some." in told(testing.check_dataset(not_there))


# ---- optimizers, augmentations, models that are wrong


class Momentum(torch.optim.Optimizer):
    """Keeps its momentum where no state_dict finds it."""

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
    Momentum: "steps differently after its state was saved and loaded",
    Idle: "does not change the weights",
    without_lr: "has no option 'lr'",
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: optimizer.__name__)
def test_wrong_optimizers(optimizer: Any) -> None:
    assert OPTIMIZERS[optimizer] in told(testing.check_optimizer(optimizer))


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
    Cuts: "makes float32 (3, 1, 27, 28) of float32 (3, 1, 28, 28)",
    Rounds: "has a gradient that is zero or not finite",
    InPlace: "changes its input",
    Remembers: "goes on differently after its state was saved and loaded",
}


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=lambda augmentation: augmentation.__name__)
def test_wrong_augmentations(augmentation: Any) -> None:
    assert AUGMENTATIONS[augmentation] in told(testing.check_augmentation(augmentation))


def recipe(**changed: Any) -> ganctl.Model:
    adam = Spec("adam", lr=1e-3)
    settings: dict[str, Any] = {
        "name": "mine", "summary": "A model", "generator": Spec("mlp", hidden=(8,)),
        "discriminator": Spec("mlp", hidden=(8,)), "loss": Spec("bce"), "g_optimizer": adam, "d_optimizer": adam,
    }  # fmt: skip
    return ganctl.Model(**{**settings, **changed})


def test_models() -> None:
    assert testing.check_model(recipe()) == []
    missing = told(testing.check_model(recipe(loss=Spec("bcee"), generator=Spec("nothing"))))
    assert "names a part that is not there: There is no loss 'bcee'." in missing
    assert "There is no generator 'nothing'." in missing
    assert "has no option 'widht'" in told(testing.check_model(recipe(generator=Spec("mlp", widht=3))))
    diverges = recipe(
        d_optimizer=Spec("sgd", lr=1e30), g_optimizer=Spec("sgd", lr=1e30), loss=Spec("wgan-div")
    )
    assert "after" in told(testing.check_model(diverges, force=True))
    assert "There is no model 'dcgann'." in told(testing.check_model("dcgann"))


# ---- registration

REGISTRATIONS = {
    "torch": ("import torch", "imports torch when it registers"),
    "import": ("import no_such_module", "cannot be registered: ModuleNotFoundError"),
    "hook": ("register_lossess = register_losses; del register_losses", "cannot be registered"),
    "name": ("NAME = 'My Loss'", "use lower-case letters"),
    "address": ("ADDRESS = 'nowhere'", "is not of the form 'module:attribute'"),
    "summary": ("SUMMARY = ''", "has no summary"),
    "long": ("SUMMARY = 'x' * 300", "does not fit into a listing"),
    "nothing": ("@ganctl.hookimpl\ndef register_losses(register): pass", "registers nothing"),
    "exit": ("import os; os._exit(3)", "ends Python when it is imported (status 3)"),
}


@pytest.mark.parametrize("name", ["torch", "hook", "name", "exit", "nothing"])
def test_wrong_registrations(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change, sentence = REGISTRATIONS[name]
    register(tmp_path, f"wrong_{name}", change)
    monkeypatch.syspath_prepend(tmp_path)
    assert sentence in told(testing.check_registration(f"wrong_{name}"))


@pytest.mark.parametrize("name", ["import", "address", "summary", "long"])
def test_wrong_registrations_in_this_process(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above, without the time that a process of its own takes."""
    change, sentence = REGISTRATIONS[name]
    register(tmp_path, f"wrong_{name}", change)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(subprocess, "run", _in_process)
    assert sentence in told(testing.check_registration(f"wrong_{name}"))


def register(folder: Path, module: str, change: str) -> None:
    (folder / f"{module}.py").write_text(
        "import ganctl\nNAME, ADDRESS, SUMMARY = 'my-loss', 'somewhere:MyLoss', 'A loss'\n"
        "@ganctl.hookimpl\ndef register_losses(register):\n    register(NAME, ADDRESS, summary=SUMMARY)\n"
        f"{change}\n"
    )


def _in_process(command: list[str], **given: Any) -> subprocess.CompletedProcess[str]:
    import contextlib
    import io

    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command[2:])
        exec(command[2], {})
    return subprocess.CompletedProcess(command, 0, said.getvalue(), "")


# ---- a whole plugin, and pytest


def test_check_plugin_looks_at_all_that_is_registered() -> None:
    seen: list[testing.Checked] = []
    assert testing.check_plugin("optim") == []
    testing.checks_of("optim", progress=seen.append)
    assert [checked.what for checked in seen] == [
        "registration of the plugin 'optim' (ganctl_optim)",
        *(f"optimizer '{name}'" for name in ("adam", "adamw", "rmsprop", "sgd")),
    ]
    with pytest.raises(GanctlError, match="There is no plugin, distribution or component 'optimm'"):
        testing.check_plugin("optimm")


def test_assert_raises_with_the_sentence() -> None:
    with pytest.raises(AssertionError, match="The loss 'Silent' does not report 'D"):
        testing.assert_loss(Silent)


def test_the_fixtures(ganctl_kit: Any, ganctl_train: Any) -> None:
    assert ganctl_kit is testing
    run = ganctl_train(generator={"width": 8}, discriminator={"width": 8})
    assert run.losses[-1]["step"] == 2


def test_pytest_starts_without_torch() -> None:
    code = "import sys, ganctl.pytest_plugin; assert 'torch' not in sys.modules; print('light')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "light\n", done.stderr

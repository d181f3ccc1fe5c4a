"""Test sampling options declared by G.forward, and that D and the loss can be loaded from a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.in_process_cli import run

import ganctl
from ganctl import GanctlError
from ganctl.explore.explorer import Explorer
from ganctl.plugin import options
from ganctl.runs import checkpoint

PLUGIN = '''
import ganctl
import torch
from torch import nn


@ganctl.hookimpl
def register_generators(register):
    register("psi", PsiGenerator, summary="A generator with sampling options")


class PsiGenerator(nn.Module):
    def __init__(self, image, latent):
        super().__init__()
        self.image = tuple(image)
        self.net = nn.Linear(latent.dim, image.channels * image.height * image.width)

    def forward(self, z, y=None, noise=None, untyped=1.0, psi: float = 1.0, flip: bool = False, layers: int = 8):
        """Return samples.

        Args:
            psi: truncation in w; 1.0: none.
        """
        x = torch.tanh(psi * self.net(z)).view(-1, *self.image)
        return -x if flip else x
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plugin") / "psi.py"
    file.write_text(PLUGIN)
    return file


@pytest.fixture(scope="module")
def trained(plugin: Path) -> ganctl.Run:
    return ganctl.train(
        "gan", {"name": "glyphs", "n": 16}, out=plugin.parent / "run", plugins=[plugin], quiet=True,
        generator="psi", discriminator={"hidden": "8"}, loss="bce",
        batch_size=4, steps=3, samples=1, trackers=[], device="cpu",
    )  # fmt: skip


@pytest.fixture
def sampler(trained: ganctl.Run, plugin: Path) -> ganctl.Sampler:
    return ganctl.load(trained.path, device="cpu", plugins=[plugin])


def test_sampling_options_are_typed_parameters_of_forward(sampler: ganctl.Sampler) -> None:
    found = options.of_sampling(sampler.G.forward)
    assert [(o.name, o.type, o.default) for o in found] == [
        ("psi", float, 1.0),
        ("flip", bool, False),
        ("layers", int, 8),
    ]
    assert found[0].help == "truncation in w; 1.0: none."


def test_options_affect_every_kind_of_sample(sampler: ganctl.Sampler) -> None:
    zero = sampler.with_options(psi=0)
    assert sampler.sample(4).abs().max() > 0
    assert zero.sample(4).abs().max() == 0
    assert zero.traverse([1], [-1, 1]).x.abs().max() == 0
    assert zero.interpolate([0, 1]).x.abs().max() == 0
    assert torch.equal(sampler.with_options(flip="true").sample(4), -sampler.sample(4))
    assert torch.equal(zero.with_options(flip=True).with_options(psi="1").sample(4), -sampler.sample(4))
    assert sampler.options == {}


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"psy": 1}, "generator 'psi' has no sampling option 'psy'.", "Did you mean 'psi'? Available options: "),
        ({"psi": "much"}, "generator 'psi': psi is 'much'; expected float.", "The default is 1.0."),
        ({"layers": 1.5}, "generator 'psi': layers is 1.5; expected int.", "The default is 8."),
    ],
)  # fmt: skip
def test_invalid_option_is_refused(
    given: dict[str, object], message: str, hint: str, sampler: ganctl.Sampler
) -> None:
    with pytest.raises(GanctlError) as caught:
        sampler.with_options(**given)
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)
    assert caught.value.status == 2


@pytest.mark.parametrize("command", ["sample", "traverse", "interpolate"])
def test_commands_accept_options_of_the_generator(
    command: str, trained: ganctl.Run, plugin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def images(*words: str) -> bytes:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
        result = run(capsys, command, "--ckpt", trained.path, "--plugin", plugin, "--out", out, "-q", *words)
        assert result.status == 0, result.stderr
        return out.read_bytes()

    plain, half, again = images(), images("-o", "psi=0.5"), images("-o", "psi=0.5", "-o", "flip=no")
    assert plain != half
    assert len({plain, half, again}) == 3  # files record the options
    refused = run(capsys, command, "--ckpt", trained.path, "--plugin", plugin, "-o", "psy=1")
    assert refused.status == 2
    assert "has no sampling option 'psy'" in refused.stderr
    assert (
        "-o psi is not of the form NAME=VALUE."
        in run(capsys, command, "--ckpt", trained.path, "--plugin", plugin, "-o", "psi").stderr
    )


def test_info_lists_sampling_options(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run(capsys, "info", "psi", "--plugin", plugin).stdout
    assert "Options for sampling:" in shown
    assert "    -o psi=1.0  (float)\n        truncation in w; 1.0: none.\n" in shown
    assert "sample, traverse" not in run(capsys, "info", "mlp", "--kind", "generator").stdout


def test_explorer_shows_and_passes_options(sampler: ganctl.Sampler) -> None:
    explorer = Explorer(sampler.with_options(layers=4), "x")
    try:
        shown = {o["name"]: (o["type"], o["value"]) for o in explorer.model()["options"]}
        assert shown == {"psi": ("float", 1.0), "flip": ("true/false", False), "layers": ("int", 4)}
        z = explorer.latents(1, 0, None)
        plain = explorer.pixels(z, "")
        assert explorer.pixels(z, "", '{"psi": 0.5}') != plain
        assert explorer.pixels(z, "", '{"psi": 1}') == plain
        for invalid in ('{"psy": 1}', "[1]", "no"):
            with pytest.raises(GanctlError):
                explorer.pixels(z, "", invalid)
    finally:
        explorer.close()


def test_discriminator_and_loss_are_loaded_from_the_checkpoint(
    trained: ganctl.Run, sampler: ganctl.Sampler
) -> None:
    state = checkpoint.load(trained.checkpoints[-1])["engine"]
    weights = sampler.D.state_dict()
    assert weights.keys() == state["D"].keys()
    assert all(torch.equal(weights[name], value) for name, value in state["D"].items())
    assert not sampler.D.training
    assert sampler.D is sampler.D
    x = sampler.sample(3)
    assert sampler.D(x, None).shape == (3,)
    assert isinstance(sampler.loss, ganctl.Loss)
    assert not sampler.loss.training


def test_error_for_an_incompatible_discriminator_contains_its_version(
    trained: ganctl.Run, plugin: Path, tmp_path: Path
) -> None:
    state = checkpoint.load(trained.checkpoints[-1])
    state["config"]["discriminator"]["hidden"] = [9]
    state.pop("format")
    checkpoint.save(tmp_path / "other.pt", state)
    sampler = ganctl.load(tmp_path / "other.pt", device="cpu", plugins=[plugin])
    assert sampler.sample(1).shape == (1, 1, 28, 28)  # only G is built
    with pytest.raises(
        GanctlError, match=r"The discriminator '.*' does not fit the checkpoint's weights"
    ) as caught:
        sampler.D  # noqa: B018
    assert "was written with ganctl" in caught.value.hint
    assert caught.value.status == 4

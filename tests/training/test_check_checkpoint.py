"""Test that every part of a checkpoint is checked on resume, and that optimizers from plugins are supported."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.fork_server import ForkServer
from helpers.in_process_cli import assert_error, run

import ganctl
from ganctl.runs import checkpoint
from ganctl.runs.folder import Run

Change = Callable[[dict[str, Any]], object]


def _optimizer_state(state: dict[str, Any], name: str, value: Any) -> None:
    state["engine"]["g_optimizer"]["state"][0][name] = value


def _group(state: dict[str, Any], **values: Any) -> None:
    state["engine"]["g_optimizer"]["param_groups"][0].update(values)


#: Maps each change of a checkpoint to the part named in the error.
CHANGES: dict[str, tuple[Change, str]] = {
    "shape of a moment": (lambda s: _optimizer_state(s, "exp_avg", torch.zeros(3)), "g_optimizer.state.0.exp_avg"),
    "expanded moment": (
        lambda s: _optimizer_state(s, "exp_avg", torch.zeros(1).expand(10**5, 10**5)), "g_optimizer.state.0.exp_avg"
    ),
    "dtype of a moment": (
        lambda s: _optimizer_state(s, "exp_avg", s["engine"]["g_optimizer"]["state"][0]["exp_avg"].double()), "float64"
    ),
    "negative moment": (
        lambda s: s["engine"]["g_optimizer"]["state"][0]["exp_avg_sq"].fill_(-1.0), "exp_avg_sq' is negative"
    ),
    "infinite moment": (
        lambda s: s["engine"]["g_optimizer"]["state"][0]["exp_avg"].fill_(torch.inf), "exp_avg' is not finite"
    ),
    "missing moment": (lambda s: s["engine"]["g_optimizer"]["state"][0].pop("exp_avg"), "g_optimizer.state.0"),
    "no states": (lambda s: s["engine"]["d_optimizer"].update(state={}), "d_optimizer' has no states"),
    "unknown parameter": (lambda s: s["engine"]["g_optimizer"]["state"].update({99: {}}), "unknown parameters"),
    "steps of the optimizer": (lambda s: _optimizer_state(s, "step", torch.tensor(99.0)), "state.0.step"),
    "parameters of a group": (lambda s: _group(s, params=[0, 0]), "param_groups.0"),
    "learning rate": (lambda s: _group(s, lr=1.0), "param_groups.0.lr"),
    "betas": (lambda s: _group(s, betas=(0.9, torch.nan)), "param_groups.0.betas.1"),
    "flag": (lambda s: _group(s, amsgrad=True), "param_groups.0.amsgrad"),
    "unknown key of a group": (lambda s: _group(s, x=1), "param_groups.0"),
    "two groups": (lambda s: s["engine"]["g_optimizer"]["param_groups"].append({}), "param_groups"),
    "weight that is not finite": (lambda s: next(iter(s["engine"]["D"].values())).fill_(torch.nan), "not finite"),
    "dtype of a weight": (
        lambda s: s["engine"].update(D={n: w.double() for n, w in s["engine"]["D"].items()}), "float64"
    ),
    "average without a setting": (lambda s: s["engine"].update(G_ema=s["engine"]["G"]), "averaged G"),
    "augmentation without a setting": (lambda s: s["engine"].update(augment={}), "'augment'"),
    "classes": (lambda s: s["classes"].append("x"), "'classes'"),
    "number of classes": (lambda s: s.update(num_classes=3), "'num_classes'"),
    "names of reported values": (lambda s: s["recorder"].update(names=["a", "b", "c", "d"]), "'recorder'"),
    "too many rows": (lambda s: s["recorder"].update(rows=torch.zeros(99, 4)), "'recorder'"),
    "rows that are not finite": (lambda s: s["recorder"].update(rows=torch.full((1, 4), torch.nan)), "'recorder'"),
    "step": (lambda s: s.update(step=s["step"] + 1), "is the checkpoint of step"),
    "deep nesting": (lambda s: s.update(x=_nested(100)), "contains an object"),
}  # fmt: skip


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def write_changed(path: Path, change: Change) -> None:
    state = checkpoint.load(path)
    change(state)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.write_bytes(checkpoint.seal(buffer.getvalue()))


@pytest.fixture
def newest(tiny_run: Run, tmp_path: Path) -> Run:
    """A copy of the run that contains only the newest checkpoint."""
    copied = Run(shutil.copytree(tiny_run.path, tmp_path / "run"))
    for old in copied.checkpoints[:-1]:
        old.unlink()
    return copied


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", CHANGES)
def test_error_for_a_changed_part_contains_its_name(
    name: str, newest: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    change, part = CHANGES[name]
    write_changed(newest.checkpoints[-1], change)
    before = contents(newest.path)
    result = run(capsys, "train", "--resume", newest.path, "--epochs", 3)
    assert_error(result, 4)
    assert part in result.stderr
    assert contents(newest.path) == before


def test_wrong_shape_in_an_optimizer_does_not_crash(
    newest: Run, fork_server: ForkServer, tmp_path: Path
) -> None:
    """torch's fused kernels do not check shapes and would write past the end of the tensor."""

    def shrink(state: dict[str, Any]) -> None:
        for values in state["engine"]["g_optimizer"]["state"].values():
            values.update(exp_avg=torch.zeros(1), exp_avg_sq=torch.zeros(1))

    write_changed(newest.checkpoints[-1], shrink)
    status = fork_server.run("train", "--resume", newest.path, "--epochs", 3, log=tmp_path / "log")
    assert status == 4, (tmp_path / "log").read_text()


def test_memory_layout_of_a_saved_moment_does_not_matter(newest: Run) -> None:
    """A moment of the correct shape can repeat one element in memory. The optimizer receives a contiguous copy."""

    def repeat(state: dict[str, Any]) -> None:
        moments = state["engine"]["g_optimizer"]["state"][0]
        moments["exp_avg"] = torch.zeros(1).expand(moments["exp_avg"].shape)

    write_changed(newest.checkpoints[-1], repeat)
    resumed = ganctl.train(resume_from=newest.path, epochs=3, quiet=True)
    state = checkpoint.load(resumed.checkpoints[-1])["engine"]["g_optimizer"]["state"][0]["exp_avg"]
    assert len(state.unique()) > 1


OPTIMIZERS = '''
import torch
import ganctl


class Factored(torch.optim.Optimizer):
    """Keeps a row and a column instead of a matrix, a count in the group, and a tensor from the third step on."""

    def __init__(self, params, lr=1e-4):
        super().__init__(params, {"lr": lr, "count": 0, "scale": 1.0})
        self.own = "attribute"

    @torch.no_grad()
    def step(self, closure=None):
        assert self.own
        for group in self.param_groups:
            group["count"] += 1
            group["scale"] *= 0.9
            for p in group["params"]:
                state = self.state[p]
                matrix = p.grad.reshape(len(p), -1)
                state.setdefault("row", torch.zeros(len(p))).lerp_(matrix.square().mean(1), 0.1)
                state.setdefault("column", torch.zeros(matrix.shape[1])).lerp_(matrix.square().mean(0), 0.1)
                if group["count"] > 2:
                    state.setdefault("late", torch.zeros_like(p)).add_(p.grad)
                state["name"] = "factored"
                p.add_(p.grad, alpha=-group["lr"] * group["scale"])


@ganctl.hookimpl
def register_optimizers(register):
    register("factored", Factored, summary="Test")
'''


@pytest.mark.parametrize("optimizer", ["factored", "adam", "adamw", "rmsprop", "sgd"])
def test_every_optimizer_can_be_resumed(optimizer: str, tmp_path: Path) -> None:
    plugin = tmp_path / "factored.py"
    plugin.write_text(OPTIMIZERS)
    settings: dict[str, Any] = {
        "batch_size": 16, "log_every": 2, "samples": 4, "quiet": True, "plugins": [plugin], "device": "cpu",
        "generator": {"hidden": "8"}, "discriminator": {"hidden": "8"}, "optimizer": optimizer, "graph": False,
        "trackers": [],
    }  # fmt: skip
    data = {"name": "glyphs", "n": 64}
    whole = ganctl.train("gan", data, out=tmp_path / "whole", steps=8, **settings)
    part = ganctl.train("gan", data, out=tmp_path / "part", steps=5, **settings)
    resumed = ganctl.train(resume_from=part.path, steps=8, quiet=True, plugins=[plugin])
    expected, found = (checkpoint.load(r.checkpoint_file(8))["engine"] for r in (whole, resumed))
    for name, weight in expected["G"].items():
        assert torch.equal(weight, found["G"][name])


def test_factored_state_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    plugin = tmp_path / "factored.py"
    plugin.write_text(OPTIMIZERS)
    made = ganctl.train(
        "gan", {"name": "glyphs", "n": 64}, out=tmp_path / "run", steps=5, batch_size=16, quiet=True, plugins=[plugin],
        generator={"hidden": "8"}, discriminator={"hidden": "8"}, optimizer="factored", device="cpu", trackers=[],
    )  # fmt: skip
    write_changed(made.checkpoints[-1], lambda s: _optimizer_state(s, "row", torch.zeros(3)))
    with pytest.raises(ganctl.GanctlError, match=r"g_optimizer\.state\.0\.row") as refused:
        ganctl.train(resume_from=made.path, steps=8, quiet=True, plugins=[plugin])
    assert refused.value.status == 4

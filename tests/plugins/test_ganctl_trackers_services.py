"""Test ganctl_trackers with Weights & Biases in offline mode and with MLflow's local store."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ganctl_trackers.background import Background
from ganctl_trackers.mlflow_tracker import metric_name

Run = Callable[..., subprocess.CompletedProcess[str]]
TRAIN = (
    *(
        "train",
        "--model",
        "gan-basic",
        "--data",
        "glyphs",
        "-o",
        "data.n=64",
        "--batch-size",
        16,
        "--samples",
        4,
    ),
    *(
        "--log-every",
        2,
        "--metric",
        "swd",
        "--metric-samples",
        16,
        "--sample-every",
        4,
        "--device",
        "cpu",
        "--out",
        "run",
    ),
)
LOGGED = {"d_loss", "g_loss", "D(x)", "D(G(z))", "images_per_second", "swd"}


# -- Weights & Biases


def wandb_records(file: Path) -> Iterator[Any]:
    """Yield the records that W&B wrote to ``file``, which is in LevelDB's log format with a 7-byte header."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, position, parts = file.read_bytes(), 7, b""
    while position + 7 <= len(data):
        if 32768 - position % 32768 < 7:
            position += 32768 - position % 32768
            continue
        length, kind = struct.unpack("<HB", data[position + 4 : position + 7])
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # the record is complete
            yield Record.FromString(parts)
            parts = b""


def wandb_sessions(run: Path) -> list[dict[str, Any]]:
    """Return the logged data of each session: id, project, settings, history by step, summary and exit code."""
    sessions = []
    for file in sorted(run.glob("wandb/offline-run-*/*.wandb")):
        found: dict[str, Any] = {"settings": {}, "history": {}, "summary": {}}
        for record in wandb_records(file):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                found |= {
                    "id": record.run.run_id,
                    "project": record.run.project,
                    "name": record.run.display_name,
                }
            elif kind == "config":
                found["settings"] |= {item.key: json.loads(item.value_json) for item in record.config.update}
            elif kind == "summary":
                found["summary"] |= {i.key: json.loads(i.value_json) for i in record.summary.update if i.key}
            elif kind == "history":
                items = {
                    (item.key or item.nested_key[0]): json.loads(item.value_json)
                    for item in record.history.item
                }
                found["history"][items["_step"]] = items
            elif kind == "exit":
                found["exit"] = record.exit.exit_code
        sessions.append(found)
    return sessions


def test_wandb_offline_run_has_settings_numbers_samples_and_checkpoint(
    tmp_path: Path, ganctl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for arguments in (
        (*TRAIN, "--epochs", 1, "--tracker", "wandb"),
        ("train", "--resume", "run", "--epochs", 2),
    ):
        done = ganctl(*arguments)
        assert (done.returncode, "the tracker" in done.stderr) == (0, False), done.stderr
    first, resumed = wandb_sessions(tmp_path / "run")
    assert (first["project"], first["name"], first["exit"]) == ("ganctl", "run", 0)
    assert first["id"] == resumed["id"] == (tmp_path / "run" / "wandb-run-id.txt").read_text().strip()
    assert (first["settings"]["model"], first["settings"]["g_optimizer.lr"]) == ("gan-basic", 2e-4)
    assert (first["settings"]["epochs"], resumed["settings"]["epochs"]) == (1, 2)
    assert (set(first["history"]), set(resumed["history"])) == ({0, 2, 4}, {6, 8})
    assert {"reals", "samples"} <= set(first["history"][0])
    assert {"samples"} | LOGGED <= set(first["history"][4])
    newest = tmp_path / "run" / "checkpoints" / "step-00000008.pt"
    assert resumed["summary"]["checkpoint"] == str(newest)
    assert len(list(tmp_path.glob("run/wandb/offline-run-*/files/media/images/samples_*.png"))) == 3


def test_wandb_marks_a_diverged_run_as_failed(
    tmp_path: Path, ganctl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert (
        ganctl(*TRAIN, "--epochs", 9, "--lr", 1e9, "--optimizer", "sgd", "--tracker", "wandb").returncode == 5
    )
    (session,) = wandb_sessions(tmp_path / "run")
    assert session["exit"] == 1


# -- MLflow


def test_mlflow_run_has_settings_numbers_samples_and_checkpoint(
    tmp_path: Path, ganctl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    uri = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    option = ("-o", "tracker.mlflow.experiment=faces")
    for arguments in (
        (*TRAIN, "--epochs", 1, "--tracker", "mlflow", *option),
        ("train", "--resume", "run", "--epochs", 2),
    ):
        done = ganctl(*arguments)
        assert (done.returncode, "the tracker" in done.stderr) == (0, False), done.stderr
    client = mlflow.MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("faces").experiment_id])
    assert (run.info.run_name, run.info.status) == ("run", "FINISHED")
    assert (run.data.params["model"], run.data.params["g_optimizer.lr"]) == ("gan-basic", "0.0002")
    assert set(run.data.metrics) == {metric_name(name) for name in LOGGED}
    assert [m.step for m in client.get_metric_history(run.info.run_id, "D_G_z")] == [2, 4, 6, 8]
    newest = tmp_path / "run" / "checkpoints" / "step-00000008.pt"
    assert run.data.tags["checkpoint"] == str(newest)
    images = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
    for step in (0, 4, 8):
        assert any(f"samples+step+{step}+" in image for image in images)
    assert "config.toml" in [file.path for file in client.list_artifacts(run.info.run_id)]


def test_mlflow_does_not_log_repeated_steps_twice_and_records_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    from ganctl_trackers.mlflow_tracker import MLflow

    monkeypatch.chdir(tmp_path)
    uri, folder = f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "run"
    folder.mkdir()
    (folder / "config.toml").write_text("")
    for steps, state in (((1, 2, 3), "killed"), ((3, 4), "diverged")):
        tracker = MLflow(folder, {"epochs": 1}, uri=uri)
        for step in steps:
            tracker.scalars(step, {"d_loss": float(step)})
        (folder / "status.json").write_text(json.dumps({"state": state}))
        tracker.close()
    client = mlflow.MlflowClient(tracking_uri=uri)
    run = client.get_run((folder / "mlflow-run-id.txt").read_text().strip())
    assert run.info.status == "FAILED"
    assert [m.step for m in client.get_metric_history(run.info.run_id, "d_loss")] == [1, 2, 3, 4]


def test_mlflow_metric_names_are_valid() -> None:
    assert [metric_name(n) for n in ("D(x)", "D(G(z))", "d_loss", "swd.16/a b")] == [
        *("D_x", "D_G_z", "d_loss", "swd.16/a b"),
    ]


# -- both services


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_missing_package_causes_one_warning(
    name: str, tmp_path: Path, ganctl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site" / name).mkdir(parents=True)
    (tmp_path / "site" / name / "__init__.py").write_text("raise ImportError('absent')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=":")
    done = ganctl(*TRAIN, "--epochs", 1, "--tracker", name)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "the tracker" in line] == [
        f"warning: the tracker '{name}' failed ({name} is not installed; run pip install 'ganctl[{name}]') "
        "and is no longer used."
    ]


def test_unreachable_server_causes_one_warning(
    tmp_path: Path, ganctl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = ganctl(*TRAIN, "--epochs", 1, "--tracker", "mlflow")
    assert done.returncode == 0
    (warning,) = [line for line in done.stderr.splitlines() if "the tracker" in line]
    assert warning.startswith("warning: the tracker 'mlflow' failed (")
    assert (tmp_path / "run" / "checkpoints" / "step-00000004.pt").exists()


@pytest.mark.parametrize("module", ["weights_and_biases", "mlflow_tracker"])
def test_listing_options_does_not_import_the_service(module: str) -> None:
    code = f"import sys, ganctl_trackers.{module}; print(sorted({{'wandb', 'mlflow', 'numpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_background_calls_are_made_in_order_and_do_not_block() -> None:
    made, may_continue = [], threading.Event()
    background = Background("test")
    background.submit(may_continue.wait)
    for i in range(3):
        background.submit(lambda i=i: made.append(i))
    assert made == []
    may_continue.set()
    background.close()
    assert made == [0, 1, 2]


def test_background_raises_the_error_of_an_earlier_call_and_skips_later_calls() -> None:
    made: list[int] = []
    background = Background("test")
    background.submit(lambda: 1 / 0)
    background.submit(lambda: made.append(1))
    with pytest.raises(ZeroDivisionError):
        background.close()
    with pytest.raises(ZeroDivisionError):
        background.submit(lambda: made.append(2))
    assert made == []

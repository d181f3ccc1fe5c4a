"""Test ganctl_trackers: TensorBoard can read the files that the tracker writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ganctl_trackers.hyperparameters import hyperparameters
from ganctl_trackers.tensorboard import TensorBoard


def events(folder: Path) -> EventAccumulator:
    read = EventAccumulator(str(folder / "tensorboard"))
    read.Reload()
    return read


def test_scalars_and_images_are_readable_before_close(tmp_path: Path) -> None:
    tracker = TensorBoard(tmp_path, first_step=1, config={})
    tracker.scalars(5, {"d_loss": 0.5, "D(x)": 0.25})
    tracker.image(5, "samples", Image.new("RGB", (4, 3)))
    tracker.image(5, "gray", Image.new("L", (4, 3)))
    read = events(tmp_path)
    assert read.Tags()["scalars"] == ["d_loss", "D(x)"]
    assert [(e.step, e.value) for e in read.Scalars("D(x)")] == [(5, 0.25)]
    assert [(e.step, e.width, e.height) for e in read.Images("samples")] == [(5, 4, 3)]
    tracker.close()


def test_events_after_resuming_replace_earlier_events(tmp_path: Path) -> None:
    for first, steps in ((1, (1, 2, 3)), (3, (3, 4))):
        tracker = TensorBoard(tmp_path, first_step=first, config={})
        for step in steps:
            tracker.scalars(step, {"loss": first})
        tracker.close()
    assert [(e.step, e.value) for e in events(tmp_path).Scalars("loss")] == [(1, 1), (2, 1), (3, 3), (4, 3)]


def test_full_disk_raises_an_error_with_the_file_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = TensorBoard(tmp_path, first_step=1, config={})

    class Full:
        def write(self, data: Any) -> int:
            return 3

        def close(self) -> None:
            raise OSError("still full")

    tracker._file.close()
    monkeypatch.setattr(tracker, "_file", Full())
    with pytest.raises(OSError, match=r"No space left on device.*events\.out"):
        tracker.scalars(1, {"loss": 1.0})
    tracker.close()


CONFIG = {
    "model": "dcgan", "batch_size": 64, "ema": None, "force": False, "data_root": "/elsewhere",
    "trackers": ["tensorboard"],
    "generator": {"name": "mlp", "hidden": [512, 256], "batch_norm": True}, "g_optimizer": {"name": "adam", "lr": 2e-4},
}  # fmt: skip


def test_hyperparameters_are_flattened() -> None:
    assert hyperparameters(CONFIG) == {
        "model": "dcgan", "batch_size": 64, "ema": "none", "generator": "mlp", "generator.hidden": "512, 256",
        "generator.batch_norm": True, "g_optimizer": "adam", "g_optimizer.lr": 2e-4,
    }  # fmt: skip


def test_every_run_is_one_hparams_session(tmp_path: Path) -> None:
    """The HPARAMS tab of ``tensorboard --logdir runs`` lists each run once, with settings and latest values."""
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

    for name, lr, first in (("00001-a", 1e-4, 1), ("00002-b", 2e-4, 1), ("00002-b", 2e-4, 5)):
        (tmp_path / name).mkdir(exist_ok=True)
        tracker = TensorBoard(tmp_path / name, first, {**CONFIG, "g_optimizer": {"name": "adam", "lr": lr}})
        tracker.scalars(first + 1, {"d_loss": lr * first})
        tracker.close()
    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    assert set(multiplexer.Runs()) == {"00001-a/tensorboard", "00002-b/tensorboard"}
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(tmp_path))
    backend = backend_context.Context(TBContext(multiplexer=multiplexer, data_provider=provider))
    request = RequestContext()
    experiment = get_experiment.Handler(request, backend, "", api_pb2.GetExperimentRequest()).run()
    assert {info.name for info in experiment.hparam_infos} == set(hyperparameters(CONFIG))
    list_request = api_pb2.ListSessionGroupsRequest(
        slice_size=10,
        allowed_statuses=[api_pb2.STATUS_UNKNOWN],
        col_params=[api_pb2.ColParams(hparam="g_optimizer.lr")],
    )
    groups = list_session_groups.Handler(request, backend, "", list_request).run().session_groups
    shown = {g.name: g.hparams["g_optimizer.lr"].number_value for g in groups}
    assert shown == {"00001-a/tensorboard": 1e-4, "00002-b/tensorboard": 2e-4}
    values = {g.name: [m.value for m in g.metric_values if m.name.tag == "d_loss"] for g in groups}
    assert values["00002-b/tensorboard"] == [pytest.approx(1e-3)]

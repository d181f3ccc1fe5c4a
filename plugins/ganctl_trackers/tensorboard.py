"""Log scalars, images and hyperparameters to TensorBoard."""

from __future__ import annotations

import errno
import io
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ganctl
from ganctl_trackers.hyperparameters import hyperparameters

if TYPE_CHECKING:
    from PIL.Image import Image


class TensorBoard(ganctl.Tracker):
    """Write an event file to ``tensorboard/`` in the run's folder.

    TensorBoard discards events that an earlier session wrote for ``first_step`` or later steps. Every event is written
    immediately. In contrast, torch's SummaryWriter buffers events for up to two minutes and loses them if the process
    is killed, and its thread prints a traceback if the disk is full.
    """

    def __init__(self, folder: Path, first_step: int, config: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        # TensorBoard recognizes the file by "tfevents" and sorts the sessions by the time in their file names.
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self.path = folder / "tensorboard" / name
        self.path.parent.mkdir(exist_ok=True)
        self._file: io.FileIO = self.path.open("wb", buffering=0)
        self._write(Event(step=first_step, file_version="brain.Event:2"))
        self._write(Event(step=first_step, session_log=SessionLog(status=SessionLog.START)))
        self._write(Event(summary=_session_summary(hyperparameters(config))))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from torch.utils.tensorboard import summary

        for name, value in values.items():
            self._write(Event(step=step, summary=summary.scalar(name, value)))

    def image(self, step: int, name: str, image: Image) -> None:
        import numpy as np
        from tensorboard.compat.proto.event_pb2 import Event
        from torch.utils.tensorboard import summary

        pixels = np.asarray(image)
        layout = "HWC" if pixels.ndim == 3 else "HW"
        self._write(Event(step=step, summary=summary.image(name, pixels, dataformats=layout)))

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()

    def _write(self, event: Any) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        event.wall_time = time.time()
        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        if self._file.write(record.getvalue()) != record.tell():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))


def _session_summary(values: Mapping[str, bool | float | str]) -> Any:
    """Return the summary that marks the folder as a session with these hyperparameters for the hparams plugin.

    SummaryWriter.add_hparams writes the same summary to a new folder, which TensorBoard would list as a separate run.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    info = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
    for key, value in values.items():
        if isinstance(value, bool):
            info.hparams[key].bool_value = value
        elif isinstance(value, str):
            info.hparams[key].string_value = value
        else:
            info.hparams[key].number_value = value
    data = plugin_data_pb2.HParamsPluginData(session_start_info=info)
    return Summary(
        value=[
            Summary.Value(
                tag=metadata.SESSION_START_INFO_TAG,
                metadata=metadata.create_summary_metadata(data),
                tensor=metadata.NULL_TENSOR,
            )
        ]
    )

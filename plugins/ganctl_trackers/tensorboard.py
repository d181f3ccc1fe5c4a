"""TensorBoard scalars and pictures."""

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

if TYPE_CHECKING:
    from PIL.Image import Image


class TensorBoard(ganctl.Tracker):
    """An event file in the run's folder ``tensorboard/``. Whatever an earlier session wrote from now on is void.

    Written at once and not by torch's SummaryWriter: that holds events back for two minutes, which a killed
    process takes with it, and its thread prints a traceback when the disk is full.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        # The name's second part orders the sessions; "tfevents" in it is how TensorBoard knows the file.
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self.path = folder / "tensorboard" / name
        self.path.parent.mkdir(exist_ok=True)
        self._file: io.FileIO = self.path.open("wb", buffering=0)
        self._write(Event(step=first_step, file_version="brain.Event:2"))
        self._write(Event(step=first_step, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from torch.utils.tensorboard import summary

        for name, value in values.items():
            self._write(Event(step=step, summary=summary.scalar(name, value)))

    def picture(self, step: int, name: str, image: Image) -> None:
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

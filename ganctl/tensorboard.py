"""TensorBoard scalars and pictures. What it cannot write never stops a training."""

from __future__ import annotations

import errno
import io
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image


class TensorBoard:
    """An event file in ``folder``. Whatever an earlier session wrote from ``first_step`` on is void.

    Written at once and not by torch's SummaryWriter: that holds events back for two minutes, which a killed
    process takes with it, and its thread prints a traceback when the disk is full.

    Args:
        say: told once when events cannot be written; the rest of them is dropped.
    """

    def __init__(self, folder: Path, *, first_step: int, say: Callable[[str], None]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        # The name's second part orders the sessions; "tfevents" in it is how TensorBoard knows the file.
        self.path = folder / f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._say = say
        self._file: io.FileIO | None = None
        try:
            folder.mkdir(exist_ok=True)
            self._file = self.path.open("wb", buffering=0)
        except OSError as error:
            self._give_up(error)
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
        if self._file is not None:
            self._file.close()

    def _write(self, event: Any) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        if self._file is None:
            return
        event.wall_time = time.time()
        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        try:
            if self._file.write(record.getvalue()) != record.tell():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._file = None
        self._say(f"warning: cannot write {self.path} ({error.strerror}); going on without TensorBoard.")

"""ganctl: a GAN laboratory on the command line.

The names in ``__all__`` are the public API for plugins and notebooks; everything else may change without notice.
Names that need torch are imported on first use, so that ``import ganctl`` is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganctl.errors import DATA, USAGE, GanctlError
from ganctl.plugin.hookspecs import Register, hookimpl
from ganctl.recipe import ImageShape, Model, Spec
from ganctl.version import __version__

if TYPE_CHECKING:
    from ganctl.api import load, sweep, train
    from ganctl.dataset import Dataset, ImageFiles, Images
    from ganctl.evaluation.metrics import Metric
    from ganctl.latent import Codes, Latent
    from ganctl.loss import Batch, Critic, Generator, Loss, logits
    from ganctl.regularizer import Regularizer
    from ganctl.reports.report import Report, report
    from ganctl.runs.folder import Run
    from ganctl.sampling.sampler import Sampler
    from ganctl.sampling.walk_result import Walk
    from ganctl.sweeps.folder import Sweep
    from ganctl.training.make import make
    from ganctl.training.trackers import Tracker

_LAZY = {
    "Batch": "ganctl.loss",
    "Codes": "ganctl.latent",
    "Critic": "ganctl.loss",
    "Dataset": "ganctl.dataset",
    "Generator": "ganctl.loss",
    "Images": "ganctl.dataset",
    "Latent": "ganctl.latent",
    "Loss": "ganctl.loss",
    "Metric": "ganctl.evaluation.metrics",
    "ImageFiles": "ganctl.dataset",
    "Regularizer": "ganctl.regularizer",
    "Report": "ganctl.reports.report",
    "Run": "ganctl.runs.folder",
    "Sampler": "ganctl.sampling.sampler",
    "Sweep": "ganctl.sweeps.folder",
    "Tracker": "ganctl.training.trackers",
    "Walk": "ganctl.sampling.walk_result",
    "load": "ganctl.api",
    "logits": "ganctl.loss",
    "make": "ganctl.training.make",
    "report": "ganctl.reports.report",
    "sweep": "ganctl.api",
    "train": "ganctl.api",
}

__all__ = [
    "DATA",
    "USAGE",
    "Batch",
    "Codes",
    "Critic",
    "Dataset",
    "GanctlError",
    "Generator",
    "ImageFiles",
    "ImageShape",
    "Images",
    "Latent",
    "Loss",
    "Metric",
    "Model",
    "Register",
    "Regularizer",
    "Report",
    "Run",
    "Sampler",
    "Spec",
    "Sweep",
    "Tracker",
    "Walk",
    "__version__",
    "hookimpl",
    "load",
    "logits",
    "make",
    "report",
    "sweep",
    "train",
]


#: Public modules, which are also attributes of the package.
_MODULES = ("batchwise", "image_files", "penalties", "sizes", "testing")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"ganctl.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module 'ganctl' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_MODULES})

"""Command-line options of the benchmarks."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ganctl benchmarks")
    group.addoption("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    group.addoption("--batch-size", type=int, default=64)
    group.addoption("--threads", type=int, default=0, help="number of CPU threads (default: chosen by torch)")

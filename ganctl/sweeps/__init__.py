"""Sweeps: many trainings that differ in a few settings, in one folder, by any number of processes.

:mod:`~ganctl.sweeps.folder` what a sweep has come to, read without torch; :mod:`~ganctl.sweeps.plan` from a grid to
runs; :mod:`~ganctl.sweeps.claim` who works on what; :mod:`~ganctl.sweeps.worker` a process that takes runs and trains
them; :mod:`~ganctl.sweeps.crew` starts such processes and looks after them; :mod:`~ganctl.sweeps.board` what a person
sees meanwhile.
"""

from __future__ import annotations

from ganctl.sweeps.folder import Entry, State, Sweep, is_sweep, read

__all__ = ["Entry", "State", "Sweep", "is_sweep", "read"]

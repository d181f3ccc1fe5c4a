"""The range of values that each setting accepts."""

from __future__ import annotations

import math

from ganctl.config.settings import HELP, Config
from ganctl.errors import USAGE, GanctlError

MINIMUM = {
    "batch_size": 1,
    "n_critic": 1,
    "log_every": 1,
    "samples": 1,
    "image_size": 1,
    "epochs": 0,
    "steps": 0,
    "sample_every": 1,
    "metric_samples": 1,
    "checkpoint_every": 1,
    "keep": 0,
    "seed": 0,
}


def check_ranges(config: Config) -> None:
    """Check that every number in ``config`` is in the range of its setting.

    Raises:
        GanctlError: a number is out of range. The message names the setting.
    """
    for name, minimum in MINIMUM.items():
        value = getattr(config, name)
        if value is not None and value < minimum:
            raise _out_of_range(name, value, f"at least {minimum}", f"{HELP[name]}.")
    if config.seed >= 2**31:
        raise _out_of_range("seed", config.seed, "below 2³¹", f"{HELP['seed']}.")
    if config.ema is not None and not config.ema > 0:
        raise _out_of_range("ema", config.ema, "above 0", f"{HELP['ema']}.")
    if config.ema_rampup is not None and not 0 < config.ema_rampup < math.inf:
        raise _out_of_range("ema_rampup", config.ema_rampup, "above 0", f"{HELP['ema_rampup']}.")
    for name in ("g_optimizer", "d_optimizer"):
        lr = getattr(config, name).options.get("lr")
        if isinstance(lr, float) and not (lr > 0 and math.isfinite(lr)):
            raise _out_of_range(
                f"The learning rate of {name}", lr, "above 0", "Usual values are 1e-5 to 1e-3."
            )


def _out_of_range(name: str, value: float, allowed: str, hint: str) -> GanctlError:
    return GanctlError(f"{name} is {value}; it must be {allowed}.", hint, status=USAGE)

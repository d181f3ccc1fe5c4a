"""Range of valid values for each setting, used for the command line, TOML files and Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganctl.errors import USAGE, GanctlError

if TYPE_CHECKING:
    from ganctl.config.settings import Config


@dataclass(frozen=True)
class Range:
    """Numbers from ``least`` to ``most``, inclusive. If ``whole`` is True, only integers are in the range."""

    least: float
    most: float
    whole: bool = True

    def __contains__(self, value: object) -> bool:
        """Return whether ``value`` is a number in this range. NaN is never in a range."""
        kinds = (int,) if self.whole else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and self.least <= value <= self.most

    @property
    def limits(self) -> str:
        """The limits as text, for example ``"1 to 1,000"``."""
        return f"{_text(self.least)} to {_text(self.most)}"

    def __str__(self) -> str:
        return f"a {'whole ' * self.whole}number from {self.limits}"

    def parse(self, text: Any) -> int | float:
        """Convert ``text`` to a number in this range.

        Raises:
            ValueError: ``text`` is not a number or is not in this range.
        """
        number = int(text) if self.whole else float(text)
        if number not in self:
            raise ValueError(text)
        return number


COUNT = Range(1, 1_000_000_000)
COUNT_OR_ZERO = Range(0, 1_000_000_000)
LEARNING_RATE = Range(1e-12, 1e9, whole=False)
HALF_LIFE = Range(0.001, 1e12, whole=False)

#: Maps each setting to its range.
RANGES = {
    "batch_size": Range(1, 1_000_000),
    "n_critic": COUNT,
    "n_generator": Range(1, 1_000),
    "log_every": COUNT,
    "samples": Range(1, 10_000),
    "image_size": Range(1, 16_384),
    "epochs": COUNT_OR_ZERO,
    "steps": COUNT_OR_ZERO,
    "minutes": Range(1e-3, 1e7, whole=False),
    "sample_every": COUNT,
    "metric_samples": COUNT,
    "checkpoint_every": COUNT,
    "keep": COUNT_OR_ZERO,
    "seed": Range(0, 2**31 - 1),
    "ema": HALF_LIFE,
    "ema_rampup": Range(1e-6, 1e6, whole=False),
}
#: Settings that can be none instead of a number.
OR_NONE = {
    "image_size",
    "epochs",
    "steps",
    "minutes",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "ema",
    "ema_rampup",
}
#: Maps each shorthand for component options to its range.
SHORTHAND_RANGES = {
    "lr": LEARNING_RATE,
    "g_lr": LEARNING_RATE,
    "d_lr": LEARNING_RATE,
    "z_dim": Range(1, 1_000_000),
}


def check_ranges(config: Config) -> None:
    """Check that every number in ``config`` is in the setting's range.

    Raises:
        GanctlError: a number is out of range. The message contains the setting and its range.
    """
    from ganctl.config.settings import HELP  # imports modules that --help does not need

    for name, allowed in RANGES.items():
        value = getattr(config, name)
        if value is not None and value not in allowed:
            raise _out_of_range(name, value, allowed, f"{HELP[name]}.")
    for name in ("g_optimizer", "d_optimizer"):
        lr = getattr(config, name).options.get("lr")
        if isinstance(lr, float) and lr not in LEARNING_RATE:
            raise _out_of_range(
                f"The learning rate of {name}", lr, LEARNING_RATE, "Usual values are 1e-5 to 1e-3."
            )
    z_dim = config.latent.options.get("z_dim")
    if isinstance(z_dim, int) and z_dim not in SHORTHAND_RANGES["z_dim"]:
        raise _out_of_range("z_dim", z_dim, SHORTHAND_RANGES["z_dim"], "Usual values are 64 to 512.")


def _out_of_range(name: str, value: float, allowed: Range, hint: str) -> GanctlError:
    return GanctlError(f"{name} is {value}; expected {allowed}.", hint, status=USAGE)


def _text(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}".replace("e+0", "e").replace("e+", "e")

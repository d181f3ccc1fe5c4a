"""From a checkpoint to pictures. Needs the checkpoint and the plugins of its generator, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganctl.errors import CHECKPOINT, USAGE, GanctlError, did_you_mean
from ganctl.latent import Codes
from ganctl.plugin import single_file
from ganctl.plugin.registry import Registry
from ganctl.recipe import ImageShape
from ganctl.rendering import grid as pictures
from ganctl.runs import checkpoint
from ganctl.runs.checkpoint import find_checkpoint
from ganctl.runs.checkpoint_schema import checkpoint_errors
from ganctl.runs.provenance import check_origin, config_of
from ganctl.sampling import latent_walks
from ganctl.sampling.latent_walks import Walk
from ganctl.system.progress import print_warnings
from ganctl.training import components
from ganctl.training.devices import choose_device
from ganctl.training.generate import draw_latents, generate

if TYPE_CHECKING:
    from PIL.Image import Image


class Sampler:
    """A trained generator.

    Attributes:
        image: the shape of its images; ``classes``: the names of its data's classes; ``config``: how it was
            trained; ``step``: after how many generator updates.
    """

    def __init__(self, state: dict[str, Any], registry: Registry, device: torch.device) -> None:
        self.config = config_of(registry, state)
        self.image = ImageShape(*state["image"])
        self.classes = tuple(state["classes"])
        self.num_classes: int = state["num_classes"]
        self.step: int = state["step"]
        self.device = device
        self.warnings = [
            warning for part in ("generator", "latent") for warning in check_origin(registry, state, part)
        ]
        self.config = replace(
            self.config,
            generator=components.resolve_options(registry, "generator", self.config.generator),
            latent=components.resolve_options(registry, "latent", self.config.latent),
        )
        self.latent = components.make_latent(registry, self.config.latent)
        self.conditional = components.is_conditional(registry, self.config)
        weights = state["engine"]["G_ema"] or state["engine"]["G"]

        def make() -> nn.Module:
            return components.make_generator(registry, self.config, self.image, self.num_classes)

        try:
            _check_sizes(make, weights)
            with torch.random.fork_rng(devices=[]):  # building draws weights that are replaced at once
                self.G = make()
            self.G.load_state_dict(weights)
        except RuntimeError as error:
            origin = state["components"]["generator"]
            raise GanctlError(
                f"The generator '{self.config.generator.name}' does not fit the checkpoint's weights.",
                f"It was made with {origin['distribution']} {origin['version']}: pip install "
                f"'{origin['distribution']}=={origin['version']}'",
                status=CHECKPOINT,
            ) from error
        self.G.to(device).eval().requires_grad_(False)

    def latents(self, n: int, *, seed: int = 0, truncation: float | None = None) -> Tensor:
        """``n`` latents of ``seed``: float32 n×dim on the CPU, the same on every machine.

        Args:
            truncation: draw from the normal distribution cut off at ±this (Brock et al. 2018): fewer odd
                pictures, less variety.
        """
        return draw_latents(self.latent, n, seed=seed, truncation=truncation)

    @torch.no_grad()
    def generate(self, z: Tensor, y: Tensor | None = None, *, batch_size: int = 64) -> Iterator[Tensor]:
        """The images of the latents ``z`` (N×dim), batch by batch: float32 in [−1, 1] on the CPU.

        Args:
            y: int64 N, the class of each; unless given, a conditional generator draws all classes in turn.
        """
        if y is None and self.conditional:
            y = self.classes_in_turn(len(z))
        labels = None if y is None else y.to(self.device)
        for x in generate(self.G, z.to(self.device), labels, batch_size):
            yield x.cpu()

    def sample(
        self,
        n: int = 25,
        *,
        y: Tensor | None = None,
        seed: int = 0,
        truncation: float | None = None,
        batch_size: int = 64,
    ) -> Tensor:
        """``n`` images, of the classes ``y`` (int64 n) if given: float32 n×C×H×W in [−1, 1], on the CPU."""
        return torch.cat(
            list(self.generate(self.latents(n, seed=seed, truncation=truncation), y, batch_size=batch_size))
        )

    def with_code(self, z: Tensor, code: str) -> Tensor:
        """``z`` with one of its codes set, as :meth:`ganctl.Codes.with_code`: V×N×dim.

        Raises:
            GanctlError: this model has no codes, not that one, or not that value.
        """
        if not isinstance(self.latent, Codes):
            raise GanctlError(
                f"The latent '{self.config.latent.name}' of this model has no codes.",
                "Models of the latent 'codes', as infogan, have them.",
                status=USAGE,
            )
        return self.latent.with_code(z, code)

    def class_number(self, name: str) -> int:
        """The number of the class called ``name``, or with that number.

        Raises:
            GanctlError: there is no such class, or this generator has none.
        """
        if not self.conditional:
            raise GanctlError(
                f"The generator '{self.config.generator.name}' was not trained on classes.",
                "Those of conditional models are, as cgan; see: ganctl list models",
                status=USAGE,
            )
        if name in self.classes:
            return self.classes.index(name)
        if name.isdecimal() and int(name) < self.num_classes:
            return int(name)
        known = self.classes or [str(number) for number in range(self.num_classes)]
        raise GanctlError(f"There is no class '{name}'.", did_you_mean(name, known), status=USAGE)

    def classes_in_turn(self, n: int) -> Tensor:
        """0, 1, …, and again, of all classes: int64 n."""
        return torch.arange(n) % self.num_classes

    def class_name(self, number: int) -> str:
        """What the class with this number is called: its name, or the number if the data had no names."""
        return self.classes[number] if self.classes else str(number)

    def traverse(
        self,
        dims: str | int | Sequence[int | str] = "auto",
        values: Sequence[float] | None = None,
        *,
        seed: int = 0,
        z: Tensor | None = None,
        classes: Sequence[int] | None = None,
        code: str | None = None,
        truncation: float | None = None,
        batch_size: int = 64,
    ) -> Walk:
        """One latent with one of its dimensions at each of the values, and all others as they were; a row a dimension.

        ::

            sampler.traverse([5, 25, 45], [-3, 0, 3], seed=1)

        Args:
            dims: numbers, counted from 1, so that dimension 5 is ``z[:, 4]``; or a code's name, as ``"u0"``. Several
                as a list or as in ``"5,25,u0"``. ``"auto"`` takes the 8 that change the picture most, ``"auto:12"``
                12; see :meth:`rank_dimensions`.
            values: seven from −3 to 3 unless given, or from −1 to 1 if the latent is drawn from there. For a
                categorical code always all categories.
            z: take this latent (the first, of N×dim) in place of that of ``seed``.
            classes: of a conditional model, these: a row for each. Its first one unless given.
            code: set this code first, as ``"c=3"``.

        Returns:
            Its ``x`` are the pictures, row after row, as :meth:`sample` returns them; ``image()`` has them in one
            picture with their names.

        Raises:
            GanctlError: there is no such dimension, class or code.
        """
        return latent_walks.traverse(
            self,
            dims,
            values,
            seed=seed,
            z=z,
            classes=classes,
            code=code,
            truncation=truncation,
            batch_size=batch_size,
        )

    def rank_dimensions(self, *, seed: int = 0) -> list[tuple[str, float]]:
        """Every dimension, by its name, and how much it changes the picture; the most telling first.

        It is the mean squared difference of the pixels, in [−1, 1], between the dimension at −1 and at +1, over 16
        latents of ``seed``; for a categorical code that between each category and the next.
        """
        return [
            (dimension.name, change) for dimension, change in latent_walks.rank_dimensions(self, seed=seed)
        ]

    def interpolate(
        self,
        seeds: Sequence[int] = (0, 1),
        *,
        z: Tensor | None = None,
        y: Tensor | None = None,
        rows: int = 1,
        steps: int = 8,
        method: str | None = None,
        loop: bool = False,
        classes: Sequence[int] | None = None,
        truncation: float | None = None,
        batch_size: int = 64,
    ) -> Walk:
        """Pictures on a path from one latent to the next.

        Args:
            seeds: the points are the first latents of these.
            z: the points themselves, N×dim, in place of seeds.
            y: int64 N, the classes of ``z``; between two points the nearer one's.
            rows: so many paths; the second is through the second latents of the seeds, and so on, or through the
                second part of ``z``.
            steps: number of pictures from one point to the next, which is counted with them.
            method: ``"slerp"``, on a great circle, or ``"lerp"``, on a straight line. Unless given slerp for latents
                drawn from a normal distribution, and lerp for the others.
            loop: go on from the last point to the first; the picture before the first one is the last.
            classes: of a conditional model, these: ``rows`` for each.

        Returns:
            As of :meth:`traverse`; its ``frames()`` are those of an animation.

        Raises:
            GanctlError: fewer than two points, or no such class.
        """
        return latent_walks.interpolate(
            self,
            seeds,
            z=z,
            y=y,
            rows=rows,
            steps=steps,
            method=method,
            loop=loop,
            classes=classes,
            truncation=truncation,
            batch_size=batch_size,
        )

    def grid(self, n: int = 25, *, nrow: int | None = None, **options: Any) -> Image:
        """``n`` images in one picture; a notebook shows it. Options as for :meth:`sample`."""
        return pictures.grid(pictures.to_uint8(self.sample(n, **options)), nrow)

    def _repr_png_(self) -> bytes:
        """What a notebook shows: 25 pictures."""
        return pictures.png(self.grid())


def _check_sizes(make: Callable[[], nn.Module], weights: dict[str, Tensor]) -> None:
    """Raise a RuntimeError if a network is not as large as ``weights``, before memory is taken for it."""
    try:
        with torch.device("meta"):
            sizes = {name: weight.shape for name, weight in make().state_dict().items()}
    except (
        Exception
    ):  # a plugin's network that cannot be built without memory; or cannot be built, as is said later
        return
    for name, size in sizes.items():
        if name in weights and weights[name].shape != size:
            raise RuntimeError(f"{name} is {tuple(size)}, and {tuple(weights[name].shape)} in the checkpoint")


def load(path: Path | str, *, device: str = "auto", plugins: Sequence[Path | str] = ()) -> Sampler:
    """The sampler of a checkpoint file, or of the newest checkpoint of a run folder.

    Args:
        plugins: plugin files, if G or its latent is in one.

    Raises:
        GanctlError: damaged, not a checkpoint, or a component whose plugin is not installed.
    """
    registry = single_file.registry_with(plugins)
    file, chosen = find_checkpoint(Path(path)), choose_device(device)
    state = checkpoint.load(file)
    with checkpoint_errors(file):
        sampler = Sampler(state, registry, chosen)
    print_warnings(sampler.warnings)
    return sampler

"""Generate samples from a checkpoint. Only the checkpoint and the plugins of its generator are needed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganctl.data.pixels import PixelFormat
from ganctl.errors import CHECKPOINT, USAGE, GanctlError, did_you_mean
from ganctl.latent import Codes
from ganctl.loss import Loss
from ganctl.plugin import single_file
from ganctl.plugin.names import plugin_file
from ganctl.plugin.options import convert_sampling
from ganctl.plugin.registry import Registry
from ganctl.plugin.signatures import requests
from ganctl.recipe import ImageShape, Spec
from ganctl.rendering import grid as image_grid
from ganctl.runs import checkpoint
from ganctl.runs.checkpoint import find_checkpoint
from ganctl.runs.checkpoint_schema import checkpoint_errors
from ganctl.runs.provenance import check_origin, config_of, version_changes
from ganctl.sampling import conditions, latent_dimensions, latent_walks
from ganctl.system.progress import print_warnings
from ganctl.training import components
from ganctl.training.check_checkpoint import check_weights
from ganctl.training.devices import choose_device
from ganctl.training.generate_samples import draw_latents, generate
from ganctl.training.network_calls import GeneratorCall
from ganctl.training.sample_conditions import in_turn

if TYPE_CHECKING:
    from PIL.Image import Image


class Sampler:
    """A trained generator. In a notebook, a sampler is displayed as a grid of 25 samples.

    Attributes:
        G: the generator, in evaluation mode. The averaged generator is used if the checkpoint contains one.
        latent: the distribution of z.
        image: shape of the samples: channels, height, width.
        conditional: whether G takes classes.
        num_classes: number of classes of the dataset.
        classes: names of the classes; empty if the dataset has no names.
        takes_conditions: whether G takes the conditions ``c`` of a dataset.
        condition: shape of one condition; None if the dataset has no conditions.
        conditions: default conditions, N×``condition``: those of images of the dataset, from the checkpoint. None if it
            contains no conditions. May be replaced, see :meth:`use_conditions`.
        pixels: dtype of the dataset's pixels, and the values (``low``, ``high``) that are −1 and 1 in samples.
        config: settings of the run.
        step: number of generator updates before the checkpoint.
        device: device of G.
        warnings: warnings about plugins that have changed since training.
        options: values of the options that ``with_options`` set.
    """

    def __init__(self, state: dict[str, Any], registry: Registry, device: torch.device) -> None:
        self.config = config_of(registry, state)
        self.image = ImageShape(*state["image"])
        self.classes = tuple(state["classes"])
        self.num_classes: int = state["num_classes"]
        self.step: int = state["step"]
        self.pixels = PixelFormat.from_state(state.get("pixels"))
        self.condition: list[int] | None = state.get("condition")
        self.device = device
        self.warnings = [
            warning for part in ("generator", "latent") for warning in check_origin(registry, state, part)
        ]
        self.warnings += version_changes(registry, state, ("generator", "latent"))
        self.config = replace(
            self.config,
            generator=components.resolve_options(registry, "generator", self.config.generator),
            latent=components.resolve_options(registry, "latent", self.config.latent),
        )
        self.latent = components.make_latent(registry, self.config.latent, self.image, self.config.data_root)
        self.conditional = components.is_conditional(registry, self.config)
        self.options: dict[str, Any] = {}
        part = "G" if state["engine"].get("G_ema") is None else "G_ema"
        # Without the optimizers, which may be twice as large as the networks.
        self._state = {key: state[key] for key in ("components", "config")}
        self._weights = {"discriminator": state["engine"]["D"], "loss": state["engine"]["loss"]}
        self._registry = registry
        self._data = components.Data(self.image, self.num_classes, self.condition)
        self.G = self._build("generator", components.make_generator, state["engine"][part])
        self.takes_conditions = self.condition is not None and requests(self.G.forward, "c")
        stored = state.get("conditions") or {"c": None, "y": None}
        self._condition_dtype: torch.dtype | None = None if stored["c"] is None else stored["c"].dtype
        self.conditions: Tensor | None = stored["c"]
        self._condition_labels: Tensor | None = stored["y"]  # of the images of self.conditions

    @cached_property
    def D(self) -> nn.Module:  # noqa: N802 (the discriminator, as in formulas)
        """The trained discriminator, in evaluation mode. It is built when it is used first.

        Raises:
            GanctlError: its plugin is not installed, or it does not fit the weights in the checkpoint.
        """
        return self._build_on_demand("discriminator", components.make_discriminator)

    @cached_property
    def loss(self) -> Loss:
        """The loss with the state that it had at the end of training, in evaluation mode. Built when it is used first.

        Raises:
            GanctlError: its plugin is not installed, or it does not fit the state in the checkpoint.
        """
        loss: Loss = self._build_on_demand("loss", components.make_loss)
        return loss

    def _build_on_demand(self, kind: str, make: Callable[..., Any]) -> Any:
        print_warnings(check_origin(self._registry, self._state, kind))
        return self._build(kind, make, self._weights[kind])

    def _build(self, kind: str, make_part: Callable[..., Any], weights: dict[str, Tensor]) -> Any:
        """Return the component ``kind`` of the checkpoint with ``weights``, in evaluation mode.

        Raises:
            GanctlError: the component does not fit the weights. The message names the version that does.
        """
        spec: Spec = components.resolve_options(self._registry, kind, getattr(self.config, kind))
        changed: dict[str, Any] = {kind: spec}
        config = replace(self.config, **changed)

        def make() -> nn.Module:
            module: nn.Module = make_part(self._registry, config, self._data)
            return module

        try:
            _check_sizes(make, weights)
            with torch.random.fork_rng(
                devices=[]
            ):  # building a network draws weights, which are then replaced
                module = make()
            try:
                check_weights(kind, weights, module.state_dict(), module)
            except GanctlError as error:
                raise RuntimeError(error.message) from error
            module.load_state_dict(weights)
        except RuntimeError as error:
            origin = self._state["components"][kind]
            distribution, version = origin["distribution"], origin["version"]
            remedy = f"pip install '{distribution}=={version}'"
            if file := plugin_file(distribution):
                remedy = f"restore the text of {file} with this digest."
            raise GanctlError(
                f"The {kind} '{spec.name}' does not fit the checkpoint's weights: "
                f"{str(error).splitlines()[0].rstrip('.')}.",
                f"The checkpoint was written with {distribution} {version}: {remedy}",
                status=CHECKPOINT,
            ) from error
        return module.to(self.device).eval().requires_grad_(False)

    def with_options(self, /, **options: Any) -> Sampler:
        """Return a sampler whose methods pass ``options`` to G, in addition to those of this sampler.

        ::

            sampler.with_options(psi=0.7).sample(25)

        The options are the parameters that ``G.forward`` declares beyond z, y and c. ``ganctl info GENERATOR`` lists
        them.

        Raises:
            GanctlError: the generator has no such option, or the value has the wrong type.
        """
        name = self.config.generator.name
        changed = copy.copy(self)
        changed.options = {
            **self.options,
            **convert_sampling(name, self.G.forward, options),
        }
        return changed

    def latents(self, n: int, *, seed: int = 0, truncation: float | None = None) -> Tensor:
        """Draw ``n`` latents: float32 n×dim on the CPU, identical on every machine.

        Args:
            seed: seed of the latents. The first latents of a seed do not depend on ``n``.
            truncation: truncate the normal distribution at ±``truncation`` (Brock et al. 2018), for fewer outliers and
                less variety.
        """
        return draw_latents(self.latent, n, seed=seed, truncation=truncation)

    @torch.no_grad()
    def generate(
        self, z: Tensor, y: Tensor | None = None, *, c: Tensor | None = None, batch_size: int = 64
    ) -> Iterator[Tensor]:
        """Generate the samples of the latents ``z`` (N×dim) in batches: float32 in [−1, 1] on the CPU.

        Args:
            y: class of each sample, int64 N. Default for a conditional generator: all classes in turn, or the classes
                of the images that :attr:`conditions` belong to.
            c: conditions, K×…, or a single condition. With fewer conditions than samples, they are repeated in turn.
                Default: :attr:`conditions`.
            batch_size: number of samples per batch.

        Raises:
            GanctlError: the generator needs conditions and there are none, or ``c`` does not fit.
        """
        if y is None and self.conditional:
            y = self.classes_in_turn(len(z)) if c is not None else self.default_classes(len(z))
        labels = None if y is None else y.to(self.device)
        call = GeneratorCall(self.G, **self.options)
        for x in generate(call, z.to(self.device), labels, batch_size, self.conditions_in_turn(len(z), c)):
            yield x.cpu()

    def conditions_in_turn(self, n: int, c: Tensor | None = None) -> Tensor | None:
        """Return ``n`` conditions, or None if the generator takes none: ``c`` or :attr:`conditions`, repeated in turn.

        Raises:
            GanctlError: the generator needs conditions and there are none, or ``c`` does not fit.
        """
        if c is not None:
            c = self._checked(c)
        elif self.takes_conditions and (self.conditions is None or not len(self.conditions)):
            raise GanctlError(
                f"The generator '{self.config.generator.name}' needs conditions, and the checkpoint contains none.",
                "Give --conditions FILE.npy, --c NUMBERS, or c= in Python.",
                status=USAGE,
            )
        else:
            c = self.conditions if self.takes_conditions else None
        return None if c is None else in_turn(c, n)

    def use_conditions(self, c: Tensor) -> None:
        """Replace :attr:`conditions`, the default of all methods that generate samples.

        Args:
            c: conditions, K×…, or a single condition.

        Raises:
            GanctlError: the generator takes no conditions, or ``c`` does not fit.
        """
        self.conditions, self._condition_labels = self._checked(c), None

    def _checked(self, c: Tensor) -> Tensor:
        if not self.takes_conditions or self.condition is None:
            raise GanctlError(
                f"The generator '{self.config.generator.name}' takes no conditions.",
                "Omit --conditions, --c, and c= in Python.",
                status=USAGE,
            )
        return conditions.checked(c, self.condition, self._condition_dtype)

    def sample(
        self,
        n: int = 25,
        *,
        y: Tensor | None = None,
        c: Tensor | None = None,
        seed: int = 0,
        truncation: float | None = None,
        batch_size: int = 64,
    ) -> Tensor:
        """Generate ``n`` samples: float32 n×C×H×W in [−1, 1], on the CPU.

        Args:
            y: class of each sample, int64 n, as for :meth:`generate`.
            c: conditions, as for :meth:`generate`.
            seed: seed of the latents, as for :meth:`latents`.
            truncation: truncation of the latents, as for :meth:`latents`.
            batch_size: number of samples that are generated at a time.
        """
        z = self.latents(n, seed=seed, truncation=truncation)
        return torch.cat(list(self.generate(z, y, c=c, batch_size=batch_size)))

    def with_code(self, z: Tensor, code: str) -> Tensor:
        """Return ``z`` with a code set to each of V values, as :meth:`ganctl.Codes.with_code`: V×N×dim.

        Raises:
            GanctlError: the model has no codes, or the code or value does not exist.
        """
        if not isinstance(self.latent, Codes):
            raise GanctlError(
                f"The latent '{self.config.latent.name}' of this model has no codes.",
                "Use a model with the latent 'codes', such as infogan.",
                status=USAGE,
            )
        return self.latent.with_code(z, code)

    def class_number(self, name: str) -> int:
        """Return the number of the class with this name or number; −1 for "-1" if G handles unlabeled samples.

        Raises:
            GanctlError: the class does not exist, or the generator is not conditional.
        """
        if not self.conditional:
            raise GanctlError(
                f"The generator '{self.config.generator.name}' was not trained on classes.",
                "Use a conditional model, such as cgan. See: ganctl list models",
                status=USAGE,
            )
        if name in self.classes:
            return self.classes.index(name)
        if name == "-1" and getattr(self.G, "handles_unlabeled", False):
            return -1
        if name.isdecimal() and int(name) < self.num_classes:
            return int(name)
        known = self.classes or [str(number) for number in range(self.num_classes)]
        raise GanctlError(f"There is no class '{name}'.", did_you_mean(name, known), status=USAGE)

    def classes_in_turn(self, n: int) -> Tensor:
        """Return the classes 0, 1, …, repeated up to length ``n``: int64 n."""
        return torch.arange(n) % self.num_classes

    def default_classes(self, n: int) -> Tensor:
        """Return the classes of ``n`` samples if none are given: int64 n, as described for :meth:`generate`."""
        if self.takes_conditions and self._condition_labels is not None and len(self._condition_labels):
            return in_turn(self._condition_labels, n)
        return self.classes_in_turn(n)

    def class_name(self, number: int) -> str:
        """Return the name of a class, or its number as text if the dataset has no names. −1 is an unlabeled sample."""
        return self.classes[number] if self.classes and number >= 0 else str(number)

    traverse = latent_walks.traverse
    interpolate = latent_walks.interpolate

    def rank_dimensions(self, *, seed: int = 0) -> list[tuple[str, float]]:
        """Return the name of every dimension and how much it changes the samples, the largest change first.

        The change is the mean squared difference of the pixels, in [−1, 1], between the samples with the dimension at
        −1 and at +1, over 16 latents of ``seed``. For a categorical code it is the difference between each category
        and the next.
        """
        ranked = latent_dimensions.rank_dimensions(self, seed=seed)
        return [(dimension.name, change) for dimension, change in ranked]

    def grid(self, n: int = 25, *, nrow: int | None = None, **options: Any) -> Image:
        """Return ``n`` samples as one image, which a notebook displays.

        Args:
            nrow: number of samples per row. Default: as square as possible.
            **options: options of :meth:`sample`.
        """
        return image_grid.grid(image_grid.to_uint8(self.sample(n, **options)), nrow)

    def _repr_png_(self) -> bytes:
        return image_grid.png(self.grid())


def _check_sizes(make: Callable[[], nn.Module], weights: dict[str, Tensor]) -> None:
    """Raise a RuntimeError if the shapes of a network differ from ``weights``, before memory is allocated for it."""
    try:
        with torch.device("meta"):
            sizes = {name: weight.shape for name, weight in make().state_dict().items()}
    except Exception:  # not all networks of plugins can be built on the meta device; other errors recur later
        return
    for name, size in sizes.items():
        if name in weights and weights[name].shape != size:
            raise RuntimeError(f"{name} is {tuple(size)}, but {tuple(weights[name].shape)} in the checkpoint")


def load(path: Path | str, *, device: str = "auto", plugins: Sequence[Path | str] = ()) -> Sampler:
    """Load the generator of a checkpoint file, or of the newest checkpoint of a run folder.

    Args:
        path: checkpoint file or run folder.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …
        plugins: plugin files that define G or its latent.

    Raises:
        GanctlError: the file is damaged or not a checkpoint, or the plugin of a component is not installed.
    """
    registry = single_file.registry_with(plugins)
    file, chosen = find_checkpoint(Path(path)), choose_device(device)
    state = checkpoint.load(file)
    with checkpoint_errors(file):
        sampler = Sampler(state, registry, chosen)
    print_warnings(sampler.warnings)
    return sampler

"""The step on a CPU as the operations of torch's that it comes to, done again without Python's share of it.

Layers, autograd and optimizers take Python's time in each step, in a small model most of it, and every time they come
to the same operations on the same tensors. Here these are written down once, as a plain function that calls one after
the other and forgets each tensor after its last use. It repeats what a replay of a CUDA graph repeats, and draws random
numbers from the same generators, so that a run does to the bit what it would do without.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganctl.training.graph.host_syncs import obstacle

CPU = torch.device("cpu")


class Trace:
    """The operations of one call of a function; a :class:`ganctl.training.graph.steps.Graph`."""

    announcement: str | None = None  # nothing that a user would want to know

    def capture(self, function: Callable[[], None]) -> None:
        """Write down what ``function`` does. What it changed is changed back, as if it had not been called.

        Raises:
            RuntimeError: it does what a replay could not repeat.
        """
        tracer = Tracer()
        try:
            with tracer:
                function()
            self._after: list[Tensor] | None = tracer.memory.read()
        finally:
            tracer.memory.undo()
        self._memory = tracer.memory
        self._function = tracer.function()

    def replay(self) -> None:
        # Below autograd, as when it was written down: kernels may ask whether gradients are wanted, and nothing is
        # remembered for them.
        wanted = torch.is_grad_enabled()
        try:
            with torch._C._AutoDispatchBelowAutograd():
                self._function()
        finally:
            torch.set_grad_enabled(wanted)

    def repeats(self, function: Callable[[], None]) -> bool:
        """Call ``function``, and tell whether a replay would have come to the same bits.

        The first time, right after the capture, it has been called already, while it was written down, and is not
        called twice for one step: what Python remembers of it is then right, too, for who goes on without.
        """
        before, replayed = self._memory.read(), None
        with suppress(Exception):
            self.replay()
            replayed = self._memory.checksums()
        if self._after is not None:
            self._memory.write(self._after)
            self._after = None
        else:
            self._memory.write(before)
            function()
        return replayed == self._memory.checksums()


class Tracer(TorchDispatchMode):
    """Within, every operation of torch's is written down as a line of a function in Python.

    A tensor that an operation made is a variable of it, any other a constant. Tensors are told apart by where they lie:
    autograd hands out new ones for memory that has a name already.
    """

    def __init__(self) -> None:
        super().__init__()
        self.memory = _Memory()
        self._lines: list[_Line] = []
        self._names: dict[int, dict[_Place, str]] = {}  # by storage
        self._scope: dict[str, Any] = {}  # constants and operations
        self._operations: dict[Any, str] = {}
        self._variables = 0
        self._made: set[int] = set()  # storages

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if what := obstacle(func, args, args[0] if args else None, CPU):
            raise RuntimeError(f"an operation {what}")
        given = _tensors((args, kwargs))
        places = [_Place.of(tensor) for tensor in given]
        used: list[str] = []
        words = [self._word(value, used) for value in args]
        words += [f"{name}={self._word(value, used)}" for name, value in kwargs.items()]
        self._remember(func, args, kwargs)
        answer = func(*args, **kwargs)
        for tensor, place in zip(given, places, strict=True):
            if (now := _Place.of(tensor)) != place:  # as unsqueeze_ does
                if now.storage != place.storage or place.storage not in self._made:
                    raise RuntimeError(f"{func} changes where a tensor lies")
                self._names[place.storage].pop(place, None)  # whatever else had its place has no name now
        made = [_Place.of(tensor) for tensor in _tensors(answer)]
        if not given and not made:
            return answer  # a profiler's marks, questions about types
        for storage in {place.storage for place in made} - {place.storage for place in places}:
            self._made.add(storage)
            self._names[storage] = {}  # an address comes again when what was there is gone
        known = all(place in self._names[place.storage] for place in made)
        if func.is_view and not _variables_of(used):
            for place, tensor in zip(made, _tensors(answer), strict=True):
                # Of a tensor that stays where it is: so does what is seen of it.
                self._names[place.storage].setdefault(place, self._constant(tensor))
        elif not (known and made) or func._schema.is_mutable:
            several = isinstance(answer, list | tuple)
            targets = [self._target(value) for value in (answer if several else [answer])]
            call = f"{self._operation(func)}({', '.join(words)})"
            self._lines.append(_Line(targets, several, call, _variables_of(used), torch.is_grad_enabled()))
        return answer

    def function(self) -> Callable[[], None]:
        """What was written down, to be called below autograd."""
        last = {name: n for n, line in enumerate(self._lines) for name in (*line.targets, *line.used)}
        text, wanted = ["def step():"], None
        for n, line in enumerate(self._lines):
            if line.gradients != wanted:
                wanted = line.gradients
                text.append(f"    set_grad_enabled({wanted})")
            done = [name for name in dict.fromkeys((*line.targets, *line.used)) if last[name] == n]
            if set(line.targets) <= set(done):  # done for what it changes
                text.append(f"    {line.call}")
                done = [name for name in done if name not in line.targets]
            else:
                text.append(f"    {', '.join(line.targets)}{',' * line.several} = {line.call}")
            if done:
                text.append(f"    del {', '.join(done)}")
        scope = {**self._scope, "set_grad_enabled": torch._C._set_grad_enabled}
        exec(compile("\n".join([*text, "    return"]), "<a step, traced>", "exec"), scope)
        step: Callable[[], None] = scope["step"]
        return step

    def _word(self, value: Any, used: list[str]) -> str:
        """How an argument is written. The names of the tensors in it are added to ``used``."""
        if isinstance(value, Tensor):
            place = _Place.of(value)
            names = self._names.setdefault(place.storage, {})
            if place not in names:
                if place.storage in self._made:
                    raise RuntimeError("a tensor lies in another's memory in a way that no operation made")
                names[place] = self._constant(value)
            used.append(names[place])
            return names[place]
        if isinstance(value, list | tuple):
            return f"[{', '.join(self._word(item, used) for item in value)}]"
        if value is None or isinstance(value, bool | int | str):
            return repr(value)
        return self._constant(value)

    def _remember(self, func: Any, args: Any, kwargs: Any) -> None:
        """What the operation may change of all that was there before."""
        for number, argument in enumerate(func._schema.arguments):
            value = args[number] if number < len(args) else kwargs.get(argument.name)
            if isinstance(value, torch.Generator):
                self.memory.add_generator(value)
            writes = argument.alias_info is not None and argument.alias_info.is_write
            for tensor in _tensors(value):
                # Batch normalization does not say that it writes: whatever holds floating-point numbers counts.
                if (writes or tensor.is_floating_point()) and _Place.of(tensor).storage not in self._made:
                    self.memory.add(tensor)

    def _constant(self, value: Any) -> str:
        name = f"c{len(self._scope)}"
        self._scope[name] = value
        return name

    def _operation(self, func: Any) -> str:
        if func not in self._operations:
            self._operations[func] = self._constant(func)
        return self._operations[func]

    def _target(self, value: Any) -> str:
        """A variable for what an operation answers; for a tensor that has a name, one that is never used."""
        self._variables += 1
        name = f"v{self._variables}"
        if isinstance(value, Tensor):
            place = _Place.of(value)
            self._names[place.storage].setdefault(place, name)
        elif value is not None:
            raise RuntimeError("an operation answers with a value that Python may use")
        return name


class _Line(NamedTuple):
    targets: list[str]
    several: bool  # whether the operation answers with a list
    call: str
    used: list[str]  # variables in the call
    gradients: bool  # whether they were wanted, which some kernels ask


class _Place(NamedTuple):
    """Where a tensor lies, and how: two of one place are the same."""

    storage: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    conjugated: bool
    negated: bool

    @classmethod
    def of(cls, t: Tensor) -> _Place:
        storage, offset = t.untyped_storage()._cdata, int(t.storage_offset())
        return cls(storage, offset, tuple(t.shape), t.stride(), t.dtype, t.is_conj(), t.is_neg())


class _Memory:
    """Everything that a step may change, and until it is undone what that was before."""

    def __init__(self) -> None:
        self._storages: dict[int, Tensor] = {}  # as bytes
        self._generators = {id(torch.default_generator): torch.default_generator}
        self._bytes_before: list[Tensor] = []
        self._states_before = [torch.default_generator.get_state()]

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._storages:
            content = torch.empty(0, dtype=torch.uint8).set_(storage)
            self._storages[storage._cdata] = content
            self._bytes_before.append(content.clone())

    def add_generator(self, generator: torch.Generator) -> None:
        if id(generator) not in self._generators:
            self._generators[id(generator)] = generator
            self._states_before.append(generator.get_state())

    def undo(self) -> None:
        self.write([*self._bytes_before, *self._states_before])
        self._bytes_before, self._states_before = [], []

    def read(self) -> list[Tensor]:
        return [content.clone() for content in self._contents()]

    def checksums(self) -> list[int]:
        return [zlib.crc32(content.numpy().data) for content in self._contents()]

    def write(self, what: list[Tensor]) -> None:
        """Put back what was read."""
        before = iter(what)
        for content in self._storages.values():
            content.copy_(next(before))
        for generator in self._generators.values():
            generator.set_state(next(before))

    def _contents(self) -> list[Tensor]:
        states = [generator.get_state() for generator in self._generators.values()]
        return [*self._storages.values(), *states]


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _variables_of(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("v")]

"""A step on a CPU as a flat list of torch operations, replayed without the overhead of Python.

Layers, autograd and optimizers spend time in Python at every step (in a small model most of the step's time), and
they execute the same operations on the same tensors each time. A trace records these operations once, as a plain
function that calls one after the other and frees each tensor after its last use. It repeats exactly what a replayed
CUDA graph repeats and draws random numbers from the same generators, so a run has bit-identical results with and
without a trace.
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

from ganctl.training.graph.host_syncs import FilledAssignments, classify

CPU = torch.device("cpu")


class Trace:
    """The operations of one call of a function; a :class:`ganctl.training.graph.warmup_and_replay.Graph`."""

    announcement: str | None = None  # the user needs no message about a trace

    def capture(self, function: Callable[[], None]) -> None:
        """Call ``function``, record its operations, and restore everything that it changed.

        Raises:
            RuntimeError: ``function`` does something that a replay cannot repeat.
        """
        tracer = Tracer()
        try:
            with FilledAssignments(), tracer:
                function()
            self._state_after_call: list[Tensor] | None = tracer.state.read()
        finally:
            tracer.state.restore()
        self._state = tracer.state
        self._function = tracer.build_function()

    def replay(self) -> None:
        # Operations were recorded below autograd, so they are replayed there. Some kernels check the gradient mode,
        # which the recorded function sets as it was.
        grad_mode = torch.is_grad_enabled()
        try:
            with torch._C._AutoDispatchBelowAutograd():
                self._function()
        finally:
            torch.set_grad_enabled(grad_mode)

    def replay_matches(self, function: Callable[[], None]) -> bool:
        """Replay, and return whether calling ``function`` has the same effect, to the bit.

        The first time, the result of the call during the capture is used, so that ``function`` is called once per
        step. State in Python is then correct, too, if the run falls back to eager steps.
        """
        before, replayed = self._state.read(), None
        with suppress(Exception):
            self.replay()
            replayed = self._state.checksums()
        if self._state_after_call is not None:
            self._state.write(self._state_after_call)
            self._state_after_call = None
        else:
            self._state.write(before)
            function()
        return replayed == self._state.checksums()


class Tracer(TorchDispatchMode):
    """Context manager that records every operation of torch as a line of a Python function.

    Tensors that an operation made are variables of the function, all others are constants. Tensors are identified by
    their memory: autograd creates new tensor objects for memory that already has a name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.state = _State()
        self._lines: list[_Line] = []
        self._names: dict[int, dict[_View, str]] = {}  # by storage
        self._globals: dict[str, Any] = {}  # constants and operations
        self._operation_names: dict[Any, str] = {}
        self._variable_count = 0
        self._new_storages: set[int] = set()  # storages that operations made

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self._check(func, args)
        inputs = _tensors((args, kwargs))
        views = [_View.of(tensor) for tensor in inputs]
        names: list[str] = []
        arguments = [self._expression(value, names) for value in args]
        arguments += [f"{key}={self._expression(value, names)}" for key, value in kwargs.items()]
        self._save_inputs(func, args, kwargs)

        result = func(*args, **kwargs)
        self._forget_moved(func, inputs, views)
        outputs = _tensors(result)
        if not inputs and not outputs:
            return result  # a profiler's mark, or a query about types
        output_views = [_View.of(tensor) for tensor in outputs]
        for storage in {view.storage for view in output_views} - {view.storage for view in views}:
            self._new_storages.add(storage)
            self._names[storage] = {}  # the address may have belonged to a tensor that was freed
        all_named = all(view in self._names[view.storage] for view in output_views)
        if func.is_view and not _variables(names):
            # A view of a constant is itself a constant.
            for view, tensor in zip(output_views, outputs, strict=True):
                self._names[view.storage].setdefault(view, self._constant(tensor))
        elif not (all_named and outputs) or func._schema.is_mutable:
            call = f"{self._operation(func)}({', '.join(arguments)})"
            self._record(call, result, _variables(names))
        return result

    def build_function(self) -> Callable[[], None]:
        """Return the recorded operations as a function, to be called below autograd."""
        last_use = {name: n for n, line in enumerate(self._lines) for name in (*line.targets, *line.inputs)}
        source, grad_mode = ["def step():"], None
        for n, line in enumerate(self._lines):
            if line.grad_enabled != grad_mode:
                grad_mode = line.grad_enabled
                source.append(f"    set_grad_enabled({grad_mode})")
            unused = [name for name in dict.fromkeys((*line.targets, *line.inputs)) if last_use[name] == n]
            if set(line.targets) <= set(unused):  # only the side effect of the operation is needed
                source.append(f"    {line.call}")
                unused = [name for name in unused if name not in line.targets]
            else:
                source.append(f"    {', '.join(line.targets)}{',' * line.returns_list} = {line.call}")
            if unused:
                source.append(f"    del {', '.join(unused)}")
        namespace = {**self._globals, "set_grad_enabled": torch._C._set_grad_enabled}
        exec(compile("\n".join([*source, "    return"]), "<a traced step>", "exec"), namespace)
        step: Callable[[], None] = namespace["step"]
        return step

    def _check(self, func: Any, args: Any) -> None:
        # The first argument stands for the result, which does not exist yet: all tensors are on the CPU.
        sync = classify(func, args, args[0] if args else None)
        if sync and sync.blocks_capture(CPU):
            raise RuntimeError(f"an operation {sync.describe()}")

    def _forget_moved(self, func: Any, inputs: list[Tensor], views: list[_View]) -> None:
        """Remove the names of inputs whose shape or strides ``func`` changed in place, as unsqueeze_ does."""
        for tensor, view in zip(inputs, views, strict=True):
            if (now := _View.of(tensor)) != view:
                if now.storage != view.storage or view.storage not in self._new_storages:
                    raise RuntimeError(f"{func} changes the memory layout of a tensor")
                self._names[view.storage].pop(view, None)

    def _record(self, call: str, result: Any, inputs: list[str]) -> None:
        returns_list = isinstance(result, list | tuple)
        targets = [self._target(value) for value in (result if returns_list else [result])]
        self._lines.append(_Line(targets, returns_list, call, inputs, torch.is_grad_enabled()))

    def _expression(self, value: Any, names: list[str]) -> str:
        """Return ``value`` as source code. The names of tensors in it are appended to ``names``."""
        if isinstance(value, Tensor):
            view = _View.of(value)
            known = self._names.setdefault(view.storage, {})
            if view not in known:
                if view.storage in self._new_storages:
                    raise RuntimeError("a tensor shares memory with another, but no operation made it a view")
                known[view] = self._constant(value)
            names.append(known[view])
            return known[view]
        if isinstance(value, list | tuple):
            return f"[{', '.join(self._expression(item, names) for item in value)}]"
        if value is None or isinstance(value, bool | int | str):
            return repr(value)
        return self._constant(value)

    def _save_inputs(self, func: Any, args: Any, kwargs: Any) -> None:
        """Save every input of ``func`` that it may change and that existed before the trace."""
        for number, argument in enumerate(func._schema.arguments):
            value = args[number] if number < len(args) else kwargs.get(argument.name)
            if isinstance(value, torch.Generator):
                self.state.add_generator(value)
            is_written = argument.alias_info is not None and argument.alias_info.is_write
            for tensor in _tensors(value):
                # The schema of batch normalization does not declare that it writes its running statistics, so all
                # floating-point tensors are saved.
                is_old = _View.of(tensor).storage not in self._new_storages
                if is_old and (is_written or tensor.is_floating_point()):
                    self.state.add(tensor)

    def _constant(self, value: Any) -> str:
        name = f"c{len(self._globals)}"
        self._globals[name] = value
        return name

    def _operation(self, func: Any) -> str:
        if func not in self._operation_names:
            self._operation_names[func] = self._constant(func)
        return self._operation_names[func]

    def _target(self, value: Any) -> str:
        """Return a new variable for a result of an operation. A tensor that has a name keeps that name."""
        self._variable_count += 1
        name = f"v{self._variable_count}"
        if isinstance(value, Tensor):
            view = _View.of(value)
            self._names[view.storage].setdefault(view, name)
        elif value is not None:
            raise RuntimeError("an operation returns a value that Python code may use")
        return name


class _Line(NamedTuple):
    """A call of one operation in the recorded function."""

    targets: list[str]
    returns_list: bool
    call: str
    inputs: list[str]  # variables in the call
    grad_enabled: bool


class _View(NamedTuple):
    """The memory of a tensor and how the tensor reads it. Tensors with equal views are interchangeable."""

    storage: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    conjugated: bool
    negated: bool

    @classmethod
    def of(cls, t: Tensor) -> _View:
        storage, offset = t.untyped_storage()._cdata, int(t.storage_offset())
        return cls(storage, offset, tuple(t.shape), t.stride(), t.dtype, t.is_conj(), t.is_neg())


class _State:
    """All memory and random number generators that a step may change, and their contents before the trace."""

    def __init__(self) -> None:
        self._storages: dict[int, Tensor] = {}  # as bytes
        self._generators = {id(torch.default_generator): torch.default_generator}
        self._storages_before: list[Tensor] = []
        self._generators_before = [torch.default_generator.get_state()]

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._storages:
            content = torch.empty(0, dtype=torch.uint8).set_(storage)
            self._storages[storage._cdata] = content
            self._storages_before.append(content.clone())

    def add_generator(self, generator: torch.Generator) -> None:
        if id(generator) not in self._generators:
            self._generators[id(generator)] = generator
            self._generators_before.append(generator.get_state())

    def restore(self) -> None:
        """Write the contents from before the trace, and free the copy of them."""
        self.write([*self._storages_before, *self._generators_before])
        self._storages_before, self._generators_before = [], []

    def read(self) -> list[Tensor]:
        return [content.clone() for content in self._contents()]

    def checksums(self) -> list[int]:
        return [zlib.crc32(content.numpy().data) for content in self._contents()]

    def write(self, contents: list[Tensor]) -> None:
        """Write a result of :meth:`read`."""
        remaining = iter(contents)
        for content in self._storages.values():
            content.copy_(next(remaining))
        for generator in self._generators.values():
            generator.set_state(next(remaining))

    def _contents(self) -> list[Tensor]:
        states = [generator.get_state() for generator in self._generators.values()]
        return [*self._storages.values(), *states]


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _variables(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("v")]

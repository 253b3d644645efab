"""As much of torch as the reader of live models looks at, for machines without it."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest


class Named:
    """A dtype, layout, memory format or device, by its text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.type = text.partition(":")[0]

    def __str__(self) -> str:
        """See torch."""
        return self.text


class Dtype(Named):
    pass


class Device(Named):
    pass


class Format(Named):
    pass


class Layout(Named):
    pass


class Tensor:
    def __init__(self, array, *, grad=False, layout="torch.strided", device="cpu", dtype=None) -> None:
        self.array = np.asarray(array)
        self.shape = self.array.shape
        self.dtype = Dtype(dtype or f"torch.{self.array.dtype}")
        self.layout = Layout(layout)
        self.device = Device(device)
        self.requires_grad = grad

    def detach(self):
        return self

    cpu = detach

    def clone(self):
        return Tensor(self.array.copy())

    def copy_(self, other) -> None:
        self.array[...] = other.array

    def numpy(self, *, force=False):
        return self.array

    def tolist(self):
        mode = next((each for each in MODES if hasattr(each, "__torch_function__")), None)
        return mode.__torch_function__(Tensor.tolist, (), (self,)) if mode in MODES and mode.arm() else self.array

    def stride(self):
        return tuple(step // self.array.itemsize for step in self.array.strides)

    def untyped_storage(self):
        return SimpleNamespace(data_ptr=lambda: self.array.__array_interface__["data"][0])

    def data_ptr(self):
        return self.untyped_storage().data_ptr()

    def size(self, axis):
        return self.array.shape[axis]

    def view(self, dtype):
        return SimpleNamespace(viewed=dtype)


class Number:
    """A `SymInt`."""

    def __init__(self, expr: str, hint: int = 3, ranges=None) -> None:
        self.node = SimpleNamespace(expr=expr, hint=hint, shape_env=SimpleNamespace(var_to_range=ranges or {}))


class Operator:
    """An `OpOverload`: a name and what it computes."""

    def __init__(self, name: str, rule=None, tags=(), writes: bool = False, is_view: bool = False) -> None:
        self.name, self.rule, self.tags, self.is_view = name, rule, tags, is_view
        self._schema = SimpleNamespace(is_mutable=writes)

    def __str__(self) -> str:
        """See torch."""
        return self.name

    def __call__(self, *items, **named):
        return self.rule(*items, **named)


class HigherOrder:
    __name__ = "cond"


@dataclass(eq=False)
class Node:
    op: str
    name: str
    target: object = None
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] = field(default_factory=dict)
    meta: dict[str, object] = field(default_factory=dict)

    @property
    def all_input_nodes(self) -> list[Node]:
        """See torch."""
        found = [each for each in leaves((self.args, dict(self.kwargs))) if isinstance(each, Node)]
        return list(dict.fromkeys(found))


class Graph:
    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def _add(self, node: Node) -> Node:
        self.nodes.append(node)
        return node

    def placeholder(self, name: str) -> Node:
        return self._add(Node("placeholder", name))

    def node_copy(self, node: Node, held) -> Node:
        args, kwargs = mapped(lambda each: held(each) if isinstance(each, Node) else each, (node.args, node.kwargs))
        return self._add(Node(node.op, node.name, node.target, args, kwargs, dict(node.meta)))

    def output(self, made: tuple[Node, ...]) -> Node:
        return self._add(Node("output", "output", args=(made,)))


class Module:
    training = False

    def buffers(self):
        return [tensor for _, tensor in self.named_buffers()]

    def named_buffers(self):
        return []

    def named_parameters(self):
        return []


class ExportedProgram(SimpleNamespace):
    pass


class Tag(Enum):
    data_dependent_output = 1
    dynamic_output_shape = 2
    nondeterministic_seeded = 3


MODES: list[object] = []


class Mode:
    armed = True

    def __enter__(self):
        """See torch."""
        MODES.insert(0, self)
        return self

    def __exit__(self, *_: object) -> None:
        """See torch."""
        MODES.remove(self)

    def arm(self) -> bool:
        self.armed = not self.armed
        return not self.armed


def call(operator: Operator, *items, **named):
    """A call of an operator while modes watch."""
    return MODES[0].__torch_dispatch__(operator, (), items, named)


def ask(func, *items, **named):
    """A call of a function of torch while modes watch."""
    mode = next(each for each in MODES if hasattr(each, "__torch_function__"))
    return mode.__torch_function__(func, (), items, named)


def leaves(tree: object) -> list[object]:
    if isinstance(tree, tuple | list):
        return [leaf for each in tree for leaf in leaves(each)]
    return [leaf for each in tree.values() for leaf in leaves(each)] if isinstance(tree, dict) else [tree]


def mapped(rule, tree):
    if isinstance(tree, tuple | list):
        return type(tree)(mapped(rule, each) for each in tree)
    return {key: mapped(rule, each) for key, each in tree.items()} if isinstance(tree, dict) else rule(tree)


def refuse(*_: object, **__: object) -> None:
    raise RuntimeError("\nno export\nhere")


def install(monkeypatch: pytest.MonkeyPatch, export=refuse, script=refuse) -> None:
    """Puts the modules where imports find them."""
    modules = {
        "torch": {
            "Tensor": Tensor, "SymInt": Number, "SymFloat": type("SymFloat", (Number,), {}),
            "SymBool": type("SymBool", (Number,), {}), "dtype": Dtype, "device": Device, "memory_format": Format,
            "layout": Layout, "nn": SimpleNamespace(Module=Module), "Tag": Tag, "no_grad": nullcontext,
            "__version__": "2.13.0", "from_numpy": Tensor, "bfloat16": Dtype("torch.bfloat16"),
        },
        "torch.fx": {
            "Node": Node, "Graph": Graph, "GraphModule": lambda root, graph: SimpleNamespace(graph=graph, root=root)
        },
        "torch._ops": {"OpOverload": Operator, "HigherOrderOperator": HigherOrder},
        "torch.export": {"ExportedProgram": ExportedProgram, "export": export},
        "torch.jit": {"script": script, "save": lambda archive, path: Path(path).write_bytes(archive)},
        "torch.utils._pytree": {
            "tree_leaves": leaves, "tree_map": mapped, "tree_unflatten": lambda items, spec: items,
        },
        "torch.utils._python_dispatch": {"TorchDispatchMode": Mode},
        "torch.overrides": {"TorchFunctionMode": Mode},
    }  # fmt: skip
    for name, held in modules.items():
        module = ModuleType(name)
        vars(module).update(held)
        monkeypatch.setitem(sys.modules, name, module)

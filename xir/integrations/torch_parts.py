"""A graph of torch.fx in parts: those that xir computes and those that stay with PyTorch, in an order for both.

Calls are put in stages, by turns PyTorch's and xir's: each into the first stage of its kind at or after those of what
it reads, so that there are as few stages as there can be. Calls with effects and calls that draw random numbers keep
their order. Numbers (sizes, and formulas of them) and views cost nothing: every part computes those that it needs, and
PyTorch those that are results, so that results which share memory in PyTorch do so here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from xir.frontends.torch.live.objects import FxModule, FxNode, LiveTensor, torch_module


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Calls that run together.

    Attributes:
        module: a graph of them alone; it returns a tuple.
        is_compiled: whether xir computes it.
        inputs: what it reads of the whole graph, in the order of its arguments.
        outputs: which of the whole graph's values it returns.
        calls: {name in `module`: the call in the whole graph}.
    """

    module: FxModule
    is_compiled: bool
    inputs: tuple[FxNode, ...]
    outputs: tuple[FxNode, ...]
    calls: Mapping[str, FxNode]


_ATTENTION = "aten._scaled_dot_product_flash_attention_for_cpu.default"
"""Draws numbers for dropout alone."""


_OF_CHECKPOINTS = frozenset({"run_and_save_rng_state", "run_with_rng_state"})
"""Calls that draw the same numbers twice, for checkpoints (torch/_prims/rng_prims.py)."""


def draws(node: FxNode) -> bool:
    """Whether a call draws numbers of PyTorch's generator (torch.Tag.nondeterministic_seeded)."""
    tags = cast("Iterable[object]", getattr(node.target, "tags", ()))
    if getattr(node.target, "__name__", "") in _OF_CHECKPOINTS:
        return True
    is_random = any(getattr(tag, "name", "") == "nondeterministic_seeded" for tag in tags)
    if str(node.target) != _ATTENTION:
        return is_random
    dropped: object = node.args[3] if len(node.args) > 3 else node.kwargs.get("dropout_p", 0.0)
    return is_random and bool(dropped)


def split(module: FxModule, staying: Collection[FxNode]) -> list[Part]:
    """The parts of a graph, in the order in which they run.

    Args:
        module: its calls are ATen operators, every value is noted.
        staying: calls that PyTorch runs.
    """
    stages = Stages(module, staying)
    plans = [_planned(module, stages, stage) for stage in sorted(stages.calls)]
    read = {node for _, inputs, _ in plans for node in inputs}
    read.update(node for last in module.graph.nodes if last.op == "output" for node in last.all_input_nodes)
    parts: list[Part] = []
    for (stage, inputs, body), own in zip(plans, (stages.calls[stage] for stage, _, _ in plans), strict=True):
        parts.append(_copied(module, bool(stage % 2), inputs, body, [node for node in own if node in read]))
    return parts


class Stages:
    """In which stage each call of a graph is: PyTorch's have even numbers, xir's odd ones.

    Attributes:
        calls: {stage: what is done in it, in order}; what is free is there only where PyTorch has to compute it.
    """

    def __init__(self, module: FxModule, staying: Collection[FxNode]) -> None:
        """Places the calls of a graph, of which PyTorch runs those that are `staying`."""
        self._staying = staying
        self._free: set[FxNode] = set()
        self._known: dict[FxNode, int] = {}
        self._place: dict[FxNode, int] = {}
        last_effect = 0
        for node in module.graph.nodes:
            if node.op != "call_function":
                continue
            if self._may_be_free(node):
                self._free.add(node)
                self._known[node] = self._after(node)
                self._place[node] = self._known[node] + self._known[node] % 2
            elif _is_item(node):
                self._place[node] = self._place[node.all_input_nodes[0]]
            else:
                ordered = draws(node) or _writes(node)
                floor = max(self._after(node), last_effect if ordered else 0)
                self._place[node] = floor + (floor % 2 != self.is_compiled(node))
                last_effect = self._place[node] if ordered else last_effect
        self._take_over(module)
        wanted = self._wanted(module)
        self.calls: dict[int, list[FxNode]] = {}
        for node, place in self._place.items():
            if node in wanted or node not in self._free:
                self.calls.setdefault(place, []).append(node)

    def _take_over(self, module: FxModule) -> None:
        """Has xir make views that nobody can tell from copies: no other part of the same memory is shown."""
        shown: dict[FxNode, set[FxNode]] = {}
        for reader in module.graph.nodes:
            if reader.op == "output" or (reader.op == "call_function" and not self._is_xirs(reader)):
                for node in reader.all_input_nodes:
                    shown.setdefault(self._memory(node), set()).add(node)
        for base, (node, *others) in shown.items():
            is_view = node in self._free and base not in self._free
            if is_view and self._is_xirs(base) and not others and not _is_item(node):
                self._free.remove(node)
                self._place[node] = self._place[base]

    def _is_xirs(self, node: FxNode) -> bool:
        """Whether xir computes a call, for its own sake or for that of others."""
        return node in self._free or (node.op == "call_function" and self.is_compiled(node))

    def _memory(self, node: FxNode) -> FxNode:
        """Whose memory a view shows; numbers are their own."""
        while node in self._free and not is_number(node):
            node = node.all_input_nodes[0]
        return node

    def _wanted(self, module: FxModule) -> set[FxNode]:
        """What is free and PyTorch has to compute, for its own calls or as results."""
        wanted: set[FxNode] = set()
        for node in reversed([*module.graph.nodes]):
            is_plain = node not in self._free and not (node.op == "call_function" and self.is_compiled(node))
            if is_plain or node in wanted:
                wanted.update(each for each in node.all_input_nodes if each in self._free)
        return wanted

    def _may_be_free(self, node: FxNode) -> bool:
        if _is_item(node):
            return node.all_input_nodes[0] in self._free
        return is_number(node) or (bool(getattr(node.target, "is_view", False)) and node not in self._staying)

    def is_free(self, node: FxNode) -> bool:
        """Whether every part computes what it needs of this call itself."""
        return node in self._free

    def is_compiled(self, node: FxNode) -> bool:
        """Whether xir computes a call for its own sake."""
        made = node.all_input_nodes[0] if _is_item(node) else node
        return made not in self._staying and made not in self._free

    def _after(self, node: FxNode) -> int:
        """The last stage of what a call reads; xir computes itself what is free, from what that is read of."""
        inner = node in self._free or self.is_compiled(node)
        places = (self._known.get(each, self._place.get(each, 0)) if inner else self._place.get(each, 0)
                  for each in node.all_input_nodes)  # fmt: skip
        return max(places, default=0)


def is_number(node: FxNode) -> bool:
    """Whether a call makes a number that the sizes of the inputs tell."""
    value = node.meta.get("val")
    if node.op != "call_function" or not isinstance(value, _numbers()):
        return False
    symbols = cast("Iterable[object]", getattr(getattr(getattr(value, "node", None), "expr", None), "free_symbols", ()))
    return not any(str(symbol).startswith(("u", "zuf")) for symbol in symbols)


def _numbers() -> tuple[type[object], ...]:
    torch = torch_module()
    symbolic = (torch.SymInt, torch.SymFloat, torch.SymBool)
    return (int, float, *(cast("type[object]", each) for each in symbolic))


def _is_item(node: FxNode) -> bool:
    return getattr(node.target, "__name__", "") == "getitem"


def _writes(node: FxNode) -> bool:
    return bool(getattr(getattr(node.target, "_schema", None), "is_mutable", False))


_Plan: TypeAlias = tuple[int, list["FxNode"], list["FxNode"]]
"""A stage, what its part reads, and its calls."""


def _planned(module: FxModule, stages: Stages, stage: int) -> _Plan:
    inside = set(stages.calls[stage])
    pending = [*inside] if stage % 2 else []
    while pending:
        found = {each for each in pending.pop().all_input_nodes if stages.is_free(each)} - inside
        inside |= found
        pending += found
    body = [node for node in module.graph.nodes if node in inside]
    read = {each for node in body for each in node.all_input_nodes} - inside
    if stage % 2 and any(not isinstance(size, int) for node in body for size in _sizes(node)):
        read |= {node for node in module.graph.nodes if _is_size(node)}
    return stage, [node for node in module.graph.nodes if node in read and node.op != "get_attr"], body


def _is_size(node: FxNode) -> bool:
    return node.op == "placeholder" and isinstance(node.meta.get("val"), _numbers())


def _sizes(node: FxNode) -> Sequence[object]:
    value = node.meta.get("val")
    several = cast("Sequence[object]", value) if isinstance(value, tuple | list) else (value,)
    return [size for each in several for size in getattr(cast("LiveTensor", each), "shape", ())]


def _copied(
    module: FxModule,
    is_compiled: bool,
    inputs: Sequence[FxNode],
    body: Sequence[FxNode],
    outputs: Sequence[FxNode],
) -> Part:
    """A part with a graph of its own."""
    fx = torch_module("torch.fx")
    graph = fx.Graph()
    held: dict[FxNode, FxNode] = {}
    for node in inputs:
        held[node] = cast("FxNode", graph.placeholder(node.name))
        held[node].meta.update(node.meta)
    attributes = [each for node in body for each in node.all_input_nodes if each.op == "get_attr"]
    for node in dict.fromkeys((*attributes, *body)):
        held[node] = cast("FxNode", graph.node_copy(node, held.__getitem__))
    graph.output(tuple(held[node] for node in outputs))
    calls = {held[node].name: node for node in body}
    return Part(cast("FxModule", fx.GraphModule(module, graph)), is_compiled, tuple(inputs), tuple(outputs), calls)

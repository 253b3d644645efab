"""A TensorFlow graph as plain data: nodes, edges and functions, no operators."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from xir.frontends.tensorflow.proto.message import Message
from xir.ir.constant import Constant
from xir.ir.types import Type

_EDGE = re.compile(r"\^?([^:^]+)(?::([A-Za-z_]\w*))?(?::(\d{1,9}))?")


class Edge(NamedTuple):
    """A result of a node: its number among all results, or inside a function among those called `output`."""

    node: str
    output: str
    place: int

    def __str__(self) -> str:
        """The edge as graphs spell it: `node`, `node:1`."""
        output = f":{self.output}" if self.output else ""
        return f"{self.node}{output}" + (f":{self.place}" if self.place or self.output else "")


def parse_edge(text: str) -> Edge | None:
    """The edge that `text` spells (`node`, `node:1`, `node:output:0`), or None."""
    match = _EDGE.fullmatch(text)
    return None if match is None else Edge(match[1], match[2] or "", int(match[3] or 0))


@dataclass(frozen=True, slots=True, eq=False)
class TfNode:
    """One node.

    Attributes:
        name: its name, unique in its graph.
        kind: its operator's name.
        inputs: the results that it reads.
        controls: names of nodes that must have run before.
        attributes: `AttrValue` messages by name.
        order: its place in the file.
    """

    name: str
    kind: str
    inputs: tuple[Edge, ...]
    controls: tuple[str, ...]
    attributes: Mapping[str, Message]
    order: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class TfFunction:
    """A function of the library.

    Attributes:
        name: its name.
        arguments: names of its arguments.
        nodes: its nodes by name.
        results: what it returns, in order.
        effects: names of nodes that run whenever it is called.
    """

    name: str
    arguments: tuple[str, ...]
    nodes: Mapping[str, TfNode]
    results: tuple[Edge, ...]
    effects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TfGraph:
    """A graph with its library.

    Attributes:
        path: the file.
        nodes: its nodes by name, in the order of the file.
        functions: the library by name.
        held: {name of a constant: its elements}, of those that lie outside of the graph.
        types: {name of a placeholder: its type}, of those that stand for results of other nodes.
        origins: {name of such a placeholder: the kind of the other node}.
    """

    path: str
    nodes: Mapping[str, TfNode]
    functions: Mapping[str, TfFunction] = field(default_factory=dict[str, TfFunction])
    held: Mapping[str, Constant] = field(default_factory=dict[str, Constant])
    types: Mapping[str, Type] = field(default_factory=dict[str, Type])
    origins: Mapping[str, str] = field(default_factory=dict[str, str])

    def held_nodes(self) -> int:
        """How many nodes the file holds, those of functions included."""
        return len(self.nodes) + sum(len(function.nodes) for function in self.functions.values())

"""Control flow of TensorFlow 1, found in the edges: which nodes are a loop, and which are alive on which branch.

A loop is a frame (tensorflow/core/framework/control_flow.h and "Implementation of Control Flow in TensorFlow"): `Enter`
brings a value in, `Merge` joins it with that of the step before, `Switch` lets it on to the next step or out through
`Exit`, `LoopCond` says which, `NextIteration` closes the circle. Outside of loops `Switch` sends a value to one of two
branches and `Merge` takes the one that is alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.tensorflow.model import Edge, TfNode

ENTER = frozenset(("Enter", "RefEnter"))
EXIT = frozenset(("Exit", "RefExit"))
NEXT = frozenset(("NextIteration", "RefNextIteration"))
SWITCH = frozenset(("Switch", "RefSwitch"))
MERGE = frozenset(("Merge", "RefMerge"))
_PASSING = frozenset(("Identity", "StopGradient", "RefIdentity"))

Branches = frozenset[tuple[Edge, int]]
"""(the predicate, 1 where it holds and 0 where it does not): what must hold for a node to run."""

_ALWAYS: Branches = frozenset()


@dataclass(frozen=True, slots=True)
class Variable:
    """What one step of a loop hands to the next.

    Attributes:
        enter: the node through which it comes in.
        merge: the node that joins it with the step before.
        switch: the node that lets it on or out; None where nothing reads it but the condition.
        after: the edge that is its next value.
        is_steady: whether a step hands it on as it took it.
    """

    enter: TfNode
    merge: str
    switch: str | None
    after: Edge
    is_steady: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """A loop.

    Attributes:
        condition: the edge that says whether there is another step.
        variables: what steps hand on, in the order of the file.
        exits: {node through which a variable goes out: its place among the variables}.
    """

    condition: Edge
    variables: tuple[Variable, ...]
    exits: Mapping[str, int]


@dataclass(slots=True)
class Frames:
    """The loops and branches of one set of nodes.

    Attributes:
        nodes: these nodes by name.
    """

    nodes: Mapping[str, TfNode]
    _readers: dict[str, list[TfNode]] = field(default_factory=dict[str, list[TfNode]], init=False)
    _loops: dict[str, Frame] = field(default_factory=dict[str, Frame], init=False)
    _branches: dict[str, Branches] = field(default_factory=dict[str, Branches], init=False)

    def node(self, name: str) -> TfNode:
        """The node of this name; raises InvalidModelError where there is none."""
        found = self.nodes.get(name)
        if found is None:
            raise InvalidModelError(f"there is no node {name[:80]!r}", hint="a part of the file is missing")
        return found

    def passed(self, edge: Edge) -> Edge:
        """The edge behind nodes that hand on what they take."""
        for _ in range(len(self.nodes)):
            node = self.nodes.get(edge.node)
            if node is None or node.kind not in _PASSING or not node.inputs:
                break
            edge = node.inputs[0]
        return edge

    def readers(self, name: str) -> list[TfNode]:
        """The nodes that read results of `name`."""
        if not self._readers:
            for node in self.nodes.values():
                for source in dict.fromkeys(edge.node for edge in node.inputs):
                    self._readers.setdefault(source, []).append(node)
        return self._readers.get(name, [])

    # --- loops -----------------------------------------------------------------------------------------------------

    def is_loop_merge(self, node: TfNode) -> bool:
        """Whether a Merge joins a value with that of the step before."""
        return any(self.nodes[edge.node].kind in NEXT for edge in node.inputs if edge.node in self.nodes)

    def _loop_condition(self, switch: TfNode) -> TfNode | None:
        """The LoopCond that a Switch of a loop obeys; None for one outside of loops."""
        predicate = self.passed(switch.inputs[1]) if len(switch.inputs) == 2 else None
        node = None if predicate is None else self.nodes.get(predicate.node)
        return node if node is not None and node.kind == "LoopCond" else None

    def loop(self, exit: TfNode) -> Frame:
        """The loop out of which `exit` leads.

        Raises:
            InvalidModelError: the edges are not those of a loop.
        """
        switch = self.node(exit.inputs[0].node) if exit.inputs else None
        condition = None if switch is None or switch.kind not in SWITCH else self._loop_condition(switch)
        if condition is None:
            raise InvalidModelError("an Exit leads out of no loop", layer=exit.name, kind=exit.kind)
        if condition.name not in self._loops:
            self._loops[condition.name] = self._read_loop(condition)
        return self._loops[condition.name]

    def _read_loop(self, condition: TfNode) -> Frame:
        switches = self._switches(condition)
        merges = dict.fromkeys((*switches, *self._merges_before(condition)))
        variables: list[Variable] = []
        exits: dict[str, int] = {}
        for name in sorted(merges, key=lambda merge: self.node(merge).order):
            switch = switches.get(name)
            variables.append(self._variable(self.node(name), switch))
            for reader in self.readers(switch.name) if switch is not None else ():
                if reader.kind in EXIT:
                    exits[reader.name] = len(variables) - 1
        if not condition.inputs:
            raise InvalidModelError("a loop has no condition", layer=condition.name, kind=condition.kind)
        return Frame(condition.inputs[0], tuple(variables), exits)

    def _switches(self, condition: TfNode) -> dict[str, TfNode]:
        """The switches that obey a loop's condition, by the names of what they switch."""
        found: dict[str, TfNode] = {}
        pending = [condition.name]
        while pending:
            for reader in self.readers(pending.pop()):
                if reader.kind in SWITCH and self._loop_condition(reader) is condition:
                    found[reader.inputs[0].node] = reader
                elif reader.kind in _PASSING:
                    pending.append(reader.name)
        return found

    def _merges_before(self, condition: TfNode) -> list[str]:
        """The loop's merges that its condition reads."""
        found: dict[str, None] = {}
        seen: set[str] = set()
        pending = [edge.node for edge in condition.inputs]
        while pending:
            name = pending.pop()
            node = self.nodes.get(name)
            if name in seen or node is None:
                continue
            seen.add(name)
            if node.kind in MERGE and self.is_loop_merge(node):
                found[name] = None
            elif node.kind in EXIT:
                pending += [variable.enter.inputs[0].node for variable in self.loop(node).variables]
            elif node.kind not in ENTER:
                pending += [edge.node for edge in node.inputs]
        return list(found)

    def _variable(self, merge: TfNode, switch: TfNode | None) -> Variable:
        sources = [self.node(edge.node) for edge in merge.inputs]
        enters = [node for node in sources if node.kind in ENTER]
        nexts = [node for node in sources if node.kind in NEXT]
        if (
            merge.kind not in MERGE
            or len(enters) != 1
            or len(nexts) != 1
            or not enters[0].inputs
            or not nexts[0].inputs
        ):
            raise InvalidModelError(
                "a loop's variable has not one value from before and one of a step", layer=merge.name
            )
        after = nexts[0].inputs[0]
        handed = self.passed(after)
        is_steady = switch is not None and handed.node == switch.name and handed.place == 1
        return Variable(enters[0], merge.name, None if switch is None else switch.name, after, is_steady)

    # --- branches --------------------------------------------------------------------------------------------------

    def branches(self, name: str) -> Branches:
        """What must hold for the node to run, as far as the branches around it say."""
        pending = [name]
        entered: set[str] = set()
        while pending:
            current = pending[-1]
            if current in self._branches:
                pending.pop()
                continue
            missing = [each for each in self._before(current) if each not in self._branches and each not in entered]
            if missing:
                entered.add(current)
                pending += missing
                continue
            pending.pop()
            self._branches[current] = self._compute(current)
        return self._branches[name]

    def along(self, edge: Edge) -> Branches:
        """What must hold for a result to be alive."""
        found = self.branches(edge.node)
        node = self.nodes.get(edge.node)
        if node is not None and node.kind in SWITCH and len(node.inputs) == 2 and self._loop_condition(node) is None:
            return found | {(self.passed(node.inputs[1]), edge.place)}
        return found

    def _before(self, name: str) -> list[str]:
        node = self.nodes.get(name)
        if node is None or node.kind in ENTER or (node.kind in MERGE and self.is_loop_merge(node)):
            return []
        if node.kind in EXIT:
            return [variable.enter.inputs[0].node for variable in self.loop(node).variables]
        if node.kind in SWITCH and self._loop_condition(node) is not None:
            return []
        return [*(edge.node for edge in node.inputs), *node.controls]

    def _compute(self, name: str) -> Branches:
        node = self.nodes.get(name)
        if node is None or node.kind in ENTER or (node.kind in MERGE and self.is_loop_merge(node)):
            return _ALWAYS
        if node.kind in EXIT:
            edges = [variable.enter.inputs[0] for variable in self.loop(node).variables]
            return _ALWAYS.union(*(self._held(edge) for edge in edges))
        if node.kind in SWITCH and self._loop_condition(node) is not None:
            return _ALWAYS
        controls = [self._branches.get(control, _ALWAYS) for control in node.controls]
        if node.kind in MERGE:
            sides = [self._held(edge) for edge in node.inputs]
            if not sides:
                return _ALWAYS
            first, *others = [frozenset(held) for held in sides]
            return first.intersection(*others)
        return _ALWAYS.union(*(self._held(edge) for edge in node.inputs), *controls)

    def _held(self, edge: Edge) -> Branches:
        """As `along`, of what is computed already: circles end here."""
        return self.along(edge) if edge.node in self._branches else _ALWAYS

    def choice(self, merge: TfNode) -> tuple[Edge, int]:
        """The predicate that decides which value a Merge takes, and the place of the one where it holds.

        Raises:
            UnsupportedError: it is not one predicate that decides between two values.
        """
        if len(merge.inputs) != 2:
            raise UnsupportedError(f"a Merge of {len(merge.inputs)} values")
        first, second = (self.along(edge) for edge in merge.inputs)
        for predicate, side in sorted(first - second, key=str):
            if (predicate, 1 - side) in second:
                return predicate, 0 if side else 1
        alone = [(each, 0) for each in first - second] + [(each, 1) for each in second - first]
        if len(alone) == 1:
            ((predicate, side), place) = alone[0]
            return predicate, place if side else 1 - place
        raise UnsupportedError("a Merge of values between which no single predicate decides")

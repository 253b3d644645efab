"""Forms of sequences and optionals: Python's lists and None."""

from __future__ import annotations

from xir.backends.export.torch._form import Answer, Argument, Forms, Say, operand, whole
from xir.backends.export.torch.late import numbers
from xir.ir.node import Node
from xir.ops import sequence as ops

forms = Forms()
forms.says(ops.optional, "{}")
forms.says(ops.optional_get, "{}")


@forms.of(ops.optional_none)
def _optional_none(node: Node) -> Answer:
    return Say("None")


@forms.of(ops.optional_has)
def _optional_has(node: Node) -> Answer:
    return Say("torch.tensor({} is not None)", operand(node))


@forms.of(ops.sequence_construct)
def _sequence_construct(node: Node) -> Answer:
    return Say("{}", [operand(node, index) for index in range(len(node.inputs))])


@forms.of(ops.sequence_empty)
def _sequence_empty(node: Node) -> Answer:
    return Say("[]")


def _place(node: Node, index: int) -> Argument:
    position = node.inputs[index]
    return None if position is None else Say("int({})", position)


@forms.of(ops.sequence_insert)
def _sequence_insert(node: Node) -> Answer:
    """A new list: others may hold the old one."""
    sequence, value, place = operand(node), operand(node, 1), _place(node, 2)
    if place is None:
        return Say("[*{}, {}]", sequence, value)
    return Say("[*{0}[:{2}], {1}, *{0}[{2}:]]", sequence, value, place)


@forms.of(ops.sequence_erase)
def _sequence_erase(node: Node) -> Answer:
    sequence, place = operand(node), _place(node, 1)
    if place is None:
        return Say("{}[:-1]", sequence)
    return Say("[value for at, value in enumerate({0}) if at != {1} % len({0})]", sequence, place)


@forms.of(ops.sequence_at)
def _sequence_at(node: Node) -> Answer:
    return Say("{}[int({})]", operand(node), operand(node, 1))


@forms.of(ops.sequence_length)
def _sequence_length(node: Node) -> Answer:
    return Say("torch.tensor(len({}))", operand(node))


@forms.of(ops.split_to_sequence)
def _split_to_sequence(node: Node) -> Answer:
    """torch.split and unbind, as lists."""
    x, sizes, axis = operand(node), node.inputs[1], whole(node, "axis")
    if sizes is None:
        return Say(f"list({{}}.{'split(1, ' if node.attributes['keep_dims'] else 'unbind('}{{}}))", x, axis)
    if sizes.rank == 0:
        return Say("list(torch.split({}, int({}), {}))", x, sizes, axis)
    return Say("list(torch.split({}, {}, {}))", x, numbers(sizes), axis)


@forms.of(ops.concat_from_sequence)
def _concat_from_sequence(node: Node) -> Answer:
    function = "stack" if node.attributes["new_axis"] else "cat"
    return Say(f"torch.{function}({{}}, {{}})", operand(node), whole(node, "axis"))

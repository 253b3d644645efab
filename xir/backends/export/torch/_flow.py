"""Control flow as Python's own: the bodies stand in blocks, and what they read of the graph around has its names."""

from __future__ import annotations

from collections.abc import Sequence

from xir.backends.export.torch._code import Code
from xir.backends.export.torch._form import Block, ints, whole
from xir.backends.export.torch._literals import dtype_text
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import SequenceType, TensorType, UnrankedType


def write_flow(code: Code, graph: Graph, node: Node, block: Block) -> None:
    """The lines of an `if`, `loop` or `scan`."""
    match block.kind:
        case "if":
            _if(code, graph, node)
        case "loop":
            _loop(code, graph, node)
        case "scan":
            _scan(code, graph, node)
        case "sequence_map":
            _map(code, node)
        case _:
            raise TypeError(f"no block is called {block.kind!r}")


def _body(node: Node, name: str) -> Graph:
    body = node.attributes[name]
    if not isinstance(body, Graph):
        raise TypeError(f"{node.op.name}: attribute {name!r} is no body")
    return body


def _inside(code: Code, body: Graph, arguments: Sequence[str]) -> list[str]:
    """The lines of a body, and the names of its results."""
    for value, name in zip(body.inputs, arguments, strict=True):
        code.bind(value, name)
    code.nodes(body, body.nodes)
    return [code.read(value) for value in body.outputs]


def _reads(code: Code, values: Sequence[Value | None]) -> list[str]:
    return [code.read(value) for value in values if value is not None]


def _assign(code: Code, names: Sequence[str], values: Sequence[str]) -> None:
    """One assignment for all: a value may be what another name held."""
    if names:
        code.line(f"{', '.join(names)} = {', '.join(values)}")
    else:
        code.line("pass")


def _if(code: Code, graph: Graph, node: Node) -> None:
    condition, *captured = _reads(code, node.inputs)
    names = [code.fresh("result") for _ in node.outputs]
    for word, attribute in ((f"if {condition}:", "then_body"), ("else:", "else_body")):
        code.line(word)
        code.enter()
        _assign(code, names, _inside(code, _body(node, attribute), captured))
        code.leave()
    for value, name in zip(node.outputs, names, strict=True):
        code.bind(value, name)


def _loop(code: Code, graph: Graph, node: Node) -> None:
    carried = whole(node, "carried")
    count, condition = node.inputs[:2]
    values = _reads(code, node.inputs[2:])
    body = _body(node, "body")
    held = [code.fresh("state") for _ in range(carried)]
    rows = [code.fresh("rows") for _ in node.outputs[carried:]]
    if held:
        _assign(code, held, values[:carried])
    for name in rows:
        code.line(f"{name} = []")
    going, step = code.fresh("going"), code.fresh("step")
    code.line(f"{going} = {'True' if condition is None else f'bool({code.read(condition)})'}")
    code.line(f"{step} = 0")
    bound = "" if count is None else f" and {step} < int({code.read(count)})"
    code.line(f"while {going}{bound}:")
    code.enter()
    arguments = [
        f"torch.tensor({step}, device={code.device})",
        f"torch.tensor(True, device={code.device})",
        *held,
        *values[carried:],
    ]
    results = _inside(code, body, arguments)
    again = code.fresh("again")
    code.line(f"{again} = bool({results[0]})")
    if held:
        _assign(code, held, results[1 : 1 + carried])
    for name, result in zip(rows, results[1 + carried :], strict=True):
        code.line(f"{name}.append({result})")
    code.line(f"{going}, {step} = {again}, {step} + 1")
    code.leave()
    for value, name in zip(node.outputs, [*held, *_stacks(code, node, rows, (0,) * len(rows))], strict=True):
        code.line(f"{code.name(value, graph)} = {name}")


def _scan(code: Code, graph: Graph, node: Node) -> None:
    states, axes = whole(node, "states"), ints(node, "axes")
    flips, result_axes = ints(node, "reversed_inputs"), ints(node, "result_axes")
    result_flips = ints(node, "reversed_results")
    values = _reads(code, node.inputs)
    held = [code.fresh("state") for _ in range(states)]
    rows = [code.fresh("rows") for _ in result_axes]
    if held:
        _assign(code, held, values[:states])
    for name in rows:
        code.line(f"{name} = []")
    step, scanned = code.fresh("step"), values[states : states + len(axes)]
    code.line(f"for {step} in range({scanned[0]}.shape[{axes[0]}]):")
    code.enter()
    slices: list[str] = []
    for name, axis, flip in zip(scanned, axes, flips, strict=True):
        piece = code.fresh("piece")
        code.line(f"{piece} = {name}.select({axis}, {f'-1 - {step}' if flip else step})")
        slices.append(piece)
    results = _inside(code, _body(node, "body"), [*held, *slices, *values[states + len(axes) :]])
    if held:
        _assign(code, held, results[:states])
    for name, result in zip(rows, results[states:], strict=True):
        code.line(f"{name}.append({result})")
    code.leave()
    finals = list(held)
    for name, flip in zip(rows, result_flips, strict=True):
        if flip:
            code.line(f"{name}.reverse()")
    finals += _stacks(code, node, rows, result_axes)
    for value, final in zip(node.outputs, finals, strict=True):
        code.line(f"{code.name(value, graph)} = {final}")


def _stacks(code: Code, node: Node, rows: Sequence[str], axes: Sequence[int]) -> list[str]:
    """What the steps made, along a new axis; the shapes of a step's results are those of the body."""
    body = _body(node, "body")
    made: list[str] = []
    for name, axis, value in zip(rows, axes, body.outputs[len(body.outputs) - len(rows) :], strict=True):
        if not isinstance(value.type, TensorType):
            made.append(f"torch.stack({name})" if isinstance(value.type, UnrankedType) else name)
            continue
        code.helpers.add("stacked")
        shape = [size if isinstance(size, int) else 0 for size in value.shape]
        made.append(f"stacked({name}, {axis}, {shape}, {dtype_text(value.dtype)}, {code.device})")
    return made


def _map(code: Code, node: Node) -> None:
    """A loop over the elements of the lists; tensors among the mapped values go to each step whole."""
    mapped, values = whole(node, "mapped"), _reads(code, node.inputs)
    rows = [code.fresh("rows") for _ in node.outputs]
    for name in rows:
        code.line(f"{name} = []")
    step = code.fresh("step")
    code.line(f"for {step} in range(len({values[0]})):")
    code.enter()
    lists = [value is not None and isinstance(value.type, SequenceType) for value in node.inputs[:mapped]]
    given = [f"{name}[{step}]" if is_list else name for name, is_list in zip(values[:mapped], lists, strict=True)]
    for name, result in zip(rows, _inside(code, _body(node, "body"), [*given, *values[mapped:]]), strict=True):
        code.line(f"{name}.append({result})")
    code.leave()
    for value, name in zip(node.outputs, rows, strict=True):
        code.bind(value, name)

"""A graph as a Python file with a module of PyTorch, and a file of weights beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from xir.backends.export.report import ExportReport
from xir.backends.export.torch._helpers import HELPERS
from xir.backends.export.torch._literals import string_text, type_text
from xir.backends.export.torch._plan import Program, plan
from xir.files import PathLike, atomic_group
from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.text.safetensors import header_bytes, write_tensors

_HEAD = '''"""A network for PyTorch, written by xir; the file of weights lies beside this one.

    from {stem} import Net

    net = Net.load()
    {call}
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

WEIGHTS = {weights}
'''

_LOAD = '''
    @classmethod
    def load(cls, path=None):
        """The network with its weights, ready to run: those at `path`, else those beside this file."""
        net = cls()
        net.load_state_dict(load_file(path or Path(__file__).with_name(WEIGHTS)))
        return net.eval()
'''

_NO_WEIGHTS = '''
    @classmethod
    def load(cls, path=None):
        """The network, ready to run; it has no weights."""
        return cls().eval()
'''


def plan_module(graph: Graph) -> Program:
    """What `export_module` would write, without writing.

    Raises:
        UnsupportedError: operators or element types that have no form there; all of them are listed.
    """
    return plan(graph)


def export_module(graph: Graph, path: PathLike, state: Mapping[str, Constant] | None = None) -> ExportReport:
    """Writes `graph` as a module of PyTorch and its weights as safetensors, both or neither.

    Args:
        graph: the model.
        path: of the Python file; the weights have its name with the ending `.safetensors`.
        state: what inputs that are the state of the model begin with, by name: the last ones may be left out then.

    Raises:
        UnsupportedError: operators or element types that have no form there; all of them are listed.
        FileError: the files cannot be written; old ones are untouched.
    """
    program = plan(graph, state)
    name: str = os.fspath(path)
    stem = os.path.splitext(os.path.basename(os.path.realpath(name)))[0]
    tensors = program.module.tensors
    file = f"{stem}.safetensors"
    text = module_text(program, stem, file)
    header, order = header_bytes(tensors, {"format": "pt"})
    with atomic_group(name) as group:
        if tensors:
            data = group.data()
            write_tensors(data, header, order, tensors)
            group.name(data, file)
        group.model.write(text.encode("ascii"))
    beside = os.path.join(os.path.dirname(name), file) if tensors else None
    return ExportReport(
        name,
        None,
        None,
        sum(program.operators.values()),
        program.operators,
        len(tensors),
        len(text),
        data_file=beside,
        data_size=len(header) + sum(constant.nbytes for constant in tensors.values()),
        format="py",
    )


def module_text(program: Program, stem: str, file: str) -> str:
    """The whole file; names of the model stand in it as identifiers and as escaped text alone."""
    graph, arguments = program.graph, program.arguments
    needed = arguments[: len(arguments) - program.begun]
    call = f"result = net({', '.join(needed)})"
    defaults = [f"{argument}=None" for argument in arguments[len(needed) :]]
    module = stem if stem.isascii() and stem.isidentifier() else "net"
    head = _HEAD.format(stem=module, call=call, weights=string_text(file))
    origin = sorted({source.file for node in graph.nodes for source in node.source})
    lines = [head, *(HELPERS[name] for name in program.helpers)]
    for each in program.classes:
        lines += ["", *each, ""]
    lines += ["", "class Net(nn.Module):"]
    lines.append(f"    # {'; '.join(map(string_text, origin)) if origin else string_text(graph.name)}")
    lines.append(f"    INPUTS = {_names(graph.input_names)}")
    lines.append(f"    OUTPUTS = {_names(graph.output_names)}")
    lines += ["", "    def __init__(self):", "        super().__init__()"]
    lines += [f"        {line}" for line in program.initial]
    lines += ["", f"    def forward({', '.join(['self', *needed, *defaults])}):"]
    for name, value in zip(arguments, graph.inputs, strict=True):
        lines.append(f"        # {name}: {type_text(value.type)}")
    lines += program.forward
    return "\n".join(lines) + "\n" + (_LOAD if program.module.tensors else _NO_WEIGHTS)


def _names(names: Sequence[str]) -> str:
    return f"({', '.join(map(string_text, names))}{',' if len(names) == 1 else ''})"

"""Live modules become graphs."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from xir.errors import UnsupportedError, UsageError, XirError
from xir.frontends.load import with_outputs
from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.torch._imported import Imported
from xir.frontends.torch._trace import line_of
from xir.frontends.torch.importer import import_program
from xir.frontends.torch.live.exported import read_exported
from xir.frontends.torch.live.objects import Exported, LiveModule, torch_module
from xir.frontends.torch.live.scripted import import_scripted
from xir.frontends.torch.live.tracer import trace
from xir.frontends.torch.program import Program

Examples: TypeAlias = "Sequence[object] | Mapping[str, object]"
"""What a module is called with: by place, or by name."""


def load_live(source: object, examples: Examples | None, dynamic_shapes: object, options: LoadOptions) -> Loaded:
    """The graph of a live `torch.nn.Module`, `ExportedProgram` or `GraphModule`.

    Args:
        source: the model; its weights are not copied.
        examples: what a module is called with while it is exported.
        dynamic_shapes: which sizes are symbols, as torch.export takes it.
        options: how to read it.

    Raises:
        UsageError: it is none of these, or there are no examples for a module.
        UnsupportedError: it does what xir or torch.export cannot take.
        MissingExtraError: torch is not installed.
    """
    notes: list[str] = []
    made = read_live(source, examples, dynamic_shapes, options, notes)
    imported = made if isinstance(made, Imported) else import_program(made, inputs=options.inputs)
    version = made.version if isinstance(made, Program) else str(torch_module().__version__)
    graph = imported.graph if options.outputs is None else with_outputs(imported.graph, options.outputs)
    metadata = {"torch_version": version} if version else {}
    return Loaded(
        graph,
        "torch",
        (made.file if isinstance(made, Program) else type(source).__name__,),
        len(made.body.nodes) if isinstance(made, Program) else made.calls,
        (*notes, *imported.notes),
        state=imported.state,
        metadata=metadata,
    )


def read_live(
    source: object, examples: Examples | None, dynamic_shapes: object, options: LoadOptions, notes: list[str]
) -> Program | Imported:
    """The program of a live model, or its graph, and what a person should know of it; see `load_live`."""
    torch, export = torch_module(), torch_module("torch.export")
    if isinstance(source, cast("type[object]", export.ExportedProgram)):
        if examples is not None or dynamic_shapes is not None:
            raise UsageError("an exported program is of its examples already", hint="leave example_inputs out")
        return read_exported(cast("Exported", source), "ExportedProgram")
    if not isinstance(source, cast("type[object]", torch.nn.Module)):
        raise UsageError(
            f"xir loads no {type(source).__name__}",
            hint="give a path, a graph, a torch.nn.Module, an ExportedProgram or a GraphModule",
        )
    if examples is None:
        raise UsageError(
            "a module alone does not say what it is called with",
            hint="xir.load(module, example_inputs=(tensor, ...)), or a dictionary by the names of its arguments",
        )
    return _of_module(cast("LiveModule", source), examples, dynamic_shapes, options, notes)


def _of_module(
    module: LiveModule, examples: Examples, dynamic_shapes: object, options: LoadOptions, notes: list[str]
) -> Program | Imported:
    """What torch.export makes of a module, else what torch.jit.script makes of it, else what one run of it does.

    Raises:
        UnsupportedError: none can be; the message names the line of the model.
    """
    named = dict(examples) if isinstance(examples, Mapping) else {}
    items = () if isinstance(examples, Mapping) else tuple(examples)
    export = torch_module("torch.export")
    try:
        made: object = export.export(module, items, named, dynamic_shapes=dynamic_shapes)
    except Exception as error:  # of any kind: it runs the model's own code
        refused = _refused(error)
        if dynamic_shapes is not None:
            raise refused from error
        return _otherwise(module, items, named, options, refused, notes)
    try:
        return read_exported(cast("Exported", made), type(module).__name__)
    except UnsupportedError as refused:  # such as quantized weights, which TorchScript keeps packed
        if dynamic_shapes:
            raise
        try:
            return _scripted(module, items, named, options, refused, notes)
        except UnsupportedError as again:
            raise _joined(refused, again) from again


def _otherwise(
    module: LiveModule,
    items: Sequence[object],
    named: Mapping[str, object],
    options: LoadOptions,
    refused: UnsupportedError,
    notes: list[str],
) -> Program | Imported:
    """What torch.jit.script makes of a module that torch.export does not take, else what one run of it does.

    Raises:
        UnsupportedError: neither; the message says why each of the three ways is none.
    """
    try:
        return _scripted(module, items, named, options, refused, notes)
    except UnsupportedError as error:
        unscripted = error
    try:
        program = trace(module, items, named)
    except XirError as error:
        raise _joined(error, refused, unscripted) from error
    except Exception as error:
        raise _joined(refused, unscripted) from error
    told = "; ".join((refused.message, unscripted.message))
    notes.append(f"{told}; the graph is one run of the module, for sizes like those of the examples")
    return program


def _scripted(
    module: LiveModule,
    items: Sequence[object],
    named: Mapping[str, object],
    options: LoadOptions,
    refused: UnsupportedError,
    notes: list[str],
) -> Imported:
    """What torch.jit.script makes of a module, with a note of what was refused before."""
    made = import_scripted(module, items, named, options.inputs)
    notes.append(f"{refused.message}; the graph is what torch.jit.script makes of it")
    return made


def _joined(error: XirError, *others: XirError) -> UnsupportedError:
    """An error that says also why other ways are none."""
    problems = error.problems if isinstance(error, UnsupportedError) else ()
    return UnsupportedError("; ".join(each.message for each in (error, *others)), problems=problems, hint=error.hint)


def _refused(error: Exception) -> UnsupportedError:
    """What torch.export says, with the line of the model."""
    place = line_of("".join(traceback.format_tb(error.__traceback__)).replace(__file__, "torch/"))
    told = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return UnsupportedError(
        f"torch.export does not take the module{'' if place is None else f' at {place}'}: {told}",
        hint="write a branch on elements as torch.where or torch.cond, or use torch.compile(backend='xir')",
    )

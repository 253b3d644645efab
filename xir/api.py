"""The public functions: each a short composition of frontends, passes, backends and verification."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from numpy.typing import ArrayLike

from xir._compiling import CompileReport, compile_to
from xir._conversion import convert, optimize_model, plan_conversion
from xir._exporting import EXPORTS, export
from xir._job import ConversionMismatch, runner_of
from xir._loading import Model, Progress, TypeSpec, load_options, read, second_options, silent
from xir._weights import WeightsReport, convert_weights, load_weights
from xir.autodiff import grad
from xir.errors import UsageError
from xir.files import atomic_write
from xir.frontends.load import load_model, recognize
from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.state import state_of
from xir.inspect.conversion import ConversionPlan, ConversionReport
from xir.inspect.optimization import OptimizationReport
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.passes import optimize
from xir.precision import quantize, to_precision
from xir.reference import random_inputs, run
from xir.verification import (
    ATOL,
    RTOL,
    SEEDS,
    Certificate,
    ReferenceRunner,
    Runner,
    has_onnxruntime,
    verify_runners,
)

if TYPE_CHECKING:
    from xir.frontends.torch.live.load import Examples
    from xir.frontends.torch.live.objects import Exported, LiveModule
    from xir.runtime.executable import Executable

__all__ = [
    "EXPORTS",
    "CompileReport",
    "ConversionMismatch",
    "ConversionPlan",
    "ConversionReport",
    "Model",
    "OptimizationReport",
    "Progress",
    "TypeSpec",
    "WeightsReport",
    "compile",
    "compile_to",
    "convert",
    "convert_weights",
    "export",
    "grad",
    "load",
    "load_weights",
    "optimize",
    "optimize_model",
    "plan_conversion",
    "quantize",
    "random_inputs",
    "read",
    "run",
    "show",
    "to_precision",
    "verify",
]


def load(
    source: Model | LiveModule | Exported,
    *,
    prototxt: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    inputs: Mapping[str, TypeSpec] | None = None,
    outputs: Sequence[str] | None = None,
    method: str | None = None,
    options: LoadOptions | None = None,
    example_inputs: Examples | None = None,
    dynamic_shapes: object = None,
) -> Graph:
    """Reads a model: a `.caffemodel`, `.prototxt`, `.onnx`, `.pt2` or `.xir` file, or a live model of PyTorch.

    The format of a file is found from the content. Of a live model the graph shares the weights' memory.

        graph = xir.load("model.onnx")
        graph = xir.load(module, example_inputs=(image,), dynamic_shapes=({0: torch.export.Dim("batch")},))

    Args:
        source: the file (of a SavedModel the folder), or a `torch.nn.Module`, an `ExportedProgram` or a `GraphModule`;
            a graph is returned as it is.
        prototxt: Caffe: the description of the net, instead of the one that is found beside the weights.
        weights: Keras: the weights of a configuration (`.json`), instead of those that are found beside it.
        inputs: types of inputs, such as `{"data": "f32[1,3,224,224]"}`, which replace what the file says. TensorFlow: a
            result of a node becomes an input, too, where it is named; with None of the type that the graph tells.
        outputs: names of the values to compute instead of the file's outputs.
        method: TorchScript: the method of the model that is wanted, instead of `forward`; TFLite and SavedModel: the
            signature.
        options: everything else that a format can be told.
        example_inputs: PyTorch: what a module is called with, by place or by name; torch.export exports it for that.
        dynamic_shapes: PyTorch: which sizes are symbols, as torch.export.export takes it.

    Returns:
        The graph. What a person should know of how it was read comes as a warning.

    Raises:
        XirError: see `xir.errors` for the kinds.
    """
    if isinstance(source, Graph):
        return source
    chosen = load_options(options, prototxt, inputs, outputs, method, weights)
    if isinstance(source, str | os.PathLike):
        if example_inputs is not None or dynamic_shapes is not None:
            raise UsageError("a file is of its inputs already", hint="`inputs` gives its inputs other types")
        loaded = load_model(os.fspath(source), chosen)
    else:
        from xir.frontends.torch.live.load import load_live

        loaded = load_live(source, example_inputs, dynamic_shapes, chosen)
    for note in loaded.notes:
        warnings.warn(note, stacklevel=2)
    return loaded.graph


def compile(
    graph: Graph,
    target: Literal["cpu"] = "cpu",
    *,
    threads: int | None = None,
    exact: bool = False,
    tune: bool = False,
    specialize: bool = True,
) -> Executable:
    """Makes machine code of a graph, by LLVM (`pip install 'xir-compiler[cpu]'`).

        model = xir.compile(xir.load("model.onnx"))
        (scores,) = model(image)
        (scores,) = model.run(["scores"], {"image": image})  # as onnxruntime's sessions
        model.run(None, {"image": tensor}, out={"scores": scores})  # read and written where they lie
        model.get_inputs()[0].name, model.get_inputs()[0].shape

    What the operators' texts leave to an error at run time has a defined result in machine code: an integer divided by
    0 is 0, an element whose index does not exist is 0 and is not written (`xir.kernel.grammar`); `xir.run` raises.

    The graph is optimized first. Code and packed weights lie in a cache (`XIR_CACHE`, or `xir` in the user's folder of
    caches; `XIR_CACHE=off` for none), so the next process has them at once. The results do not depend on the number of
    threads or on the run.

    Args:
        graph: what is computed; sizes may be symbols.
        target: `cpu`, this machine's processor.
        threads: at most so many work on a call. Without it: as many as the affinity mask and the control groups of
            the process give it. The environment's `XIR_NUM_THREADS` bounds it, too.
        exact: only rewrites whose result is the same bit for bit, and no convolutions by fewer products, whose results
            are within 5e-5 of the largest.
        tune: whether ways of computing that give the same bits are measured on this machine, and the fastest taken,
            instead of what a cost model says; compiling takes some times as long, once: choices are remembered.
        specialize: whether sizes that a model with symbols meets again and again get machine code of their own, made
            in the background; the results are the same bits. `Executable.specialize` does it at once.

    Returns:
        A callable that may be called from many threads; see `xir.runtime.executable.Executable`.

    Raises:
        UsageError: if the target is not known or `threads` is no whole number from 1 on.
        UnsupportedError: if this machine is no Linux on x86-64 with AVX2.
        MissingExtraError: if llvmlite is not installed.
    """
    from xir.backends.codegen.cached import compile_optimized

    if target != "cpu":
        raise UsageError(f"there is no target {target!r}, only 'cpu'", hint="leave it out")
    return compile_optimized(graph, threads=threads, exact=exact, tune=tune, specialize=specialize)


def show(graph: Graph, path: str | os.PathLike[str], *, format: str | None = None) -> None:
    """Draws a graph as a file.

    Args:
        graph: the model.
        path: the file to write.
        format: `svg` or `dot`; without it the file's ending decides.

    Raises:
        UsageError: if the format is neither.
        FileError: if the file cannot be written.
    """
    from xir.inspect.picture import picture_of, to_dot
    from xir.inspect.svg import to_svg

    drawings = {"svg": to_svg, "dot": to_dot, "gv": to_dot}
    name: str = os.fspath(path)
    chosen = format or os.path.splitext(name)[1].lstrip(".").lower()
    if chosen not in drawings:
        raise UsageError(f"{chosen!r} is no format of drawings", hint="name the file .svg or .dot")
    with atomic_write(path) as file:
        file.write(drawings[chosen](picture_of(graph)).encode("utf-8", "backslashreplace"))


def verify(
    a: Model,
    b: Model | None = None,
    *,
    runtime: Literal["cpu"] | None = None,
    inputs: Mapping[str, ArrayLike] | None = None,
    per_layer: bool = False,
    align: Mapping[str, tuple[int, ...]] | None = None,
    rtol: float = RTOL,
    atol: float = ATOL,
    seeds: Sequence[int] = SEEDS,
    options: LoadOptions | None = None,
    progress: Progress | None = None,
) -> Certificate:
    """Compares two models on the same inputs.

    Args:
        a: the first model, run by the reference.
        b: the second one, run by onnxruntime where it is an ONNX file and onnxruntime is installed, else by the
            reference. None for the first one again, where `runtime` is given.
        runtime: `cpu` compiles the second model and runs the machine code.
        inputs: arrays by the first model's input names; without them they are made from `seeds`.
        per_layer: also compares every layer that both have, by the reference on both sides.
        align: {input or output name of `a`: permutation from a's axes to b's}, for models of another layout.
        rtol: relative tolerance.
        atol: absolute tolerance.
        seeds: seeds of made-up inputs.
        options: how to read the first file; the second one is told only what concerns every format.
        progress: told what is being done.

    Raises:
        UsageError: if the two have not as many inputs and outputs, or there is neither `b` nor `runtime`.
        UnsupportedError, MissingExtraError: if machine code is asked for and cannot be made here.
    """
    tell = progress or silent
    _check_sides(b, runtime, per_layer)
    tell("reading", 0, 1)
    loaded = Loaded(a, "graph", (), 0) if isinstance(a, Graph) else load_model(os.fspath(a), options)
    first = loaded.graph
    if runtime is not None:
        runner, second = _compiled_side(first if b is None else b, second_options(options)), None
    else:
        runner, second = _second_side(a if b is None else b, per_layer, second_options(options))
    return verify_runners(
        first,
        runner,
        names=(_name(a), _name(a if b is None else b)),
        feeds=None if inputs is None else _arrays(inputs),
        seeds=seeds,
        align=align,
        rtol=rtol,
        atol=atol,
        layers_of=second,
        progress=lambda done, total: tell("comparing", done, total),
        state=state_of(first, loaded.state),
    )


def _arrays(inputs: Mapping[str, ArrayLike]) -> dict[str, Array]:
    import numpy as np

    return {name: np.asarray(array) for name, array in inputs.items()}


def _check_sides(b: Model | None, runtime: str | None, per_layer: bool) -> None:
    if runtime not in (None, "cpu"):
        raise UsageError(f"there is no runtime {runtime!r}, only 'cpu'", hint="leave it out")
    if b is None and runtime is None:
        raise UsageError(
            "there is no second model", hint="name one, or the runtime cpu to compare the first with itself"
        )
    if per_layer and runtime is not None:
        raise UsageError(
            "layers are compared by the reference on both sides, not by machine code", hint="leave one of the two out"
        )


def _compiled_side(model: Model, options: LoadOptions) -> Runner:
    from xir.verification.compiled import CompiledRunner

    return CompiledRunner(model if isinstance(model, Graph) else load_model(os.fspath(model), options).graph)


def _second_side(b: Model, per_layer: bool, options: LoadOptions) -> tuple[Runner, Graph | None]:
    if isinstance(b, Graph):
        return ReferenceRunner(b), b if per_layer else None
    path = os.fspath(b)
    graph = load_model(path, options).graph if per_layer else None
    if graph is not None and (recognize(path).name != "onnx" or not has_onnxruntime()):
        return ReferenceRunner(graph), graph
    return runner_of(path, None, options), graph


def _name(model: Model) -> str:
    return model.name if isinstance(model, Graph) else os.path.basename(os.fspath(model))

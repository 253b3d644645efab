"""Reading any model: the format is found from the content, never from the name alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from xir.errors import FormatError, InvalidModelError, UsageError
from xir.files import MappedFile, open_mapped
from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.weights import WeightFormat, weight_format, weight_formats
from xir.ir.graph import Graph
from xir.ir.rewrite import drop_unused_parameters
from xir.ir.training import without_training


@dataclass(frozen=True, slots=True)
class Format:
    """One format that xir reads.

    Attributes:
        name: the short name.
        title: what it is, in words.
        suffixes: usual endings of file names.
        recognize: whether a file, from its content, may be of this format.
        load: reads one.
        takes_numbers: whether its models have inputs that are numbers of the program, no tensors.
        takes_weights: whether a person may name the file with the weights.
        takes_cuts: whether its models are cut at values that become inputs while they are read.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    recognize: Callable[[MappedFile], bool]
    load: Callable[[str, LoadOptions], Loaded]
    takes_numbers: bool = False
    takes_weights: bool = False
    takes_cuts: bool = False


def formats() -> tuple[Format, ...]:
    """Every format that xir reads, in the order in which they are tried."""
    return (
        Format("xir", "xir's own text form", (".xir",), _is_xir, _load_xir),
        Format("onnx", "ONNX", (".onnx",), _is_onnx, _load_onnx),
        Format("pt2", "an exported program of PyTorch", (".pt2",), _is_pt2, _load_pt2),
        Format("torchscript", "TorchScript", (".jit", ".ts"), _is_torchscript, _load_torchscript, takes_numbers=True),
        Format("tflite", "TFLite", (".tflite",), _is_tflite, _load_tflite),
        Format(
            "saved_model",
            "a SavedModel of TensorFlow",
            ("saved_model.pb",),
            _is_saved_model,
            _load_saved_model,
            takes_cuts=True,
        ),
        Format(
            "meta_graph", "a MetaGraph of TensorFlow", (".meta",), _is_meta_graph, _load_meta_graph, takes_cuts=True
        ),
        Format("tfjs", "a graph model of TensorFlow.js", (".json",), _is_tfjs, _load_tfjs, takes_cuts=True),
        Format("tfjs_layers", "a layers model of TensorFlow.js", (".json",), _is_tfjs_layers, _load_tfjs_layers),
        Format(
            "tensorflow", "a graph of TensorFlow", (".pb", ".pbtxt"), _is_tensorflow, _load_tensorflow, takes_cuts=True
        ),
        Format("keras_archive", "a model of Keras 3", (".keras",), _is_keras_archive, _load_keras_archive),
        Format(
            "keras_json", "a configuration of Keras", (".json",), _is_keras_json, _load_keras_json, takes_weights=True
        ),
        Format("keras", "a whole model of Keras", (".h5", ".hdf5"), _is_keras_hdf5, _load_keras_hdf5),
        Format("caffe", "Caffe", (".caffemodel", ".prototxt", ".caffemodel.h5"), _is_caffe, _load_caffe),
    )


def load_model(path: str, options: LoadOptions | None = None) -> Loaded:
    """The model in a file.

    Args:
        path: the file.
        options: how to read it.

    Raises:
        FormatError: if the format is not known; the error says which are.
        InvalidModelError, UnsupportedError, UnsafeError, FileError: as the format's own reader.
    """
    chosen = options or LoadOptions()
    path = model_file(path)
    format = recognize(path)
    if chosen.numbers and not format.takes_numbers:
        name, number = next(iter(chosen.numbers.items()))
        raise UsageError(
            f"{format.title} has no inputs that are numbers: {name}={number}",
            file=path,
            hint=f"type it: --input {name}=i64[]",
        )
    if chosen.weights is not None and not format.takes_weights:
        raise UsageError(f"{format.title} takes no file with weights of a person's choice", file=path)
    if chosen.cuts and not format.takes_cuts:
        raise UsageError(
            f"{format.title} tells the types of its inputs; {chosen.cuts[0]!r} is given none",
            file=path,
            hint=f"type it: --input {chosen.cuts[0]}=f32[...]; `xir extract` makes inputs of other values",
        )
    try:
        loaded = format.load(path, chosen)
    except InvalidModelError as error:
        if chosen.inputs and not error.hint:
            error.hint = "--input changes what the file says of its inputs: the model may not fit those types"
        raise
    _check_names(loaded.graph, path)
    if not chosen.training and loaded.graph.training:
        loaded = replace(loaded, graph=replace(loaded.graph, training=()))
    if chosen.outputs is None:
        return loaded
    graph = with_outputs(loaded.graph, chosen.outputs)
    return replace(loaded, graph=graph)


def _check_names(graph: Graph, path: str) -> None:
    """Formats may let a value go without a name, or list an output twice; results are told apart by their names.

    Raises:
        InvalidModelError: if a name is empty, or that of two values or outputs.
    """
    for what, names in (("value", graph.names.values()), ("output", graph.output_names)):
        seen: set[str] = set()
        for name in names:
            if not name or name in seen:
                told = f"two {what}s are called {name!r}" if name else f"the name of a {what} is empty"
                raise InvalidModelError(told, file=path, hint="give each its own name in the model")
            seen.add(name)


def recognize(path: str) -> Format:
    """The format of a file with a graph, from its content.

    Raises:
        FormatError: if no format fits, or the file holds weights and no graph.
        FileError: if the file cannot be opened.
    """
    found = find_format(path)
    if isinstance(found, Format):
        return found
    raise FormatError(
        f"holds weights and no graph ({found.title})",
        number=303,
        file=path,
        hint="xir inspect lists them, xir convert writes them as safetensors, and xir.with_weights(graph, path) puts "
        "them into a graph; a file with both is what torch.export.save writes",
    )


def find_format(path: str) -> Format | WeightFormat:
    """The format of a file, from its content; its name decides only between formats that both may be.

    Raises:
        FormatError: if no format fits.
        FileError: if the file cannot be opened.
    """
    file = open_mapped(model_file(path))
    if file.size == 0:
        raise FormatError("the file is empty", file=path)
    known = formats()
    name = os.path.basename(path).lower()
    by_name = [each for each in known if name.endswith(each.suffixes)]
    others = [each for each in known if each not in by_name]
    weights = weight_format(file)  # first, for their signs are sure and those of text formats are not
    if weights is not None:
        return weights
    for each in (*by_name, *others):
        if each.recognize(file):
            return each
    if by_name:
        return by_name[0]
    raise FormatError(
        "the file is of no format that xir reads",
        file=path,
        hint="xir reads " + ", ".join(f"{title} ({', '.join(suffixes)})" for title, suffixes in _titles()),
    )


def model_file(path: str) -> str:
    """The file of a model that is a folder (a SavedModel); any other path is the file itself."""
    from xir.frontends.tensorflow.saved_model import file_in

    return (file_in(path) if os.path.isdir(path) else None) or path


def _titles() -> list[tuple[str, tuple[str, ...]]]:
    graphs = [(each.title, each.suffixes) for each in formats()]
    return graphs + [(each.title, each.suffixes) for each in weight_formats()]


def with_outputs(graph: Graph, names: Sequence[str]) -> Graph:
    """The part of a graph that computes the values of these names.

    Raises:
        UsageError: if there is no value of such a name, or no name.
    """
    wanted = tuple(names)
    by_name = {name: value for value, name in graph.names.items()}
    by_name.update(zip(graph.output_names, graph.outputs, strict=True))
    unknown = [name for name in wanted if name not in by_name]
    if unknown or not wanted:
        raise UsageError(
            f"there is no value called {unknown[0]!r}" if unknown else "no output is named",
            hint="xir inspect lists the names",
        )
    graph = without_training(graph, "it is of the whole model")
    outputs = tuple(by_name[name] for name in wanted)
    cut = Graph(graph.name, graph.inputs, outputs, wanted, graph.parameters, graph.names, graph.constraints)
    return drop_unused_parameters(cut)


def _is_xir(file: MappedFile) -> bool:
    return file.read_at(0, min(file.size, 4)).startswith(b"xir")


def _load_xir(path: str, options: LoadOptions) -> Loaded:
    from xir.text import load_xir

    graph = load_xir(path, trust_links=options.trust_links)
    return Loaded(graph, "xir", (path,), len(graph.nodes))


def _is_onnx(file: MappedFile) -> bool:
    from xir.frontends.onnx.load import looks_like_onnx

    return looks_like_onnx(file)


def _load_onnx(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.onnx.load import load_onnx

    return load_onnx(path, options)


def _is_pt2(file: MappedFile) -> bool:
    from xir.frontends.torch.pt2.reader import looks_like_pt2

    return looks_like_pt2(file)


def _load_pt2(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.torch.load import load_pt2

    return load_pt2(path, options)


def _is_torchscript(file: MappedFile) -> bool:
    from xir.frontends.torch.script.objects import looks_like_torchscript

    return looks_like_torchscript(file)


def _load_torchscript(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.torch.load import load_torchscript

    return load_torchscript(path, options)


def _is_tensorflow(file: MappedFile) -> bool:
    from xir.frontends.tensorflow.reader import looks_like_graph

    return looks_like_graph(file)


def _load_tensorflow(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.tensorflow.load import load_graph

    return load_graph(path, options)


def _is_saved_model(file: MappedFile) -> bool:
    from xir.frontends.tensorflow.saved_model import looks_like_saved_model

    return looks_like_saved_model(file)


def _load_saved_model(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.tensorflow.load import load_saved

    return load_saved(path, options)


def _is_meta_graph(file: MappedFile) -> bool:
    from xir.frontends.tensorflow.saved_model import looks_like_meta_graph

    return looks_like_meta_graph(file)


def _load_meta_graph(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.tensorflow.load import load_meta

    return load_meta(path, options)


def _is_tfjs(file: MappedFile) -> bool:
    from xir.frontends.tensorflow.tfjs import looks_like_graph_model

    return looks_like_graph_model(file)


def _load_tfjs(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.tensorflow.load import load_tfjs

    return load_tfjs(path, options)


def _is_tfjs_layers(file: MappedFile) -> bool:
    from xir.frontends.keras.tfjs import looks_like_layers_model

    return looks_like_layers_model(file)


def _load_tfjs_layers(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.keras.load import load_tfjs_layers

    return load_tfjs_layers(path, options)


def _is_tflite(file: MappedFile) -> bool:
    from xir.frontends.tflite.reader import looks_like_tflite

    return looks_like_tflite(file)


def _load_tflite(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.tflite.load import load_tflite

    return load_tflite(path, options)


def _is_keras_hdf5(file: MappedFile) -> bool:
    from xir.frontends.keras.hdf5 import looks_like_keras

    return looks_like_keras(file)


def _load_keras_hdf5(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.keras.load import load_keras_hdf5

    return load_keras_hdf5(path, options)


def _is_keras_archive(file: MappedFile) -> bool:
    from xir.frontends.keras.archive import looks_like_keras_archive

    return looks_like_keras_archive(file)


def _load_keras_archive(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.keras.load import load_keras_archive

    return load_keras_archive(path, options)


def _is_keras_json(file: MappedFile) -> bool:
    from xir.frontends.keras.configured import looks_like_configuration

    return looks_like_configuration(file)


def _load_keras_json(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.keras.load import load_keras_json

    return load_keras_json(path, options)


def _is_caffe(file: MappedFile) -> bool:
    from xir.frontends.caffe.reader import recognize as recognize_caffe

    return recognize_caffe(file.path) is not None


def _load_caffe(path: str, options: LoadOptions) -> Loaded:
    from xir.frontends.caffe.load import load_caffe

    return load_caffe(path, options)

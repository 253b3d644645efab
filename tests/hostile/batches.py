"""Which cases run together, each batch in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from tests.hostile import (
    caffe_files,
    caffe_nets,
    mistakes,
    onnx_borders,
    onnx_files,
    onnx_operators,
    onnx_scopes,
    onnx_storage,
    onnx_structures,
    programs,
    tensorflow_files,
    tflite_files,
    weights,
    xir_files,
)
from tests.hostile.case import Case, unique

EVERY_PARTS = 16
"""Batches of the wrong forms of every operator, 215,000 in all, which run at night."""

BATCHES: Mapping[str, Callable[[], Iterable[Case]]] = {
    "caffemodel": caffe_files.small_binary,
    "prototxt": caffe_files.small_text,
    "real caffemodel": partial(caffe_files.corpus_binary, 3),
    "real caffemodel, all": caffe_files.corpus_binary,
    "real prototxt": caffe_files.corpus_text,
    "numbers": caffe_nets.numbers,
    "structures": caffe_nets.structures,
    "names": caffe_nets.names,
    "blobs": caffe_nets.weights,
    "other files": mistakes.others,
    "companions": mistakes.wrong_companions,
    "hdf5": mistakes.hdf5,
    "onnx": onnx_files.damaged,
    "onnx external data": onnx_files.external_data,
    "onnx tensors": onnx_files.tensors,
    "onnx graphs": onnx_files.graphs,
    "onnx structures": onnx_structures.structures,
    "onnx borders": onnx_borders.borders,
    "onnx storage": onnx_storage.storage,
    "onnx scopes": onnx_scopes.scopes,
    "onnx operators": partial(onnx_operators.part, 0, 250),
    **{
        f"every onnx operator {number}": partial(onnx_operators.part, number, EVERY_PARTS)
        for number in range(EVERY_PARTS)
    },
    "xir": xir_files.text,
    "xir companions": xir_files.companions,
    "archives of programs": programs.archives,
    "exported programs": programs.programs,
    "tflite": tflite_files.damaged,
    "tflite fields": tflite_files.fields,
    "tflite tables": tflite_files.shared,
    "tensorflow graphs": tensorflow_files.damaged,
    "tensorflow that touches the machine": tensorflow_files.machine,
    "tensorflow sizes": tensorflow_files.sizes,
    "tensorflow without end": tensorflow_files.endless,
    "tensorflow saved models": tensorflow_files.saved,
    "tensorflow checkpoints": tensorflow_files.checkpoints,
    "tensorflow.js": tensorflow_files.scripts,
    "weights": weights.damaged,
    "weights that run code": weights.code,
    "weights that ask for much": weights.bombs,
}
"""Name -> its cases."""


def cases(batch: str) -> Iterator[Case]:
    """The cases of a batch, made one at a time."""
    return unique(BATCHES[batch]())

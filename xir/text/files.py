"""`.xir` files: the text, and a `.safetensors` file beside it for the weights, both or neither."""

from __future__ import annotations

import os
from dataclasses import replace

from xir.errors import FormatError
from xir.files import PathLike, atomic_group, open_beneath, read_text
from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.types import TensorType
from xir.text.parser import parse_graph
from xir.text.printer import print_graph
from xir.text.safetensors import SafetensorsFile, header_bytes, header_name, write_tensors
from xir.text.weights import plan_weights

_MAX_STEM_BYTES = 200
"""Bytes of the model's name that go into the weights file's; file systems end at 255 (NAME_MAX)."""


def save_xir(graph: Graph, path: PathLike) -> None:
    """Writes the graph to `path`, and its large constants to `<stem>.<hash of the content>.safetensors` beside it.

    Both files appear whole, or neither does and an old file stays as it was. Weights are written in bounded memory.

    Raises:
        InvalidModelError: the graph breaks a rule that the text cannot say (see `print_graph`).
        FileError: the operating system refuses.
    """
    stored = plan_weights((graph,))
    digests = {name: digest for name, digest in stored.entries.values()}
    header, order = header_bytes(stored.tensors, {f"xir.sha256.{name}": digests[name] for name in stored.tensors})
    if stored.tensors:
        stored = replace(stored, file=f"{_stem(path)}.{header_name(header)}.safetensors")
    text = print_graph(graph, weights=stored)
    with atomic_group(path) as group:
        if stored.file is not None:
            data = group.data()
            write_tensors(data, header, order, stored.tensors)
            group.name(data, stored.file)
        group.model.write(text.encode("utf-8"))


def _stem(path: PathLike) -> str:
    stem = os.path.splitext(os.path.basename(os.path.realpath(path)))[0]
    return stem if len(os.fsencode(stem)) <= _MAX_STEM_BYTES and stem.isprintable() and "\\" not in stem else "weights"


def load_xir(path: PathLike, *, check_weights: bool = False, trust_links: bool = False) -> Graph:
    """The graph of a `.xir` file; its weights stay in their file and are mapped when they are needed.

    Args:
        path: the file.
        check_weights: also compare every weight with its SHA-256, which reads all of them. Without it, only the
            hashes that the weights file itself records are compared.
        trust_links: follow links to the weights file.

    Raises:
        FormatError: the text or the weights file is not of its format, or they do not belong together.
        InvalidModelError: the graph contradicts itself.
        UnsafeError: the files ask for more than the limits allow, or the weights lie outside the model's folder.
        FileError: a file is absent or cannot be read.
    """
    source = _Companions(os.path.dirname(os.path.realpath(path)), check_weights, trust_links)
    return parse_graph(read_text(path), file=os.path.basename(os.fspath(path)), weights=source)


class _Companions:
    """The weights files of one folder, each opened once."""

    def __init__(self, folder: str, check_weights: bool, trust_links: bool) -> None:
        self._folder = folder
        self._check_weights = check_weights
        self._trust_links = trust_links
        self._open: dict[str, SafetensorsFile] = {}

    def __call__(self, companion: str | None, name: str, sha256: str, type: TensorType, /) -> Constant:
        if companion is None:
            raise FormatError(
                "the text refers to weights, but names no file of them", hint="save the model with save_xir"
            )
        if companion not in self._open:
            mapped = open_beneath(self._folder, companion, trust_links=self._trust_links)
            self._open[companion] = SafetensorsFile(mapped)
        file = self._open[companion]
        constant = file.constant(name, type)
        recorded = file.metadata.get(f"xir.sha256.{name}")
        actual = constant.digest() if self._check_weights or recorded is None else recorded
        if actual != sha256:
            raise FormatError(
                f"weight {name[:60]!r} has the SHA-256 {actual[:16]}..., expected {sha256[:16]}...",
                hint=f"{companion!r} belongs to another version of the model, or is damaged",
            )
        return constant

"""What is fuzzed: one function a frontend, from bytes to nothing; only `XirError` may come out of it.

`python -m tests.fuzz.targets FRONTEND [LIBFUZZER'S OPTIONS, CORPUS...]` runs a target under atheris, where that is
installed (`pip install atheris`), until it finds something; `-runs=N` and `-max_total_time=SECONDS` end it earlier.
"""

from __future__ import annotations

import os
import re
import resource
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.hostile.batches import cases
from tests.hostile.caffe_files import SMALL, small_caffemodel
from tests.hostile.caffe_nets import NUMBERS
from tests.hostile.onnx_files import small_model
from tests.hostile.weights import small, small_safetensors, small_tar
from tests.hostile.worker import MEMORY, address_space
from tests.hostile.xir_files import small_xir
from xir.errors import XirError
from xir.frontends.caffe.schema import load_schema
from xir.frontends.load import load_model
from xir.frontends.torch.pickles.tensor_names import tensor_names
from xir.frontends.weights import Weights, load_weights
from xir.ir.graph import Graph
from xir.ir.verify import verify
from xir.ops import table


def memory_folder() -> str | None:
    """A folder in memory where there is one: thousands of files a second are written."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@dataclass(frozen=True, slots=True)
class Target:
    """One frontend under test.

    Attributes:
        name: the name of its files.
        right: makes a right file to start from.
        batches: hostile batches whose small files are good beginnings too.
        words: what a mutation may write into a file: names that the format knows.
        beside: makes the files that lie beside, by name.
        read: reads one.
    """

    name: str
    right: Callable[[], bytes]
    batches: tuple[str, ...]
    words: Callable[[], Iterable[str]]
    beside: Callable[[], Mapping[str, bytes]] = dict
    read: Callable[[str], Graph | Weights] = lambda path: load_model(path).graph

    def seeds(self) -> Iterator[bytes]:
        """The right file, and the hostile ones of at most `SEED_BYTES`."""
        yield self.right()
        for batch in self.batches:
            for case in cases(batch):
                content = case.files[case.model]
                if case.model.endswith(Path(self.name).suffix) and not callable(content) and len(content) <= SEED_BYTES:
                    yield content


def _caffe_words() -> Iterable[str]:
    schema = load_schema()
    kinds = re.findall(rb'type: "(\w+)"', SMALL + " ".join(NUMBERS.values()).encode())
    yield from (kind.decode() for kind in kinds)
    yield from (field.name for field in schema.fields)
    yield from (name for values in schema.enums.values() for name in values)


def _onnx_words() -> Iterable[str]:
    import onnx

    for operator in onnx.defs.get_all_schemas():
        yield operator.name
        yield from operator.attributes


def _torch_words() -> Iterable[str]:
    for name in tensor_names():
        yield from name.split(".")


def _weights(path: str) -> Weights:
    """The tensors, every element looked at."""
    weights = load_weights(path)
    for constant in weights.tensors.values():
        constant.digest()
    return weights


@cache
def _companion() -> Mapping[str, bytes]:
    _, name, weights = small_xir()
    return {name: weights}


SEED_BYTES = 1 << 13
"""Long files are slow to load, and a mutation seldom hits what matters in them."""

TARGETS: Mapping[str, Target] = {
    "caffemodel": Target("m.caffemodel", small_caffemodel, ("blobs",), _caffe_words),
    "prototxt": Target("m.prototxt", lambda: SMALL, ("numbers", "structures", "names"), _caffe_words),
    "onnx": Target(
        "m.onnx",
        lambda: small_model().SerializeToString(),
        ("onnx graphs", "onnx tensors"),
        _onnx_words,
    ),
    "xir": Target("m.xir", lambda: small_xir()[0], (), table, _companion),
    "checkpoint": Target("m.pth", lambda: small("zip"), ("weights that run code",), _torch_words, read=_weights),
    "older checkpoint": Target("m.pth", lambda: small("pickle"), (), _torch_words, read=_weights),
    "oldest checkpoint": Target("m.pth", small_tar, (), _torch_words, read=_weights),
    "safetensors": Target("m.safetensors", small_safetensors, (), _torch_words, read=_weights),
}
"""What is fuzzed, by frontend."""


def load(target: Target, data: bytes) -> None:
    """Loads a file of these bytes, and verifies what is a graph.

    Raises:
        Exception: everything that is no `XirError` of the loading; that is what is looked for.
    """
    with tempfile.TemporaryDirectory(prefix="xir-fuzz-", dir=memory_folder()) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in target.beside().items():
            (Path(folder) / name).write_bytes(content)
        path = Path(folder) / target.name
        path.write_bytes(data)
        try:
            made = target.read(str(path))
        except XirError:
            return
        try:
            if isinstance(made, Graph):
                verify(made)
        except XirError as error:
            raise AssertionError("a frontend made a graph that is not right") from error


def lay_out(target: Target, corpus: Path, dictionary: Path) -> None:
    """Writes the files to start from, and libFuzzer's dictionary (https://llvm.org/docs/LibFuzzer.html#dictionaries)."""
    for number, content in enumerate(target.seeds()):
        (corpus / str(number)).write_bytes(content)
    words = sorted({word for word in target.words() if re.fullmatch(r"\w{2,60}", word, re.ASCII)})
    dictionary.write_text("".join(f'"{word}"\n' for word in words), encoding="ascii")


def main(arguments: list[str]) -> None:
    """Runs one target under atheris until it is stopped, or finds something; memory is limited as in `worker.py`."""
    import atheris

    target = TARGETS[arguments[1]]
    with tempfile.TemporaryDirectory() as folder:
        corpus, dictionary = Path(folder) / "corpus", Path(folder) / "words"
        corpus.mkdir()
        lay_out(target, corpus, dictionary)
        load(target, target.right())  # what is loaded lazily must be there to be instrumented
        atheris.instrument_all()
        limit = address_space() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        options = [arguments[0], f"-dict={dictionary}", str(corpus), *arguments[2:]]
        atheris.Setup(options, lambda data: load(target, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)

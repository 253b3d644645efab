"""Why the figures hold: weights stay in their file, work grows with the layers, output depends on nothing else.

No test here looks at a clock; `make bench` measures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import xir
from benchmarks.nets import layered_net, prototxt, weighted_layers, write_vgg
from tests.hostile.caffe_files import SMALL, small_caffemodel
from xir import _reading
from xir._reading import FileSlice, MappedFile
from xir.ir.graph import Graph

REPOSITORY = Path(__file__).resolve().parent.parent
SMALL_WEIGHT = 1 << 16
"""Bytes of a weight that may be read: statistics of a normalisation, biases."""


def python(code: str, *arguments: str, folder: Path = REPOSITORY, **extra: str) -> str:
    """What a fresh interpreter prints."""
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "cli"), str(REPOSITORY / "benchmarks")])
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": paths, **extra},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


CONVERT = """
import sys, xir
for source, result in zip(sys.argv[1::2], sys.argv[2::2]):
    xir.convert(source, result, verify=False)
"""


def test_output_depends_on_neither_hash_seed_nor_folder(tmp_path: Path) -> None:
    """The results hold the same bytes, and the same names of data files."""
    results: list[dict[str, bytes]] = []
    for seed, place in (("0", "one"), ("1", "another/place")):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "m.caffemodel").write_bytes(small_caffemodel())
        (folder / "m.prototxt").write_bytes(SMALL)
        (folder / "filled.prototxt").write_bytes(SMALL)
        pairs = [
            *("m.caffemodel", "m.onnx", "m.caffemodel", "m.xir", "filled.prototxt", "f.onnx"),
            *("m.onnx", "again.onnx", "m.xir", "third.onnx"),
        ]
        arguments = pairs if seed == "0" else [str(folder / name) for name in pairs]
        python(CONVERT, *arguments, folder=folder, PYTHONHASHSEED=seed)
        results.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    assert len(results[0]) > 8
    assert results[0] == results[1]


def test_output_of_a_real_model_does_not_depend_on_the_hash_seed(open_nsfw: Path, tmp_path: Path) -> None:
    for seed in ("0", "1"):
        source = str(open_nsfw / "resnet_50_1by2_nsfw.caffemodel")
        python(CONVERT, source, str(tmp_path / f"{seed}.onnx"), PYTHONHASHSEED=seed)
    assert (tmp_path / "0.onnx").read_bytes() == (tmp_path / "1.onnx").read_bytes()


@contextmanager
def reads_recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of what is read from files into memory, or looked at through a memory map."""
    sizes: list[int] = []
    view, read_at = FileSlice.view, MappedFile.read_at

    def recorded_view(self: FileSlice) -> memoryview:
        sizes.append(self.length)
        return view(self)

    def recorded_read(self: MappedFile, offset: int, length: int) -> bytes:
        sizes.append(length)
        return read_at(self, offset, length)

    with monkeypatch.context() as patched:
        patched.setattr(FileSlice, "view", recorded_view)
        patched.setattr(MappedFile, "read_at", recorded_read)
        yield sizes


def load(path: Path) -> Graph:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xir.load(path)


def test_weights_stay_in_their_file_from_loading_to_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the reader, nor a pass, nor the writer looks at the elements of a large weight."""
    model = write_vgg(tmp_path, width=0.25, size=64, hidden=256)
    with reads_recorded(monkeypatch) as sizes:
        graph = xir.optimize(load(model))
        large = [parameter.constant for parameter in graph.parameters if parameter.constant.nbytes > SMALL_WEIGHT]
        xir.export(graph, tmp_path / "out.onnx")
    assert len(large) > 8
    assert all(isinstance(constant.data, FileSlice) for constant in large)
    assert max(sizes) <= SMALL_WEIGHT


def test_what_the_kernel_cannot_copy_passes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_vgg(tmp_path, width=0.25, size=64, hidden=512)
    graph = load(model)
    monkeypatch.setattr(MappedFile, "kernel_copy", lambda *_: 0)
    with reads_recorded(monkeypatch) as sizes:
        xir.export(graph, tmp_path / "out.onnx")
    assert max(parameter.constant.nbytes for parameter in graph.parameters) > _reading.CHUNK_BYTES
    assert max(sizes) == _reading.CHUNK_BYTES


LIMITED = """
import resource, sys, xir
from pathlib import Path
from nets import write_vgg
folder = Path(sys.argv[1])
xir.convert(write_vgg(folder, "small", width=0.05, size=32, hidden=16), folder / "small.onnx", verify=False)
data = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmData:"))
limit = data + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
xir.convert(folder / sys.argv[2], folder / "out.onnx", verify=False)
"""


def test_a_conversion_needs_a_fraction_of_the_weights_as_memory(tmp_path: Path) -> None:
    """60 MB of weights pass through a process that may take 16 MiB more (setrlimit(2), RLIMIT_DATA)."""
    model = write_vgg(tmp_path, width=0.5, size=96, hidden=2048)
    assert model.stat().st_size > 55e6
    python(LIMITED, str(tmp_path), model.name, str(16 << 20))
    assert (tmp_path / "out.onnx").stat().st_size > 55e6


def test_made_up_weights_need_no_memory(tmp_path: Path) -> None:
    """Of 176 MB of weights at most 32 MiB are held (fillers.HELD_BYTES), the others lie in a temporary file."""
    text = prototxt(weighted_layers(size=64, hidden=4096), size=64)
    (tmp_path / "filled.prototxt").write_text(text, encoding="utf-8")
    python(LIMITED, str(tmp_path), "filled.prototxt", str(80 << 20))
    assert (tmp_path / "out.onnx").stat().st_size > 170e6


def equal_layers(count: int) -> str:
    """A chain of one layer again and again, which a rule makes into one node."""
    head = 'layer { name: "l0" type: "Input" top: "l0" input_param { shape { dim: [1, 2] } } }\n'
    lines = (f'layer {{ name: "l{i}" type: "ReLU" bottom: "l{i - 1}" top: "l{i}" }}\n' for i in range(1, count))
    return head + "".join(lines)


def calls_of_a_conversion(folder: Path, net: Callable[[int], str], layers: int) -> int:
    """How many functions of Python and of C a conversion calls."""
    source = folder / f"net{layers}.prototxt"
    source.write_text(net(layers), encoding="utf-8")
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        xir.convert(source, folder / "out.onnx", verify=False)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("net", [layered_net, equal_layers])
def test_the_work_of_a_conversion_grows_with_the_layers(net: Callable[[int], str], tmp_path: Path) -> None:
    """Three times the layers are three times the calls; a quadratic step would show in the last part."""
    calls_of_a_conversion(tmp_path, net, 40)
    once, twice, thrice = (calls_of_a_conversion(tmp_path, net, 400 * times) for times in (1, 2, 3))
    assert once > 400
    assert thrice - twice == pytest.approx(twice - once, rel=0.05)


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import xir", ("numpy", "onnx", "click", "rich", "google.protobuf")),
        ("from xir_cli.main import main; main(['--help'])", ("numpy", "onnx", "rich", "google.protobuf")),
    ],
)
def test_starting_loads_little(code: str, absent: tuple[str, ...]) -> None:
    loaded = python(f"{code}\nimport sys\nprint(*sys.modules)").splitlines()[-1].split()
    assert "xir" in loaded
    assert not set(absent) & set(loaded)

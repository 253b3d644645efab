"""Programs and TorchScript whose pickles run code, and archives that unpack into far more than they are.

Checkpoints of every layout: test_checkpoint.py; what archives may say: tests/frontends/test_archive.py.
"""

from __future__ import annotations

import json
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.archives import Member, archive_bytes, torch_archive
from tests.frontends.torch.pickles.written import running, whole
from tests.frontends.torch.programs import members, meta, node, program, tensor
from tests.frontends.torch.script.archives import Made, script_bytes
from xir.errors import UnsafeError, XirError

W = np.arange(6, dtype=np.float32)
CODE = "class Net(Module):\n  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    return x\n"
TEXT = program(
    {"w": meta("float32", (6,)), "x": meta("float32", (6,))},
    [node("aten.add.Tensor", [tensor("x"), tensor("w")], "y")],
    [tensor("y")],
    weights={"w": "w"},
)
ROW = {"path_name": "weight_0", "is_param": True, "use_pickle": True, "tensor_meta": meta("float32", (6,))}


def script(member: str, data: bytes) -> bytes:
    """A TorchScript archive with this in place of one of its members."""
    return script_bytes(Made("__torch__.Net"), {"__torch__": CODE}, **{member: data})


def exported(weight: bytes) -> bytes:
    """An exported program whose weight lies in a file of its own, pickled."""
    rows = [each for each in members(TEXT, {"w": W}, changes={"w": ROW}) if not each.name.endswith("/weight_0")]
    return archive_bytes([*rows, Member("m/data/weights/weight_0", weight)])


def older(member: str, data: bytes) -> bytes:
    """A program in the layout before torch 2.8, with this in place of one of its members."""
    held = {
        "version": b"8.2",
        "serialized_exported_program.json": json.dumps(TEXT).encode(),
        "serialized_state_dict.pt": b"",
        "serialized_constants.pt": b"",
        "serialized_example_inputs.pt": b"",
    } | {member: data}
    return archive_bytes([Member(name, data) for name, data in held.items()])


def hostile() -> Iterator[tuple[str, bytes]]:
    """Files of every kind with a pickle that would run code in every place for one."""
    for title, data in running():
        zipped = torch_archive({"data.pkl": data, "version": b"3\n"})
        for member in ("data.pkl", "constants.pkl"):
            yield f"script {member}: {title}", script(member, data)
        yield f"pt2 weight: {title}", exported(zipped)
        for member in ("serialized_state_dict.pt", "serialized_constants.pt"):
            yield f"older pt2 {member}: {title}", older(member, zipped)


def test_nothing_runs_whatever_a_file_says(tmp_path: Path):
    """Not a module is imported, no process started, no file opened but the model."""
    seen: list[str] = []
    looking = False

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if looking and not (event == "open" and str(tmp_path) in str(arguments[0])):
            seen.append(event)

    path, wrong = tmp_path / "file.pt2", []
    sys.addaudithook(hook)
    for number, (title, data) in enumerate(hostile()):
        path.write_bytes(data)
        looking = number > 20  # by then everything that is imported late is there
        try:
            xir.load(path)
            wrong.append((title, "is read"))
        except XirError as error:
            if error.code != "XIR-E810":
                wrong.append((title, f"{type(error).__name__}: {error}"))
        looking = False
    assert not wrong, wrong[:5]
    assert set(seen) <= {"mmap.__new__", "builtins.id", "os.scandir", "os.listdir"}, set(seen)


BOMB = bytes(64 << 20)
BOMBS = {
    "a program": archive_bytes([Member("m/models/model.json", BOMB, deflate=True), Member("m/archive_format", b"pt2")]),
    "an older program": archive_bytes([Member("m/serialized_exported_program.json", BOMB, deflate=True)]),
    "code": archive_bytes(
        [
            Member("m/data.pkl", whole({})),
            Member("m/constants.pkl", whole(())),
            Member("m/code/__torch__.py", BOMB, deflate=True),
        ]
    ),
    "a pickle": archive_bytes([Member("m/data.pkl", BOMB, deflate=True), Member("m/version", b"3\n")]),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_unpacks_into_far_more_is_refused_in_little_time_and_memory(tmp_path: Path, name: str):
    path = tmp_path / "file.pt"
    path.write_bytes(BOMBS[name])
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeError):
            xir.load(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 32 << 20  # the file is 64 KiB, what it unpacks into 64 MiB
    assert time.process_time() - began < 10

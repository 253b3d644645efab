"""The door to the file system: one module, and it costs nothing to open it."""

from __future__ import annotations

import subprocess
import sys

import xir.files


def test_every_name_of_the_door_exists():
    assert [name for name in xir.files.__all__ if not hasattr(xir.files, name)] == []


def test_the_door_loads_no_library():
    code = "import sys, xir.files; print(*sorted({'numpy', 'onnx', 'google.protobuf'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"

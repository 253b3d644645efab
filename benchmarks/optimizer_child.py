"""Makes one ONNX file smaller with one tool: `python optimizer_child.py TOOL SOURCE TARGET`; prints the seconds.

The clock runs from reading the file to having written the other, not while Python loads its modules.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable


def onnxsim() -> Callable[[str, str], None]:
    """With onnxsim's defaults, read and written as its own command does."""
    import onnx
    import onnxsim as tool

    def run(source: str, target: str) -> None:
        onnx.save(tool.simplify(onnx.load(source))[0], target)  # noqa: TID251 - what the peer itself does

    return run


def onnxslim() -> Callable[[str, str], None]:
    """With onnxslim's defaults, read and written as its own command does."""
    import onnx
    import onnxslim as tool

    def run(source: str, target: str) -> None:
        onnx.save(tool.slim(onnx.load(source)), target)  # noqa: TID251 - what the peer itself does

    return run


def xir() -> Callable[[str, str], None]:
    """With our own defaults, for the runtime that the results are compared on."""
    import xir as tool
    from xir.backends.export.onnx import export_onnx
    from xir.frontends.onnx import import_onnx

    def run(source: str, target: str) -> None:
        export_onnx(tool.optimize(import_onnx(source)), target, target="ort==1.31")

    return run


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    task = {"onnxsim": onnxsim, "onnxslim": onnxslim, "xir": xir}[sys.argv[1]]()
    start = time.perf_counter()
    task(sys.argv[2], sys.argv[3])
    sys.stdout.write(f"\nseconds {time.perf_counter() - start}\n")

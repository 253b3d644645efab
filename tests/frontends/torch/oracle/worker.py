"""Without torch: reads archives that lie in folders, runs them, and says in a line of JSON each what came out.

python -m tests.frontends.torch.oracle.worker compiled,reference,onnx FOLDER...

`onnx` converts the model and runs it in onnxruntime; where its numbers are f64 or bf16, of which that lacks kernels, as
a file for onnxruntime. `types.json` beside a model says the types of its inputs.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.frontends.torch.oracle import arrays

Run = Callable[[dict[str, np.ndarray]], Iterable[Any]]
"""Results of feeds by name."""


def count_nodes(path: Path) -> int:
    """How many nodes an ONNX file holds, with those of bodies and functions."""
    import onnx

    model = onnx.load_model(str(path), load_external_data=False)
    graphs: list[Any] = [model.graph, *model.functions]
    count = 0
    while graphs:
        nodes = graphs.pop().node
        count += len(nodes)
        attributes = [attribute for node in nodes for attribute in node.attribute]
        graphs += [inner for each in attributes for inner in (*each.graphs, *([each.g] if each.HasField("g") else ()))]
    return count


def by_onnxruntime(path: Path) -> tuple[Run, list[str]]:
    """A file in onnxruntime, whatever the element types of its inputs and outputs; and the names of its inputs."""
    import onnxruntime

    from xir_conformance.runtimes.ort_values import has_extended, run_values

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    if has_extended(session):
        return lambda feeds: run_values(session, feeds), names
    return lambda feeds: session.run(None, feeds), names


def _onnx(folder: Path, loaded: Any, told: dict[str, Any]) -> Run:
    import xir

    path = folder / "model.onnx"
    types = {str(value.type.dtype) for value in loaded.graph.inputs}
    xir.convert(loaded.graph, path, verify=False, target="ort==1.31" if types & {"f64", "bf16"} else None)
    told["onnx_nodes"] = count_nodes(path)
    return by_onnxruntime(path)[0]


def _compiled(folder: Path, loaded: Any, told: dict[str, Any]) -> Run:
    import xir

    executable = xir.compile(loaded.graph)
    return lambda feeds: executable.run(None, feeds)


def _reference(folder: Path, loaded: Any, told: dict[str, Any]) -> Run:
    import xir

    return lambda feeds: xir.run(loaded.graph, feeds).values()


RUNS: dict[str, Callable[[Path, Any, dict[str, Any]], Run]] = {
    "reference": _reference,
    "compiled": _compiled,
    "onnx": _onnx,
}


def _way(way: str, folder: Path, loaded: Any, told: dict[str, Any]) -> None:
    """Writes what a way makes of every set of inputs."""
    run = RUNS[way](folder, loaded, told)
    for inputs in sorted(folder.glob("inputs_*.json")):
        feeds = dict(zip(loaded.graph.input_names, arrays.load(inputs), strict=False))
        feeds |= {name: np.array(constant.array()) for name, constant in loaded.state.items()}
        results = [np.asarray(array) for array in run(feeds)]
        arrays.save(folder / f"{way}_{inputs.stem.removeprefix('inputs_')}", results)


def _tried(what: Callable[[], Any]) -> tuple[Any, dict[str, str]]:
    """What comes out, or the error."""
    from xir.errors import XirError

    try:
        return what(), {}
    except XirError as error:
        return None, {"error": f"{type(error).__name__}: {error}"}
    except Exception as error:
        return None, {"error": f"BUG {type(error).__name__}: {error}", "traceback": traceback.format_exc()}


def _load(folder: Path) -> Any:
    from xir.api import load_options
    from xir.frontends.load import load_model

    types = folder / "types.json"
    given = json.loads(types.read_text()) if types.is_file() else None
    (path,) = folder.glob("model.pt*")
    return load_model(str(path), load_options(None, None, given, None))


def run(folder: Path, ways: Sequence[str]) -> dict[str, Any]:
    """What one archive makes in each way: writes `WAY_N`.

    Returns:
        `nodes`, `calls`, `notes`, `changed` of the graph, else `error`; {way: its error} as `errors`.
    """
    loaded, failed = _tried(lambda: _load(folder))
    if failed:
        return {"folder": str(folder)} | failed
    told: dict[str, Any] = {
        "folder": str(folder),
        "nodes": len(loaded.graph.nodes),
        "calls": loaded.layers,
        "notes": list(loaded.notes),
        "changed": [name[: -len(".new")] for name in loaded.graph.output_names if name.endswith(".new")],
    }
    errors = {way: _tried(lambda way=way: _way(way, folder, loaded, told))[1] for way in ways}
    return told | {"errors": {way: failed for way, failed in errors.items() if failed}}


def main() -> None:
    """Runs the folders that the command line names."""
    sys.modules["torch"] = None  # type: ignore[assignment]  # whoever imports it now gets an ImportError
    ways = sys.argv[1].split(",")
    for folder in sys.argv[2:]:
        print(json.dumps(run(Path(folder), ways)), flush=True)


if __name__ == "__main__":
    main()

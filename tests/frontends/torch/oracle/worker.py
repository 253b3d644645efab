"""Without torch: reads archives that lie in folders, runs them, and says in a line of JSON each what came out.

python -m tests.frontends.torch.oracle.worker compiled,reference,onnx FOLDER...

`onnx` converts the model and runs it in onnxruntime. `types.json` beside a model says the types of its inputs.
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


def _onnx(folder: Path, loaded: Any, told: dict[str, Any]) -> Run:
    import onnxruntime

    import xir

    path = folder / "model.onnx"
    xir.convert(loaded.graph, path, verify=False)
    told["onnx_nodes"] = count_nodes(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)


def _runs(folder: Path, loaded: Any, ways: Sequence[str], told: dict[str, Any]) -> dict[str, Run]:
    """How the graph is run in each way."""
    import xir

    runs: dict[str, Run] = {}
    if "reference" in ways:
        runs["reference"] = lambda feeds: xir.run(loaded.graph, feeds).values()
    if "compiled" in ways:
        executable = xir.compile(loaded.graph)
        runs["compiled"] = lambda feeds: executable.run(None, feeds)
    if "onnx" in ways:
        runs["onnx"] = _onnx(folder, loaded, told)
    return runs


def run(folder: Path, ways: Sequence[str]) -> dict[str, Any]:
    """What one archive makes in each way: writes `WAY_N`; {"nodes": ...} or {"error": ...}."""
    from xir.api import load_options
    from xir.errors import XirError
    from xir.frontends.load import load_model

    told: dict[str, Any] = {"folder": str(folder)}
    try:
        types = folder / "types.json"
        given = json.loads(types.read_text()) if types.is_file() else None
        (path,) = folder.glob("model.pt*")
        loaded = load_model(str(path), load_options(None, None, given, None))
        told |= {"nodes": len(loaded.graph.nodes), "calls": loaded.layers, "notes": list(loaded.notes)}
        told["changed"] = [name[: -len(".new")] for name in loaded.graph.output_names if name.endswith(".new")]
        runs = _runs(folder, loaded, ways, told)
        for inputs in sorted(folder.glob("inputs_*.json")):
            feeds = dict(zip(loaded.graph.input_names, arrays.load(inputs), strict=False))
            feeds |= {name: np.array(constant.array()) for name, constant in loaded.state.items()}
            for way, made in runs.items():
                results = [np.asarray(array) for array in made(feeds)]
                arrays.save(folder / f"{way}_{inputs.stem.removeprefix('inputs_')}", results)
    except XirError as error:
        told["error"] = f"{type(error).__name__}: {error}"
    except Exception as error:
        told["error"] = f"BUG {type(error).__name__}: {error}"
        told["traceback"] = traceback.format_exc()
    return told


def main() -> None:
    """Runs the folders that the command line names."""
    sys.modules["torch"] = None  # type: ignore[assignment]  # whoever imports it now gets an ImportError
    ways = sys.argv[1].split(",")
    for folder in sys.argv[2:]:
        print(json.dumps(run(Path(folder), ways)), flush=True)


if __name__ == "__main__":
    main()

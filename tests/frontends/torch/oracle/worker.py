"""Without torch: reads archives that lie in folders, runs them, and says in a line of JSON each what came out.

python -m tests.frontends.torch.oracle.worker FOLDER...        # the words `reference`, `compiled`: on what to run
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.frontends.torch.oracle import arrays


def run(folder: Path, ways: Sequence[str]) -> dict[str, Any]:
    """What one archive makes in each way: writes `reference_N` and `compiled_N`; {"nodes": ...} or {"error": ...}."""
    import xir
    from xir.errors import XirError
    from xir.frontends.load import load_model

    told: dict[str, Any] = {"folder": str(folder)}
    try:
        loaded = load_model(str(folder / "model.pt2"))
        told |= {"nodes": len(loaded.graph.nodes), "calls": loaded.layers, "notes": list(loaded.notes)}
        told["changed"] = [name[: -len(".new")] for name in loaded.graph.output_names if name.endswith(".new")]
        executable = xir.compile(loaded.graph) if "compiled" in ways else None
        for inputs in sorted(folder.glob("inputs_*.json")):
            number = inputs.stem.removeprefix("inputs_")
            given = arrays.load(inputs)
            feeds = dict(zip(loaded.graph.input_names, given, strict=False))
            feeds |= {name: np.array(constant.array()) for name, constant in loaded.state.items()}
            if "reference" in ways:
                made = xir.run(loaded.graph, feeds).values()
                arrays.save(folder / f"reference_{number}", [np.asarray(array) for array in made])
            if executable is not None:
                results = executable.run(None, feeds)
                arrays.save(folder / f"compiled_{number}", [np.asarray(array) for array in results])
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

"""What it costs to start: `xir --help` and `import xir`, in milliseconds of processor time."""

from __future__ import annotations

import sys

from measure import Figure, Samples, alternate, command, watch

ROUNDS = 15
HELP_GOAL = 150.0
IMPORT_GOAL = 60.0


def startup() -> list[Figure]:
    """Medians of alternating rounds; `import xir` is counted over a bare interpreter."""
    tasks = {
        "bare": [sys.executable, "-c", "pass"],
        "import": [sys.executable, "-c", "import xir"],
        "help": command("--help"),
    }
    for task in tasks.values():
        watch(task)
    runs = {name: lambda task=task: watch(task).cpu_seconds * 1e3 for name, task in tasks.items()}
    measured = alternate(runs, ROUNDS)
    bare = measured["bare"].median
    over = Samples([value - bare for value in measured["import"].values])
    return [
        Figure("python -c pass", bare, "ms CPU", None, measured["bare"].spread),
        Figure("import xir, over python -c pass", over.median, "ms CPU", IMPORT_GOAL, over.spread),
        Figure("xir --help", measured["help"].median, "ms CPU", HELP_GOAL, measured["help"].spread),
    ]

"""A process that runs cases one by one; what a runtime does to it (crash, hang, eat memory) stays in it.

`python -P -m xir_conformance.worker RUNTIME BYTES SECONDS`: after a line that tells the runtime's version, each line of
JSON that comes in names a case, and each that goes out tells what became of it. What libraries print goes to standard
error.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from typing import BinaryIO, Final

from xir.errors import XirError
from xir_conformance.cases import Case
from xir_conformance.judge import judge
from xir_conformance.outcome import Outcome
from xir_conformance.plugins import runtime_named
from xir_conformance.runtimes import Runtime

GRACE: Final = 30
"""Seconds after the limit at which the process ends by itself, should nobody be there to end it."""


def main() -> None:
    """The process: standard input and output become private, so that no library can write among the answers."""
    with os.fdopen(os.dup(1), "wb") as answers, os.fdopen(os.dup(0), "rb") as questions:
        os.dup2(2, 1)
        name, memory, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
        try:
            runtime = runtime_named(name)
            _say(answers, {"version": runtime.version, "peer": runtime.peer})
        except Exception as error:
            hint = error.hint if isinstance(error, XirError) else None
            number = error.exit_code if isinstance(error, XirError) else 0
            _say(answers, {"error": f"{type(error).__name__}: {error}", "hint": hint, "number": number})
            return
        limit_memory(memory)
        serve(runtime, questions, answers, seconds)


def serve(runtime: Runtime, questions: BinaryIO, answers: BinaryIO, seconds: float) -> None:
    """Answers until the questions end."""
    for line in questions:
        told = json.loads(line)
        case = Case(told["name"], told["kind"], told["folder"], (), told["rtol"], told["atol"])
        signal.alarm(int(seconds) + GRACE)
        try:
            outcome = judge(runtime, case)
        except XirError as error:
            outcome = Outcome("error", f"the case cannot be read: {error}")
        except MemoryError:
            outcome = Outcome("error", "the case needs more memory than the limit")
        signal.alarm(0)
        _say(answers, outcome.to_dict())


def _say(answers: BinaryIO, told: Mapping[str, object]) -> None:
    answers.write(json.dumps(told).encode() + b"\n")
    answers.flush()


def limit_memory(more: int) -> None:
    """Lets the process have only `more` bytes of addresses beyond those it has; dying leaves no core file."""
    with open("/proc/self/statm", encoding="ascii") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = held + more if hard == resource.RLIM_INFINITY else min(held + more, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()

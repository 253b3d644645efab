"""What a model that was compiled ahead of time is in memory, and the table that tells it of a version of its code."""

from __future__ import annotations

from collections.abc import Sequence

from xir.backends.codegen.ahead._body import Body
from xir.backends.codegen.ahead._program import Version
from xir.runtime.memory import ALIGNMENT

CODES = {
    "LOOP_STEPS": (1, "a loop made too many steps"),
    "LOOP_RUNS": (2, "loops made too many steps together"),
    "POINTER": (3, "a pointer is NULL"),
    "MEMORY": (4, "there is no memory"),
    "PROCESSOR": (5, "the processor lacks what the code needs"),
    "THREADS": (6, "the number of threads is negative or above 1024"),
    "FILE": (7, "the file of weights cannot be opened or mapped"),
    "WEIGHTS": (8, "the file of weights is another model's, or damaged"),
    "SIZES": (9, "the model does not take such sizes"),
}
"""What a call may answer beside 0: {name: (number, meaning)}; the first two are `llvm.control`'s."""


def code_of(name: str) -> int:
    """The number of an answer."""
    return CODES[name][0]


PROGRAM = (
    "stretch",
    "measure",
    "lives",
    "planned",
    "held",
    "ports",
    "planned_count",
    "held_count",
    "fault",
    "alone",
    "table",
    "sizes",
    "bytes",
    "places",
    "given",
    "nothing",
    "total",
)
"""A version's table, in words: functions, arrays and their lengths, then the bytes from a model's beginning to arrays.

`lives` has pairs (first, last) of the moments in which a planned buffer is in use, `planned` its slot, `held` pairs
(slot, place among the weights), `ports` pairs (slot, whether the caller's memory is its place).
"""
MODEL = ("program", "arena", "capacity", "arranged", "mapped", "team", "threads", "workers", "process")
"""What a model holds, in words."""


class Call(Body):
    """A function that works on a model."""

    def of_program(self, program: str, name: str, kind: str = "i64") -> str:
        """A word of a version's table."""
        return self.read(kind, self.item("i64", program, PROGRAM.index(name)))

    def of_model(self, name: str, kind: str = "i64", model: str = "%model") -> str:
        """A word of a model."""
        return self.load(kind, self.item("i64", model, MODEL.index(name)))

    def hold(self, name: str, kind: str, value: str, model: str = "%model") -> None:
        """Sets a word of a model."""
        self.store(kind, value, self.item("i64", model, MODEL.index(name)))

    def array(self, program: str, name: str, model: str = "%model") -> str:
        """Where an array of a model lies."""
        return self.item("i8", model, self.of_program(program, name))


def model_bytes(version: Version, symbols: int) -> int:
    """Bytes of a model beside its temporary buffers; `symbols` is how many sizes the caller gives."""
    return _places(version, symbols)["total"]


def table_text(number: int, version: Version, symbols: int) -> str:
    """`@programN`: what the functions of a model read of a version of its code."""
    arrays = {
        "lives": [moment for each in version.planned for moment in each.life],
        "planned": [each.slot for each in version.planned],
        "held": [number for pair in version.weights.items() for number in pair],
        "ports": [number for each in version.given for number in (each.slot, each.direct)],
    }
    words = {
        "planned_count": len(version.planned),
        "held_count": len(version.weights),
        "fault": -1 if version.fault is None else version.fault,
        "alone": version.alone,
        **_places(version, symbols),
    }
    values = [f"ptr {'null' if version.stretch is None else '@' + version.stretch}", f"ptr @measure{number}"]
    values += [f"ptr @{name}{number}" for name in arrays]
    values += [f"i64 {int(words[name])}" for name in PROGRAM[len(values) :]]
    kinds = ", ".join(value.split(" ")[0] for value in values)
    held = "".join(_numbers(f"{name}{number}", numbers) for name, numbers in arrays.items())
    return f"{held}@program{number} = internal constant {{ {kinds} }} {{ {', '.join(values)} }}\n"


def _numbers(name: str, numbers: Sequence[int]) -> str:
    held = list(numbers) or [0]
    return f"@{name} = internal constant [{len(held)} x i64] [{', '.join(f'i64 {int(each)}' for each in held)}]\n"


def _places(version: Version, symbols: int) -> dict[str, int]:
    """Where a model's arrays lie, and how long a model is."""
    words = {
        "table": version.slots,
        "sizes": len(version.sizes),
        "bytes": len(version.planned) + len(version.given),
        "places": len(version.planned),
        "given": symbols,
    }
    found: dict[str, int] = {}
    end = 8 * len(MODEL)
    for name, count in words.items():
        found[name] = end
        end += 8 * count
    found["nothing"] = -(-end // ALIGNMENT) * ALIGNMENT
    found["total"] = found["nothing"] + ALIGNMENT
    return found

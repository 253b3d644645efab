"""Our own unpickler: data only, names from the caller's list only, bounded in time and memory.

Nothing is imported, looked up or called but what the caller's list holds under the very name; everything else is
refused with that name. The standard library's module, which runs what a file says, is not used.
"""

from __future__ import annotations

from dataclasses import dataclass

from xir.errors import UnsafeError
from xir.frontends.torch.pickles._machine import Machine
from xir.frontends.torch.pickles._operations import OPERATIONS
from xir.frontends.torch.pickles.objects import Names, check_depth

MAX_OPERATIONS = 2_000_000
"""Operations of one pickle, about a second of them; a checkpoint of 10,000 tensors has about 300,000."""

_STOP = ord(".")


@dataclass(frozen=True, slots=True)
class Unpickled:
    """One pickle of a stream.

    Attributes:
        value: its object.
        end: where it ends in the stream.
    """

    value: object
    end: int


def unpickle(data: bytes | memoryview, names: Names, *, file: str, start: int = 0) -> Unpickled:
    """The object of the pickle of any protocol (0 to 5) that starts at `start`.

    It consists of None, bool, int, float, str, bytes, bytearray, tuple, list, dict, `Table`, set, frozenset and what
    `names` says, and is nested at most 100 deep without cycles, so that walking it may recurse. Parts may stand in it
    many times: whoever walks it must bound that. Strings of Python 2 are str where they are UTF-8, else bytes.

    Args:
        data: the bytes; they may go on behind the pickle.
        names: what names and persistent ids mean.
        file: the file, for messages.
        start: where the pickle starts.

    Raises:
        FormatError: the bytes are no pickle, or end early.
        InvalidModelError: its operations do not fit each other, or an object contains itself.
        UnsafeError: it names what is not allowed, or takes more than the limits.
    """
    machine = Machine(memoryview(data), names, file, start)
    try:
        value = _run(machine)
    except (ValueError, OverflowError) as error:
        raise machine.damaged("a number or a text is none") from error
    check_depth(value, file)
    return Unpickled(value, machine.place)


def _run(machine: Machine) -> object:
    """Runs the program to its end; the one object that it leaves."""
    data, end = machine.data, len(machine.data)
    for _ in range(MAX_OPERATIONS):
        if machine.place >= end:
            raise machine.damaged("it ends early")
        code = data[machine.place]
        machine.place += 1
        if code == _STOP:
            value = machine.pop()
            if machine.stack or machine.outer:
                raise machine.damaged("it leaves more than one object")
            return value
        operation = OPERATIONS.get(code)
        if operation is None:
            raise machine.damaged(f"there is no operation {code:#04x}")
        operation(machine)
    raise UnsafeError(
        f"the pickle takes more than {MAX_OPERATIONS} operations",
        number=806,
        file=machine.file,
        hint="no checkpoint takes so many: the file is damaged or hostile",
    )

"""Exported programs."""

from collections.abc import Mapping, Sequence
from typing import BinaryIO

from .nn import Module

class ExportedProgram: ...

class Dim:
    DYNAMIC: object

def export(
    mod: Module, args: tuple[object, ...], *, dynamic_shapes: Sequence[Mapping[int, object]] | None = None
) -> ExportedProgram: ...
def save(ep: ExportedProgram, f: BinaryIO) -> None: ...

"""Weights as variables: the nodes that save and restore them, and where they lie beside a SavedModel.

Sources: tensorflow/cc/saved_model/constants.h (names of files), tensorflow/python/training/saver.py (nodes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xir.backends.export.tensorflow._nodes import Nodes, Sizes, Texts, Types, Variable
from xir.ir.types import DType

FOLDER, PREFIX = "variables", "variables"
"""The folder in that of the SavedModel, and how the names of the files in it begin."""

VARIABLES_FROM = 1024
"""Bytes from which known elements are variables; smaller ones stay where TensorFlow infers shapes from them."""


@dataclass(frozen=True, slots=True, eq=False)
class Saver:
    """The nodes by which variables are saved and restored.

    Attributes:
        file: the name of the checkpoint's file.
        saved: what saves, and gives that name.
        restored: what restores.
        variables: the variables, and the node that gives each what the checkpoint has.
    """

    file: str
    saved: str
    restored: str
    variables: Sequence[tuple[Variable, str]]


def saver_of(nodes: Nodes) -> Saver | None:
    """Adds the nodes that save and restore the variables of a plan; None where it has none."""
    if not nodes.variables:
        return None
    text, count = DType.STRING, len(nodes.variables)
    default = nodes.node("Const", (), "save/Const", dtype=text, value=Texts("model"))
    file = nodes.node("PlaceholderWithDefault", (default,), "save/filename", dtype=text, shape=Sizes(()))
    names = Texts(tuple(each.name for each in nodes.variables))
    keys = nodes.node("Const", (), "save/names", dtype=text, value=names)
    slices = nodes.node("Const", (), "save/slices", dtype=text, value=Texts(("",) * count))
    types = Types(tuple(each.constant.dtype for each in nodes.variables))
    held = [each.read for each in nodes.variables]
    save = nodes.node("SaveV2", (file, keys, slices, *held), "save/SaveV2", dtypes=types)
    saved = nodes.node("Identity", (file, f"^{save}"), "save/saved", T=text)
    restore = nodes.node("RestoreV2", (file, keys, slices), "save/RestoreV2", dtypes=types)
    assigned = [
        nodes.node("AssignVariableOp", (each.name, f"{restore}:{place}"), "save/Assign", dtype=each.constant.dtype)
        for place, each in enumerate(nodes.variables)
    ]
    restored = nodes.node("NoOp", [f"^{each}" for each in assigned], "save/restore_all")
    return Saver(file, saved, restored, list(zip(nodes.variables, assigned, strict=True)))

"""Operators that need no handler: the importer builds them itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from xir.frontends.tensorflow._control import CALLS, CASE, IF, PASSING, WHILE
from xir.frontends.tensorflow._frames import ENTER, EXIT, MERGE, NEXT, SWITCH
from xir.frontends.tensorflow._outputs import PLACEHOLDERS
from xir.frontends.tensorflow._placed import HANDED_OUT, SOURCES
from xir.frontends.tensorflow._reach import VARIABLES
from xir.frontends.tensorflow.lookups import TABLES

BUILT_BY_IMPORTER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(PLACEHOLDERS | SOURCES | HANDED_OUT | VARIABLES | TABLES, ()),
        "Const": ("constant",),
        **dict.fromkeys(PASSING, ("identity",)),
        **dict.fromkeys(CALLS, ()),
        **dict.fromkeys(SWITCH | MERGE | IF | CASE, ("if",)),
        **dict.fromkeys(ENTER | EXIT | NEXT | WHILE | {"LoopCond"}, ("loop",)),
    }
)
"""{operator of TensorFlow: the operators that it becomes}."""

"""All handlers of TensorFlow's operators."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._control import CALLS, CASE, IF, PASSING, WHILE
from xir.frontends.tensorflow._frames import ENTER, EXIT, MERGE, NEXT, SWITCH
from xir.frontends.tensorflow._outputs import PLACEHOLDERS
from xir.frontends.tensorflow._reach import VARIABLES
from xir.frontends.tensorflow._site import Handler
from xir.frontends.tensorflow.handlers import (
    array,
    block,
    colour,
    cutting,
    fused,
    image,
    index,
    lookup,
    math,
    matrix,
    nn,
    quantize,
    ragged,
    random,
    recurrent,
    reduction,
    resource,
    segment,
    sparse,
    special,
    spectrum,
    tensor_array,
    tensor_list,
    text,
    variable,
)
from xir.frontends.tensorflow.lookups import TABLES

HANDLERS: Handlers[Handler] = Handlers(
    "tensorflow",
    array.handlers,
    block.handlers,
    colour.handlers,
    cutting.handlers,
    fused.handlers,
    image.handlers,
    index.handlers,
    math.handlers,
    matrix.handlers,
    nn.handlers,
    quantize.handlers,
    ragged.handlers,
    random.handlers,
    recurrent.handlers,
    reduction.handlers,
    segment.handlers,
    sparse.handlers,
    special.handlers,
    text.handlers,
    variable.handlers,
)
"""Operators of tensors."""

STATE_HANDLERS: Handlers[Handler] = Handlers(
    "tensorflow", lookup.handlers, resource.handlers, spectrum.handlers, tensor_array.handlers, tensor_list.handlers
)
"""Operators that take or make handles."""

BUILT_BY_IMPORTER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(PLACEHOLDERS | VARIABLES | TABLES, ()),
        "Const": ("constant",),
        **dict.fromkeys(PASSING, ("identity",)),
        **dict.fromkeys(CALLS, ()),
        **dict.fromkeys(SWITCH | MERGE | IF | CASE, ("if",)),
        **dict.fromkeys(ENTER | EXIT | NEXT | WHILE | {"LoopCond"}, ("loop",)),
    }
)
"""What needs no handler, with the operators that it becomes."""

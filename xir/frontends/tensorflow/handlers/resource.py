"""Variables behind handles: what is read of them is a weight, or what the run has made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._handles import Operand, VariableHandle
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import whole
from xir.frontends.tensorflow.handlers.index import RESOURCE_CHANGES
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ops.constant import constant
from xir.ops.elementwise import add, sub
from xir.ops.index import gather, gather_nd
from xir.ops.shape import shape_of

handlers: Handlers[Handler] = Handlers("tensorflow")


def _elements(site: Site, handle: Operand) -> Value:
    """The elements of a variable."""
    if not isinstance(handle, VariableHandle):
        site.invalid("its first operand must be a variable")
    return handle.read()


@handlers.layer("ReadVariableOp")
def content(site: Site, handle: Operand) -> Value:
    """The elements."""
    return _elements(site, handle)


@handlers.layer("ResourceGather")
def gathered(site: Site, handle: Operand, indices: Operand) -> Value:
    """Rows of the elements."""
    site.ignore("validate_indices")
    if site.integer("batch_dims"):
        site.refuse("rows of a variable with batch_dims")
    return gather(_elements(site, handle), site.value(indices), axis=0)


@handlers.layer("ResourceGatherNd")
def gathered_at(site: Site, handle: Operand, indices: Operand) -> Value:
    """Elements at places along the first axes."""
    return gather_nd(_elements(site, handle), whole(site, site.value(indices)))


@handlers.layer("VariableShape")
def measured(site: Site, handle: Operand) -> Value:
    """The sizes of the elements."""
    return site.cast(shape_of(_elements(site, handle)), site.dtype("out_type"))


@handlers.layer("VarIsInitializedOp")
def is_there(site: Site, handle: Operand) -> Value:
    """True: the checkpoint holds every variable that is read."""
    return constant(value=constant_of(np.asarray(True)))


def _variable(site: Site, handle: Operand) -> VariableHandle:
    return handle if isinstance(handle, VariableHandle) else site.invalid("its first operand must be a variable")


@handlers.layer("AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp")
def assigned(site: Site, handle: Operand, value: Operand) -> Sequence[Value]:
    """A variable gets a value, or something is added to it or taken off."""
    site.ignore("validate_shape")
    variable, new = _variable(site, handle), site.value(value)
    if site.node.kind == "AssignAddVariableOp":
        new = add(variable.read(), new)
    elif site.node.kind == "AssignSubVariableOp":
        new = sub(variable.read(), new)
    variable.assign(new)
    return ()


def _scattered(change: Callable[[Site, Value, Value, Value], Value]) -> Handler:
    def handler(site: Site, handle: Operand, indices: Operand, updates: Operand) -> Sequence[Value]:
        """Rows or slices of a variable are changed."""
        variable = _variable(site, handle)
        variable.assign(change(site, variable.read(), site.value(indices), site.value(updates)))
        return ()

    return handler


for _kind, _change in RESOURCE_CHANGES:
    handlers.add(f"Resource{_kind}", _scattered(_change))

"""Operators that hand their operand on: identities (Caffe's Split, and Dropout in testing)."""

from __future__ import annotations

from xir.ir.node import Value
from xir.ops.constant import identity
from xir.passes._pattern import rule


@rule
def identity_is_nothing(x: Value) -> Value:
    """identity(x) == x; an output may then be an input or a weight itself"""
    return identity(x)


@identity_is_nothing.build
def _(x: Value) -> Value:
    return x


RULES = (identity_is_nothing,)

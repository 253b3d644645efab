"""Serialized examples (`tf.train.Example`) taken apart: their features of one size."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.ir.dims import product
from xir.ir.node import Value
from xir.ops.examples import example_feature

handlers: Handlers[Handler] = Handlers("tensorflow")

_HINT = "take what it makes as inputs: --input NAME=TYPE for each result that is read"


@handlers.layer("ParseExample")
def parsed(site: Site, examples: Value, names: Value, *rest: Value) -> Sequence[Value]:
    """The features of examples [N]; the keys are operands, one by one."""
    if site.integer("Nsparse"):
        site.refuse("features of other numbers of elements", _HINT)
    count = site.integer("Ndense")
    keys = [_key(site, each) for each in rest[:count]]
    return _features(site, examples, keys, rest[count:])


@handlers.layer("ParseExampleV2")
def parsed_by_vectors(
    site: Site, examples: Value, names: Value, sparse: Value, dense: Value, ragged: Value, *defaults: Value
) -> Sequence[Value]:
    """The same, of examples of any shape; the keys are vectors."""
    if site.integer("num_sparse") or site.dtypes("ragged_value_types"):
        site.refuse("features of other numbers of elements", _HINT)
    keys = [str(key) for key in site.array(dense, "keys of features").reshape(-1).tolist()]
    return _features(site, examples, keys, defaults)


@handlers.layer("ParseSingleExample")
def parsed_alone(site: Site, example: Value, *defaults: Value) -> Sequence[Value]:
    """The same of one example; the keys are attributes."""
    if site.integer("num_sparse"):
        site.refuse("features of other numbers of elements", _HINT)
    site.ignore("sparse_keys")
    return _features(site, example, site.strings("dense_keys"), defaults)


def _key(site: Site, operand: Value) -> str:
    return str(site.array(operand, "the key of a feature").reshape(-1)[0])


def _features(site: Site, examples: Value, keys: Sequence[str], defaults: Sequence[Value]) -> Sequence[Value]:
    """One tensor for each key; a default without elements is none (example_proto_helper.cc)."""
    shapes, dtypes = site.shapes("dense_shapes"), site.dtypes("Tdense")
    if not len(keys) == len(defaults) == len(shapes) == len(dtypes):
        site.invalid(
            f"{len(keys)} keys, {len(defaults)} defaults, {len(shapes)} shapes and {len(dtypes)} types are given"
        )
    made: list[Value] = []
    for key, default, shape, dtype in zip(keys, defaults, shapes, dtypes, strict=True):
        sizes = () if shape is None else tuple(size for size in shape if size is not None)
        if shape is None or len(sizes) != len(shape):
            site.refuse(f"the feature {key[:60]!r}, of which examples decide how long it is", _HINT)
        told = None if product(default.shape) == 0 else default
        made.append(example_feature(examples, told, key=key, shape=sizes, dtype=dtype))
    return made

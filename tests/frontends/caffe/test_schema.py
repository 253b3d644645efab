"""The table of messages."""

from __future__ import annotations

import pytest

from xir.errors import UsageError
from xir.frontends.caffe.schema import (
    DIALECTS,
    RANGES,
    default_value,
    load_schema,
    make_field,
    round_to_single,
)

SCHEMA = load_schema()
SCALARS = {*RANGES, "float", "double", "bool", "string", "bytes"}


def test_schema_every_type_is_known() -> None:
    for field in SCHEMA.fields:
        assert field.type in SCALARS or field.type in SCHEMA.enums or SCHEMA.names.get(field.type), field


def test_schema_one_number_means_one_thing_in_one_dialect() -> None:
    seen: dict[tuple[str, int, str], str] = {}
    for field in SCHEMA.fields:
        for dialect in field.dialects if field.number else ():
            assert seen.setdefault((field.message, field.number, dialect), field.name) == field.name


def test_schema_messages_do_not_contain_each_other() -> None:
    inner = {
        name: {field.type for field in fields.values() if field.category == "message"}
        for name, fields in SCHEMA.names.items()
    }
    while leaves := [name for name, types in inner.items() if not types]:
        for leaf in leaves:
            del inner[leaf]
        for types in inner.values():
            types.difference_update(leaves)
    assert not inner


def test_schema_defaults_fit_their_fields() -> None:
    for field in SCHEMA.fields:
        value = default_value(field)
        if field.category == "enum" and value is not None:
            assert value in SCHEMA.enums[field.type]
        if field.type in RANGES and value is not None:
            low, high = RANGES[field.type]
            assert low <= int(value) <= high


@pytest.mark.parametrize(
    ("message", "number", "dialect", "name"),
    [
        ("LayerParameter", 143, "bvlc", "input_param"),
        ("LayerParameter", 143, "pspnet", "interp_param"),
        ("LayerParameter", 137, "yjxiong", "bn_param"),
        ("LayerParameter", 203, "ssd", "prior_box_param"),
        ("LayerParameter", 203, "bvlc", None),
        ("LayerParameter", 8266711, "rfcn", "roi_pooling_param"),
        ("ConvolutionParameter", 16, "yjxiong", "dilation"),
        ("ConvolutionParameter", 16, "bvlc", "axis"),
    ],
)
def test_numbered_reads_a_number_by_dialect(message: str, number: int, dialect: str, name: str | None) -> None:
    field = SCHEMA.numbered(message, number, next(one for one in DIALECTS if one == dialect))
    assert (field.name if field else None) == name


def test_merged_field_is_repeated_where_any_fork_repeats_it() -> None:
    field = SCHEMA.field("ConvolutionParameter", "pad")
    assert field is not None
    assert field.repeated
    assert field.default is None


def test_closest_names_the_most_similar_field() -> None:
    assert SCHEMA.closest("ConvolutionParameter", "kernal_size") == "kernel_size"
    assert SCHEMA.closest("ConvolutionParameter", "zzzzzzzz") is None


def test_owners_lists_the_messages_of_a_name() -> None:
    assert "SolverParameter" in SCHEMA.owners("base_lr")
    assert SCHEMA.owners("no_such_field") == ()


def test_extended_adds_a_users_layer() -> None:
    more = SCHEMA.extended(
        [
            make_field("LayerParameter", "my_param", "MyParameter"),
            make_field("MyParameter", "gain", "float", default="2"),
        ]
    )
    assert more.field("MyParameter", "gain") is not None
    assert SCHEMA.names.get("MyParameter") is None


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        (make_field("LayerParameter", "x_param", "NoSuchMessage"), "unknown type 'NoSuchMessage'"),
        (make_field("LayerParameter", "lrn_param", "LRNParameter"), "is there already"),
    ],
)
def test_extended_refuses(field: object, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        SCHEMA.extended([field])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("value", "rounded"), [(0.1, 0.10000000149011612), (1e50, float("inf")), (-1e50, float("-inf")), (3.0, 3.0)]
)
def test_round_to_single(value: float, rounded: float) -> None:
    assert round_to_single(value) == rounded

"""Schemas of PyTorch's operators as text."""

from __future__ import annotations

import importlib

import pytest

from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.schema import REQUIRED, Argument, parse


def test_names_arguments_and_results():
    schema = parse("max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)")
    assert schema.full_name == "max.dim"
    assert schema.arguments == (
        Argument("self", "Tensor"),
        Argument("dim", "int"),
        Argument("keepdim", "bool", default=False),
    )
    assert [result.name for result in schema.results] == ["values", "indices"]


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("f(Tensor?[] indices) -> Tensor", Argument("indices", "Tensor", is_list=True, holds_none=True)),
        ("f(int[2] stride=[1, 2]) -> Tensor", Argument("stride", "int", is_list=True, length=2, default=(1, 2))),
        (
            "f(int[1]? dim=None) -> Tensor",
            Argument("dim", "int", is_list=True, length=1, is_optional=True, default=None),
        ),
        ("f(*, str mode='no, ne') -> Tensor", Argument("mode", "str", default="no, ne", by_name=True)),
        ("f(Tensor(a!) out) -> Tensor(a!)", Argument("out", "Tensor", alias="a", is_written=True)),
        ("f(Tensor(a -> *) self) -> Tensor(a)[]", Argument("self", "Tensor", alias="a")),
        ("f(float eps=1e-05) -> Tensor", Argument("eps", "float", default=1e-05)),
        ("f(int reduction=Mean) -> Tensor", Argument("reduction", "int", default="Mean")),
    ],
)
def test_types(text: str, argument: Argument):
    assert parse(text).arguments == (argument,)


def test_views_name_what_they_show():
    assert parse("view(Tensor(a) self, SymInt[] size) -> Tensor(a)").view_of == "self"
    assert parse("add_(Tensor(a!) self) -> Tensor(a!)").view_of is None


def test_what_is_no_schema_is_refused():
    with pytest.raises(ValueError, match="no schema"):
        parse("add(Tensor self")


def test_every_schema_is_pytorchs_own():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    importlib.import_module("torch.ao.quantization.fx._decomposed")  # registers `quantized_decomposed`
    importlib.import_module("torch._inductor.inductor_prims")  # registers more of `prims`
    theirs = {
        f"{schema.name.replace('::', '.')}.{schema.overload_name or 'default'}": schema
        for schema in torch._C._jit_get_all_schemas()
    }
    for namespace, table in OPERATORS.items():
        for name in table if namespace not in ("torchvision", "transformers") else ():
            schema, other = table.operator(name).schema, theirs[f"{namespace}.{name}"]
            assert [a.name for a in schema.arguments] == [a.name for a in other.arguments], name
            assert [a.by_name for a in schema.arguments] == [a.kwarg_only for a in other.arguments], name
            for ours, their in zip(schema.arguments, other.arguments, strict=True):
                assert (ours.default is not REQUIRED) == their.has_default_value(), (name, ours.name)

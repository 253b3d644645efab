"""The table of kernels: from the registry, and from the document that is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from tools import onnx_kernels

DOCUMENT = """## Execution Providers

## Operators implemented by CPUExecutionProvider

| Op Name | Parameters | OpSet Version | Types Supported |
|---------|------------|---------------|-----------------|
|**Operator Domain:** *ai.onnx*||||
|Abs|*in* X:**T**<br> *out* Y:**T**|13+|**T** = tensor(double), tensor(float), tensor(uint8)|
|||[6, 12]|**T** = tensor(double), tensor(float), tensor(uint8)|
|AffineGrid|*in* theta:**T1**<br> *in* size:**T2**|20|**T1** = tensor(bfloat16)<br/> **T2** = tensor(int64)|
| |
|**Operator Domain:** *ai.onnx.ml*||||
|ZipMap|*in* X:**tensor(float)**<br> *out* Z:**T**|1+|**T** = seq(map(int64,tensor(float))), sparse_tensor(float)|
| |
|**Operator Domain:** *com.microsoft*||||
|Gelu|*in* X:**T**|1+|**T** = tensor(float)|

## Operators implemented by CUDAExecutionProvider

|**Operator Domain:** *ai.onnx*||||
|Acos|*in* X:**T**|22+|**T** = tensor(float16)|
"""


@dataclass
class Definition:
    op_name: str
    version_range: tuple[int, int]
    type_constraints: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    domain: str = ""
    provider: str = "CPUExecutionProvider"


def test_the_document_of_the_cpu_as_a_table() -> None:
    assert onnx_kernels.to_text(onnx_kernels.of_document(DOCUMENT)) == (
        "operator\tversions\ttypes\n"
        "Abs\t6-12 13+\tT=f32 f64 u8\n"
        "AffineGrid\t20\tT1=bf16; T2=i64\n"
        "ai.onnx.ml:ZipMap\t1+\tT=seq(map(i64,f32))\n"
    )


def test_another_document() -> None:
    with pytest.raises(SystemExit, match="Operators implemented by CPUExecutionProvider"):
        onnx_kernels.of_document("# Something else")


def test_kernels_that_differ_in_one_constraint_are_one_line() -> None:
    last = 2147483647
    made = [
        Definition("Where", (9, 15), {"T": ["tensor(float)"]}),
        Definition("Where", (9, 15), {"T": ["tensor(int64)"]}),
        Definition("Where", (16, last), {"T": ["tensor(float)", "tensor(int64)"]}),
        Definition("Attention", (23, 23), {"T1": ["tensor(float)"], "T2": ["tensor(float)"]}),
        Definition("Attention", (23, 23), {"T1": ["tensor(float16)"], "T2": ["tensor(float16)"]}),
        Definition("Attention", (23, 23), {"T1": ["tensor(float)"], "T2": ["tensor(float)"]}),
        Definition("Shrink", (9, last), {}, provider="CUDAExecutionProvider"),
        Definition("Gelu", (1, last), {}, domain="com.microsoft"),
    ]
    assert onnx_kernels.to_text(onnx_kernels.of_registry(made)).splitlines()[1:] == [
        "Attention\t23\tT1=f16; T2=f16",
        "Attention\t23\tT1=f32; T2=f32",
        "Where\t9-15 16+\tT=f32 i64",
    ]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("tensor(float8e4m3fn)", "f8e4m3fn"),
        ("tensor(uint4)", "u4"),
        ("tensor(string)", "str"),
        ("optional(seq(tensor(bool)))", "optional(seq(bool))"),
        ("map(string,tensor(double))", "map(str,f64)"),
        ("sparse_tensor(float)", None),
        ("seq(sparse_tensor(float))", None),
    ],
)
def test_types(text: str, want: str | None) -> None:
    assert onnx_kernels.short(text) == want


def test_the_installed_runtime_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    onnx_kernels.main([])
    assert capsys.readouterr().out.startswith("operator\tversions\ttypes\nAbs\t")

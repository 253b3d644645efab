"""Which overloads of torch xir does not read: `python -m tests.frontends.torch.uncovered` puts them into the manual."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.script.builtins import BUILTINS

MANUAL = Path(__file__).parents[3] / "docs" / "pytorch.md"
BEGIN = "<!-- python -m tests.frontends.torch.uncovered writes what follows -->\n"
END = "<!-- end of the list -->\n"
NAMESPACES = ("aten", "prim", "quantized", "quantized_decomposed")
WIDTH = 120

FAMILIES = {
    "tests of torch itself": "^_test_ _foobar",
    "gradients and optimisers": "backward _foreach _fused_ada _fused_sgd _jvp _amp grad$ dual",
    "sparse and compressed tensors": "sparse spmm spmv csr csc coo coalesce crow ccol col_ind row_ind _nnz _dim[IV]"
    " dense_dim _spdiags _spsolve hspmm smm _indices ^_?values ^indices to_dense _cslt",
    "other devices and libraries": "cudnn cuda miopen mkldnn mps nnpack fbgemm vulkan MKLDNN [oO]neDNN triton cufft"
    " xla ipu _efficient_attention _flash_attention _scaled_dot_product pinned pin_memory _philox",
    "what the interpreter makes for itself": "^prim: profile",
    "nested tensors": "nested jagged padded_dense",
    "quantised kernels and observers": "^quantized: quant qparams q_scale q_zero q_per qscheme int_repr int4 _wrapped"
    " moving_avg _dyn_",
    "random numbers": "poisson binomial geometric cauchy dirichlet _gamma sobol rand normal uniform dropout",
    "eigenvalues of any matrix, and factors": "linalg eig lu_ geqrf orgqr ormqr",
    "losses": "loss ctc",
    "names, storages and states": "set_ storage _version is_ _copy_from resize data retain get_device record_stream"
    " _has_ _token from_file _debug output_nr _conj _neg_view to_mkl _to_cpu requires_grad",
}
"""{family: parts of its operators' names, after the namespace of prim and quantized}; the first that fits counts."""


def schemas() -> Iterator[tuple[str, str, str]]:
    """(namespace, name, overload) of each overload of torch 2.13 that takes or makes tensors.

    One that writes its only result into `out` counts as `out`.
    """
    import torch

    importlib.import_module("torch.ao.quantization.fx._decomposed")  # registers `quantized_decomposed`
    for schema in torch._C._jit_get_all_schemas():
        namespace, _, name = schema.name.partition("::")
        if namespace in NAMESPACES and "Tensor" in str(schema):
            out = any(argument.name == "out" for argument in schema.arguments)
            yield namespace, name, "out" if out else schema.overload_name or "default"


def is_read(namespace: str, name: str, overload: str) -> bool:
    """Whether exported programs or TorchScript may hold it."""
    script = f"torch.{name}" if namespace == "aten" else f"ops.{namespace}.{name}"
    if script in BUILTINS:
        return True
    table = OPERATORS.get(namespace)
    if table is None:
        return False
    if table.operator(f"{name}.{overload}") or table.plain_of(f"{name}.{overload}"):
        return True
    plain = re.sub(r"^__i(\w+)__$|^(\w+[^_])_$", lambda found: f"__{found[1]}__" if found[1] else found[2], name)
    return (plain != name or overload == "out") and bool(table.overloads(plain))


def uncovered() -> tuple[int, dict[str, list[str]]]:
    """How many overloads of tensors there are, and {family: those that are not read}."""
    count, found = 0, dict[str, list[str]]()
    for namespace, name, overload in schemas():
        count += 1
        if is_read(namespace, name, overload):
            continue
        told = f"{name}.{overload}".removesuffix(".default")
        full = f"{namespace}:{name}".removeprefix("aten:")
        family = next((each for each, words in FAMILIES.items() if re.search(words.replace(" ", "|"), full)), "others")
        found.setdefault(family, []).append(told if namespace == "aten" else f"{namespace}::{told}")
    return count, found


def wrapped(words: list[str]) -> Iterator[str]:
    """Words as lines."""
    line = ""
    for word in words:
        if len(line) + len(word) + 2 > WIDTH:
            yield line
            line = ""
        line += (" " if line else "") + word
    yield line


def listed() -> str:
    """The list as Markdown: families by their number of overloads, single operators by name."""
    count, found = uncovered()
    missing = sum(map(len, found.values()))
    lines = [
        f"Of {count} overloads that take or make tensors (`torch._C._jit_get_all_schemas()` of torch 2.13)",
        f"{count - missing} are read. What is not, by family:",
        "",
        "| family | overloads | for example |",
        "|---|---|---|",
    ]
    for family in FAMILIES:
        names = sorted(found.get(family, []))
        if names:
            plain = [name for name in dict.fromkeys(name.partition(".")[0] for name in names)]
            examples = ", ".join(f"`{plain[at * len(plain) // 4]}`" for at in range(min(4, len(plain))))
            lines.append(f"| {family} | {len(names)} | {examples} |")
    names = sorted(dict.fromkeys(name.partition(".")[0] for name in found.get("others", [])))
    lines += ["", f"And {len(found.get('others', []))} overloads of these:", ""]
    return "\n".join([*lines, *wrapped([f"`{name}`" for name in names])]) + "\n"


def main() -> None:
    """Puts the list into the manual."""
    text = MANUAL.read_text("utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    MANUAL.write_text(f"{head}{BEGIN}\n{listed()}\n{END}{tail}", "utf-8")
    sys.stdout.write(listed())


if __name__ == "__main__":
    main()

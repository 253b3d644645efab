"""Refuses code that runs, unpickles or unpacks what a file says: rule 3 of the project's promises on safety.

usage: security_lint.py FOLDER ...

It reads the syntax tree, resolves import aliases, and knows no exceptions: there is no comment that silences it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

MODULES = {
    "pickle": "unpickling runs code from the file",
    "_pickle": "unpickling runs code from the file",
    "cPickle": "unpickling runs code from the file",
    "dill": "unpickling runs code from the file",
    "cloudpickle": "unpickling runs code from the file",
    "joblib": "unpickling runs code from the file",
    "shelve": "a shelf is a file of pickles",
    "marshal": "marshalled code is code",
    "yaml": "yaml.load runs code",
    "code": "runs text as code",
    "codeop": "runs text as code",
}
"""Modules that may not be imported at all, under whatever name, and why."""

CALLS = {
    "eval": "runs text as code",
    "exec": "runs text as code",
    "compile": "turns text into code",
    "__import__": "loads a module by a computed name: use importlib.import_module where the person named the module",
    "breakpoint": "stops in the debugger",
    "builtins.eval": "runs text as code",
    "builtins.exec": "runs text as code",
    "builtins.compile": "turns text into code",
    "os.system": "runs a shell",
    "os.popen": "runs a shell",
    "subprocess.getoutput": "runs a shell",
    "subprocess.getstatusoutput": "runs a shell",
    "tempfile.mktemp": "races with whoever guesses the name",
    "numpy.load": "may unpickle and is unbounded: read through xir.files",
    "numpy.fromfile": "is unbounded: read through xir.files",
    "torch.load": "unpickling runs code from the file",
    "onnx.load": "follows external data anywhere: read through xir.files",
    "onnx.load_model": "follows external data anywhere: read through xir.files",
}
"""Calls by their full name, and why not."""

METHODS = {
    "extractall": "unpacks to wherever the archive says",
}
"""Methods of whatever object."""

KEYWORDS = {
    "allow_pickle": "unpickling runs code from the file",
    "shell": "runs a shell",
}
"""Keyword arguments that must be absent or literally False."""

_READ = (ast.Import, ast.ImportFrom, ast.Call, ast.Name, ast.Attribute)
"""The only parts of a file that can name what is forbidden."""


def _names(tree: ast.Module, nodes: Sequence[ast.AST]) -> dict[str, str]:
    """What names mean in a file: `np` -> `numpy`, `load` -> `numpy.load`, and the file's own functions."""
    bound = {node.name: f".{node.name}" for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in nodes:
        if isinstance(node, ast.Import):
            for name in node.names:
                top = name.name.split(".")[0]
                bound[name.asname or top] = name.name if name.asname else top
        elif isinstance(node, ast.ImportFrom):
            bound.update({name.asname or name.name: f"{node.module or ''}.{name.name}" for name in node.names})
    return bound


def _full_name(node: ast.expr, bound: dict[str, str]) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([bound.get(node.id, node.id), *reversed(parts)])


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        names = [name.name for name in node.names]
    else:
        names = [node.module or ""] if node.level == 0 else []
    for name in names:
        top = name.split(".")[0]
        if top in MODULES:
            yield f"import of {name}", MODULES[top]


def _call(node: ast.Call, bound: dict[str, str]) -> Iterator[tuple[str, str]]:
    name = _full_name(node.func, bound)
    if name in CALLS:
        yield f"call of {name}", CALLS[name]
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        yield f"call of {node.func.attr}", METHODS[node.func.attr]
    for keyword in node.keywords:
        harmless = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        if keyword.arg in KEYWORDS and not harmless:
            yield f"argument {keyword.arg}", KEYWORDS[keyword.arg]
    if name in ("importlib.import_module", "import_module") and node.args:
        match node.args[0]:
            case ast.Constant(value=str(module)) if module.split(".")[0] in MODULES:
                yield f"import of {module}", MODULES[module.split(".")[0]]
            case _:
                pass


def _references(node: ast.expr, bound: dict[str, str]) -> Iterator[tuple[str, str]]:
    """A forbidden function that is handed on without being called where it stands (`run = os.system`)."""
    name = _full_name(node, bound)
    if name in CALLS:
        yield f"use of {name}", CALLS[name]


def findings(text: str, path: str) -> list[str]:
    """What is forbidden in one file, one line each: `path:line: what: why`; raises SyntaxError for other text."""
    tree = ast.parse(text, filename=path)
    nodes = [node for node in ast.walk(tree) if isinstance(node, _READ)]
    bound = _names(tree, nodes)
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    found: list[tuple[int, str]] = []
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            reports = _imports(node)
        elif isinstance(node, ast.Call):
            reports = _call(node, bound)
        elif isinstance(node.ctx, ast.Load) and id(node) not in called:
            reports = _references(node, bound)
        else:
            continue
        found += [(node.lineno, f"{path}:{node.lineno}: {what}: {why}") for what, why in reports]
    return [message for _, message in sorted(found)]


def main(folders: Sequence[str]) -> int:
    """Checks every Python file below the folders; 1 where something is forbidden, 2 where there is nothing to check."""
    paths = [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    if not paths:
        sys.stderr.write("security_lint: no Python files there\n")
        return 2
    found = [message for path in paths for message in findings(path.read_text(encoding="utf-8"), str(path))]
    sys.stderr.write("".join(f"{message}\n" for message in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

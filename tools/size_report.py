"""Prints how large the code is, folder by folder, and fails where a file or a function is too long.

usage: size_report.py [FOLDER ...]      (default: xir cli/xir_cli conformance/xir_conformance tests tools benchmarks
    examples, as far as they exist)

The house's limits: a file of the library, the command line or the tools stays under 500 lines, a function under 60
(decorators and docstring counted). Tests are counted in the table and held to the same limits.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
LARGEST = 5
FOLDERS = ("xir", "cli/xir_cli", "conformance/xir_conformance", "tests", "tools", "benchmarks", "examples")


@dataclass(frozen=True)
class Source:
    """One Python file: its path, how many lines it has, and its functions that are too long, in words."""

    path: Path
    lines: int
    long_functions: tuple[str, ...]


def _long_functions(text: str, path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(text, filename=str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            length = (node.end_lineno or node.lineno) - first + 1
            if length >= MAX_FUNCTION_LINES:
                yield f"{path}:{first}: function {node.name} has {length} lines; stay under {MAX_FUNCTION_LINES}"


def measure(path: Path) -> Source:
    """Counts the lines of a file and of its functions; raises SyntaxError where it is no Python."""
    text = path.read_text(encoding="utf-8")
    return Source(path, len(text.splitlines()), tuple(_long_functions(text, path)))


def breaches(sources: Sequence[Source]) -> list[str]:
    """What is too long, one line each: `path:line: what`."""
    found = [
        f"{source.path}:1: file has {source.lines} lines; stay under {MAX_FILE_LINES}"
        for source in sources
        if source.lines >= MAX_FILE_LINES
    ]
    return found + [message for source in sources for message in source.long_functions]


def table(sources: Sequence[Source]) -> list[str]:
    """Lines and files of each folder, the total, and the largest files."""
    lines: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for source in sources:
        lines[str(source.path.parent)] += source.lines
        files[str(source.path.parent)] += 1
    rows = [f"{lines[folder]:>7} lines {files[folder]:>4} files  {folder}" for folder in sorted(lines)]
    rows.append(f"{sum(lines.values()):>7} lines {sum(files.values()):>4} files  in all")
    largest = sorted(sources, key=lambda source: (-source.lines, str(source.path)))[:LARGEST]
    rows.append("largest: " + ", ".join(f"{source.path} {source.lines}" for source in largest))
    return rows


def main(arguments: Sequence[str]) -> int:
    """Prints the report for the given folders; 1 where something is too long."""
    folders = [Path(argument) for argument in arguments or [name for name in FOLDERS if Path(name).is_dir()]]
    sources = [measure(path) for folder in folders for path in sorted(folder.rglob("*.py"))]
    sys.stdout.write("\n".join(table(sources)) + "\n")
    found = breaches(sources)
    sys.stderr.write("".join(f"{message}\n" for message in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

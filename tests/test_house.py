"""The house itself: what is shipped, what stands where, and that the checks check."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from tools import security_lint, size_report
from xir.inspect.environment import EXTRAS

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PINNED = ("dev", "bench", "matrix")
"""Extras of the checks and the figures, for which the same versions matter more than choice."""
ROOMS = {package: REPOSITORY / folder for package, folder in PROJECT["tool"]["setuptools"]["package-dir"].items()}


def packages():
    """Every folder with an `__init__.py` below the roots, by the name that it is imported under."""
    return sorted(
        ".".join([root, *path.parent.relative_to(folder).parts])
        for root, folder in ROOMS.items()
        for path in folder.rglob("__init__.py")
    )


def tracked(*patterns):
    """The files that belong to the project; without git (an unpacked archive) those that lie in its folders."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()]


def test_the_list_of_packages_is_that_of_the_folders():
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == packages()


def test_no_module_lies_in_a_folder_that_is_no_package():
    assert [
        str(path)
        for folder in ROOMS.values()
        for path in folder.rglob("*.py")
        if not (path.parent / "__init__.py").is_file()
    ] == []


@pytest.mark.parametrize("root", sorted(ROOMS))
def test_every_root_ships_its_types(root):
    assert (ROOMS[root] / "py.typed").is_file()


def test_everything_in_a_package_is_shipped():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    others = [path for folder in ROOMS.values() for path in tracked(str(folder)) if path.suffix != ".py"]
    assert [str(path) for path in others if not any(path.match(pattern) for pattern in patterns)] == []


def test_the_license_is_apache_2():
    text = (REPOSITORY / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["project"]["license"] == "Apache-2.0"


def test_names_of_distribution_and_command():
    assert PROJECT["project"]["name"] == "xir-compiler"
    assert PROJECT["project"]["scripts"] == {"xir": "xir_cli.main:main"}


def test_every_room_stands_on_a_floor():
    (floors,) = [c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["id"] == "floors"]
    named = {name.strip(" ()") for layer in floors["layers"] for name in layer.split("|")}
    named |= set(floors["exhaustive_ignores"])
    rooms = {path.stem for path in (REPOSITORY / "xir").glob("*.py")}
    rooms |= {path.parent.name for path in (REPOSITORY / "xir").glob("*/__init__.py")}
    assert rooms - {"__init__"} <= named


def test_the_developers_tools_are_pinned():
    extras = PROJECT["project"]["optional-dependencies"]
    assert [line for name in PINNED for line in extras[name] if "==" not in line] == []


def test_dependencies_have_lower_bounds_and_no_upper_ones():
    extras = PROJECT["project"]["optional-dependencies"]
    lines = PROJECT["project"]["dependencies"] + [
        line for name in extras if name not in PINNED for line in extras[name]
    ]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_-]+>=[0-9.]+", line)] == []


def test_the_doctor_and_the_readme_know_every_extra():
    extras = PROJECT["project"]["optional-dependencies"]
    named = {name: line.partition(">")[0] for name in extras if name not in PINNED for line in extras[name]}
    assert {name: library for name, (library, _) in EXTRAS.items()} == named
    told = re.findall(r"xir-compiler\[([a-z0-9,]+)\]", (REPOSITORY / "README.md").read_text())
    assert set(named) <= {name for each in told for name in each.split(",")}


# Put together here, so that this file does not hold what it looks for.
FORBIDDEN_WORDS = [
    "T" + "ODO",
    "F" + "IXME",
    "X" + "XX:",
    "raise Not" + "ImplementedError",
    "/" + "work/",
    "type: " + "ignore\n",
]


@pytest.mark.parametrize("word", FORBIDDEN_WORDS)
def test_words_that_no_source_holds(word):
    paths = tracked("*.py", "*.pyi", "*.md", "*.toml", "Makefile", ".ci/run")
    assert [str(path) for path in paths if word in path.read_text(encoding="utf-8")] == []


def test_no_large_or_binary_models_are_kept():
    assert [str(path) for path in tracked() if path.stat().st_size > 1 << 20] == []


def test_the_library_prints_nothing():
    """`print` belongs to the command line."""
    found = [
        f"{path}:{node.lineno}"
        for path in sorted((REPOSITORY / "xir").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert found == []


def test_the_library_asserts_nothing():
    """`python -O` drops assert: what a user can cause is an XirError."""
    found = [
        f"{path}:{node.lineno}"
        for folder in ROOMS.values()
        for path in sorted(folder.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_sources_are_safe():
    paths = [path for folder in ROOMS.values() for path in sorted(folder.rglob("*.py"))]
    assert [line for path in paths for line in security_lint.findings(path.read_text(), str(path))] == []


def test_sources_are_small():
    paths = [path for folder in ROOMS.values() for path in sorted(folder.rglob("*.py"))]
    assert size_report.breaches([size_report.measure(path) for path in paths]) == []


def test_make_help_lists_every_command():
    done = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    words = re.findall(r"^make (\w+) +\S", done.stdout, re.MULTILINE)
    commands = ["applications", "bench", "checks", "clean", "demo", "help", "matrix", "models", "nightly", "test"]
    assert sorted(words) == commands


def test_one_command_for_the_tests_and_one_for_the_demo():
    lines = (REPOSITORY / ".ci" / "run").read_text().splitlines()
    assert "set -euo pipefail" in lines
    assert [line.split(" 2>")[0] for line in lines if line.startswith("make ")] == ["make test", "make demo"]
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)


def test_python_m_xir_is_the_command():
    try:
        distribution("xir-compiler")
    except PackageNotFoundError:
        expected = 2
    else:
        expected = 0
    done = subprocess.run(
        [sys.executable, "-m", "xir", "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == expected, done.stderr
    assert "Traceback" not in done.stderr

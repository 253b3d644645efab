"""`python -m xir` is the command `xir`; the library itself does not know the command line, so it asks the package."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution


def main() -> int:
    """Runs the command that the installed distribution declares; 2 where xir is not installed as a package."""
    try:
        scripts = distribution("xir-compiler").entry_points.select(group="console_scripts", name="xir")
    except PackageNotFoundError:
        sys.stderr.write("error: xir is not installed as a package: pip install xir-compiler (or `pip install .`)\n")
        return 2
    result: object = next(iter(scripts)).load()()
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())

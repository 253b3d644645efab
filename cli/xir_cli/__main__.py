"""`python -m xir_cli` is the command `xir`."""

from __future__ import annotations

import sys

from xir_cli.main import main

if __name__ == "__main__":
    sys.exit(main())

"""One network in ways that the command line names; a line of JSON before and after each.

python -m tests.frontends.torch.networks.one NETWORK FOLDER WAY...
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

from tests.frontends.torch.networks.rows import networks
from tests.frontends.torch.networks.ways import Subject, answered


def main() -> None:
    """Runs the ways."""
    name, folder, *ways = sys.argv[1:]
    (network,) = (each for each in networks() if each.name == name)
    subject = Subject(network, Path(folder), ways)
    for way in ways:
        print(json.dumps({"begins": way}), flush=True)
        try:
            answer = answered(subject, way)
        except Exception as error:
            told = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
            answer = {"status": "crashed", "told": told}
        print(json.dumps({"network": name, "way": way} | answer), flush=True)


if __name__ == "__main__":
    main()

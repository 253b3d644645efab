"""The command: which networks are equal to torch, in which ways."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Timer

from tests.frontends.torch.networks import table
from tests.frontends.torch.networks.network import Network
from tests.frontends.torch.networks.rows import networks
from tests.frontends.torch.networks.ways import WAYS, Answer
from tests.frontends.torch.oracle.judge import REPOSITORY


def measured(network: Network, ways: list[str], folder: Path) -> Iterator[Answer]:
    """An answer a way. A way that ends the process, or takes too long, is told; the others go on in a new one."""
    left = list(ways)
    while left:
        process, late = _started([network.name, str(folder), *left], folder / "cache"), Event()
        try:
            timer = _timer(process, late, network.seconds)
            for line in process.stdout or ():
                if line.startswith('{"network"'):
                    timer.cancel()
                    left.pop(0)
                    yield json.loads(line)
                    timer = _timer(process, late, network.seconds)
            timer.cancel()
        finally:
            _end(process)
        if left:
            told = "it took too long" if late.is_set() else f"the process ended with {process.wait()}"
            status = "late" if late.is_set() else "crashed"
            yield {"network": network.name, "way": left.pop(0), "status": status, "told": told}


def _started(words: list[str], cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.frontends.torch.networks.one", *words]
    environment = os.environ | {"XIR_CACHE": str(cache)}
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def _end(process: subprocess.Popen[str]) -> None:
    """Ends the process and those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _timer(process: subprocess.Popen[str], late: Event, seconds: float) -> Timer:
    def end() -> None:
        late.set()
        _end(process)

    timer = Timer(seconds, end)
    timer.start()
    return timer


def main() -> int:
    """Runs what the command line names; 1 where xir is not equal to torch."""
    parser = argparse.ArgumentParser(prog="networks", description=__doc__)
    parser.add_argument("names", nargs="*", help="networks; all without a name")
    parser.add_argument("--only", default="", help="networks whose names hold this text")
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of {', '.join(WAYS)}")
    parser.add_argument("--results", type=Path, default=table.MEASURED, help="lines of JSON, added to")
    parser.add_argument("--again", action="store_true", help="also what --results holds already")
    parser.add_argument("--mend", action="store_true", help="also what --results holds as not equal")
    parser.add_argument("--table", type=Path, help="writes the table of all results into this Markdown file")
    parser.add_argument("--keep", type=Path, help="a folder in which archives and results stay")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - {network.name for network in networks()}
    if unknown or set(chosen.ways.split(",")) - set(WAYS):
        parser.error(f"unknown: {', '.join(sorted(unknown | (set(chosen.ways.split(',')) - set(WAYS))))}")
    results = table.results(chosen.results)
    chosen.results.parent.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for network in networks():
        if (chosen.names and network.name not in chosen.names) or chosen.only not in network.name:
            continue
        done = {way: answer["status"] for (name, way), answer in results.items() if name == network.name}
        kept = {} if chosen.again else {w: s for w, s in done.items() if not chosen.mend or s in ("equal", "none")}
        ways = [way for way in WAYS if way in chosen.ways.split(",") and way not in kept]
        folder = Path(tempfile.mkdtemp()) if chosen.keep is None else chosen.keep / network.name
        for answer in measured(network, ways, folder):
            wrong += answer["status"] in table.WRONG
            with chosen.results.open("a") as lines:
                lines.write(json.dumps(table.kept(answer)) + "\n")
            shown = f"{answer.get('error', 0):9.1e} {answer.get('seconds', 0):6.1f} s {answer.get('told', '')}"
            print(f"{answer['network']:40} {answer['way']:18} {answer['status']:10} {shown}", flush=True)
        if chosen.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    if chosen.table is not None:
        table.write(chosen.table, table.results(chosen.results), [network.name for network in networks()])
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

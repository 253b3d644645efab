"""Where a call comes from: the line of the model's own code, the modules around it."""

from __future__ import annotations

import re

_FRAME = re.compile(r'^\s*File "([^"\n<>]+)", line (\d{1,9})(?:, in ([^\n]+))?$', re.MULTILINE)
_TORCH = re.compile(r"(?:^|/)(?:site-packages|dist-packages)/torch/|^torch/")
_MAX_TRACE = 100_000


def line_of(trace: str) -> str | None:
    """The innermost line outside torch's own code (`model.py:12`), else the innermost one; None where there is none.

    Code that was made while the program was traced (`<eval_with_key>.5`) is no place that a person could look at.

    Args:
        trace: the frames as Python prints them, the innermost last.
    """
    frames = [(match[1].replace("\\", "/"), match[2]) for match in _FRAME.finditer(trace[-_MAX_TRACE:])]
    own = [frame for frame in frames if not is_torchs(frame[0])]
    for file, line in reversed(own or frames):
        return f"{file}:{line}"
    return None


def is_torchs(place: str) -> bool:
    """Whether a file, or a line of one, is torch's own code."""
    return _TORCH.search(place) is not None


def parts_of(path: str) -> tuple[str, ...]:
    """The names in the path of a module: `layer1.0.conv`; () where it is no path.

    The second call of one module is `path@1` (torch/export/_trace.py); `L['self']` is the model itself as TorchDynamo
    calls it.
    """
    path = path.removeprefix("L['self']")
    if not all(character.isalnum() or character in "._@[]'\"" for character in path):
        return ()
    return tuple(part.partition("@")[0] for part in path.split(".") if part)

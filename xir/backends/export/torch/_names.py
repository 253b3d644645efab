"""Names in the code: identifiers of letters that Python, PyTorch and this exporter leave free.

No name of a model enters the code but through `identifier`, which lets letters, digits and underscores of ASCII pass.
"""

from __future__ import annotations

import builtins
import keyword
import re

from xir.backends.export.torch._helpers import HELPERS

_LONGEST = 40
"""Letters of a name; the names of exported graphs say whole paths."""

_LOCAL = 16
"""Letters of a name of a result: longer ones are called after their operator."""

_TAKEN = (
    frozenset(keyword.kwlist)
    | frozenset(keyword.softkwlist)
    | frozenset(dir(builtins))
    | frozenset(HELPERS)
    | frozenset(("torch", "nn", "F", "Path", "Net", "WEIGHTS", "load_file", "self", "cls", "forward", "load"))
    | frozenset(("INPUTS", "OUTPUTS"))
)

_OF_MODULES = frozenset(
    word
    for line in (
        "T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double",
        "dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule",
        "half ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters",
        "parameters register_backward_hook register_buffer register_forward_hook register_forward_pre_hook",
        "register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook",
        "register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to",
        "to_empty train training type xpu zero_grad",
    )
    for word in line.split()
)
"""What `torch.nn.Module` of PyTorch 2.13 has itself."""


def identifier(name: str) -> str:
    """What is left of a name of a model: letters and digits of ASCII with single underscores between; may be empty."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name[-4 * _LONGEST :]).strip("_")
    if len(plain) > _LONGEST:
        plain = plain[-_LONGEST:].lstrip("_")
    return f"_{plain}" if plain[:1].isdigit() else plain


def local_name(name: str) -> str:
    """A short name for a result: `identifier` where that is short, else empty."""
    found = identifier(name).lower()
    return found if len(found) <= _LOCAL and not found.startswith("_") else ""


class Names:
    """The names of one scope: each is given once."""

    __slots__ = ("_numbers", "_taken")

    def __init__(self) -> None:
        """No name is given yet."""
        self._taken = set(_TAKEN | _OF_MODULES)
        self._numbers: dict[str, int] = {}

    def new(self, wanted: str) -> str:
        """`wanted`, an identifier, or it with a number where it is taken."""
        name, number = wanted, self._numbers.get(wanted, 1)
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._numbers[wanted] = number
        self._taken.add(name)
        return name

"""Modules, as xir's exporter writes them."""

class Module:
    INPUTS: tuple[str, ...]
    OUTPUTS: tuple[str, ...]
    def __call__(self, *inputs: object) -> object: ...

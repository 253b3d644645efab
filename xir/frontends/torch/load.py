"""Files of PyTorch become graphs."""

from __future__ import annotations

from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.torch.importer import import_program
from xir.frontends.torch.pt2.reader import read_pt2


def load_pt2(path: str, options: LoadOptions) -> Loaded:
    """The graph of an archive of torch.export.

    Raises:
        FormatError, InvalidModelError, UnsupportedError, UnsafeError: as `read_pt2` and `import_program`.
        UsageError: an option names no input.
    """
    program = read_pt2(path)
    imported = import_program(program, inputs=options.inputs)
    metadata = {"torch_version": program.version} if program.version else {}
    return Loaded(
        imported.graph, "pt2", (path,), len(program.body.nodes), imported.notes, state=imported.state, metadata=metadata
    )

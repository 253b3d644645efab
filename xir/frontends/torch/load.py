"""Files of PyTorch become graphs."""

from __future__ import annotations

from xir.files import open_mapped
from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.state import state_notes
from xir.frontends.torch._imported import Imported
from xir.frontends.torch.importer import import_program
from xir.frontends.torch.pt2.reader import read_pt2
from xir.frontends.torch.script.importer import import_script
from xir.frontends.torch.script.inputs import Given
from xir.frontends.torch.script.objects import ScriptArchive


def load_pt2(path: str, options: LoadOptions) -> Loaded:
    """The graph of an archive of torch.export.

    Raises:
        FormatError, InvalidModelError, UnsupportedError, UnsafeError: as `read_pt2` and `import_program`.
        UsageError: an option names no input.
    """
    program = read_pt2(path)
    imported = import_program(program, inputs=options.inputs)
    metadata = {"torch_version": program.version} if program.version else {}
    return _loaded("pt2", path, imported, metadata)


def load_torchscript(path: str, options: LoadOptions) -> Loaded:
    """The graph of an archive of torch.jit.save.

    Raises:
        FormatError, InvalidModelError, UnsupportedError, UnsafeError: as `ScriptArchive` and `import_script`.
        UsageError: an option names no input, or nothing tells the type of one.
    """
    archive = ScriptArchive(open_mapped(path))
    imported = import_script(archive, Given(options.inputs, options.numbers), options.method)
    metadata = {"operators_version": str(archive.operators)}
    return _loaded("torchscript", path, imported, metadata)


def _loaded(name: str, path: str, imported: Imported, metadata: dict[str, str]) -> Loaded:
    notes = (*imported.notes, *state_notes(imported.state))
    return Loaded(imported.graph, name, (path,), imported.calls, notes, state=imported.state, metadata=metadata)

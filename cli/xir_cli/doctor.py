"""`xir doctor`: whether this installation can do its work."""

from __future__ import annotations

import click

from xir.errors import FileError, MissingExtraError
from xir_cli.output import Output
from xir_cli.settings import Command, Settings
from xir_cli.table import table
from xir_cli.words import amount


@click.command(cls=Command)
@click.pass_obj
def command(settings: Settings) -> int:
    """Check this installation: versions, extras, folders, the machine.

    Exit code 7 where a needed library is missing, 9 where a folder cannot be written.
    """
    from xir import __version__
    from xir.inspect.environment import diagnose

    output = Output(settings)
    found = diagnose(__version__)
    output.line(f"xir {found.xir}, Python {found.python}, {found.platform}")
    output.line(f"{found.processors} processors, {amount(found.memory or 0)}B of memory")
    output.line()
    rows = [
        (library.name, library.version or "missing", library.purpose, "" if library.version else library.install)
        for library in found.libraries
    ]
    for line in table(("library", "version", "for", "to install"), rows):
        output.line(line)
    output.line()
    for folder, writable in found.writable.items():
        output.line(f"{folder}: {'can be written' if writable else 'CANNOT be written'}")
    output.document(found.to_dict())
    if found.missing:
        return MissingExtraError.number // 100
    return 0 if all(found.writable.values()) else FileError.number // 100

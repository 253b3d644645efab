"""`xir formats`: which formats are read and written."""

from __future__ import annotations

import click

from xir_cli.output import Output
from xir_cli.settings import Command, Settings
from xir_cli.table import table


@click.command(cls=Command)
@click.pass_obj
def command(settings: Settings) -> int:
    """Show which formats are read and written; a file's content decides, not its name."""
    from xir.api import EXPORTS
    from xir.inspect.formats import supported_formats

    output = Output(settings)
    found = supported_formats(EXPORTS)
    rows = [
        (each.name, each.title, " ".join(each.suffixes), "yes" if each.reads else "-", "yes" if each.writes else "-")
        for each in found
    ]
    for line in table(("name", "format", "files", "read", "written"), rows):
        output.line(line)
    output.document({"formats": [each.to_dict() for each in found]})
    return 0

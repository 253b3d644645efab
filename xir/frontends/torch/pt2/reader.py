"""Archives of `torch.export.save`: bytes -> a program.

The layout is that of torch 2.8 and later (torch/export/pt2_archive/_package.py): `models/NAME.json` is the program,
`data/weights` and `data/constants` hold tensors. Older archives hold `serialized_exported_program.json` and what
`torch.save` made of the tensors (torch/export/__init__.py, `load`). Sample inputs, extra files and compiled code are
not looked at.
"""

from __future__ import annotations

import os

from xir.errors import FormatError, InvalidModelError, UnsupportedError
from xir.files import MappedFile, open_mapped
from xir.frontends._archive import Archive, archive_of
from xir.frontends._json import MAX_JSON_BYTES, Json, parse_json
from xir.frontends.torch.program import Body, Input, Output, Program, Reference, Weight
from xir.frontends.torch.pt2._graph import read_body
from xir.frontends.torch.pt2._signature import output_paths, read_inputs, read_outputs
from xir.frontends.torch.pt2._weights import read_payload, read_state

_MAJOR = 8
"""`SCHEMA_VERSION` of torch 2.5 to 2.13; minor versions add optional fields alone."""

_NAMELESS = "the archive does not tell how the model returns its outputs (out_spec); they have the names of their calls"

_MODELS = "models/"
_WEIGHTS = "data/weights/"
_CONSTANTS = "data/constants/"
_OLDER = "serialized_exported_program.json"


def looks_like_pt2(file: MappedFile) -> bool:
    """Whether a file is an archive that says it holds an exported program."""
    archive = archive_of(file)
    if archive is None:
        return False
    return bool(_models(archive)) or _OLDER in archive or _format(archive) == "pt2"


def _format(archive: Archive) -> str:
    return archive.read("archive_format", 100).decode("ascii", "replace") if "archive_format" in archive else ""


def _models(archive: Archive) -> list[str]:
    return [name for name in archive.members if name.startswith(_MODELS) and name.endswith(".json")]


def read_pt2(path: str) -> Program:
    """The program in an archive.

    Raises:
        FormatError: the file is no such archive.
        InvalidModelError: it is damaged or contradicts itself.
        UnsupportedError: it was written by a version that xir does not know, or holds several programs.
        UnsafeError: it asks for more than the limits allow.
    """
    archive = Archive(open_mapped(path).whole())
    models = [_OLDER] if _OLDER in archive else _models(archive)
    if len(models) != 1:
        _refuse_number(models, archive)
    model, file = models[0], os.path.basename(path)
    if model == _OLDER:
        name, weights = "model", _older_weights(archive)
    else:
        name = model.removeprefix(_MODELS).removesuffix(".json")
        weights = _weights(archive, name)
    text = parse_json(archive.read(model, MAX_JSON_BYTES), what=model, file=path)
    return read_program(text, name, file, weights)


def _weights(archive: Archive, name: str) -> dict[str, Weight]:
    """The weights and constants; earlier versions of this layout hold each in a file of `torch.save`."""
    found: dict[str, Weight] = {}
    for folder, kind in ((_WEIGHTS, "weights"), (_CONSTANTS, "constants")):
        saved = f"{folder}{name}.pt"
        config = f"{folder}{name}_{kind}_config.json"
        found |= read_state(archive, saved) if saved in archive else read_payload(archive, config, folder)
    return found


def _older_weights(archive: Archive) -> dict[str, Weight]:
    """The weights and constants of the older layout, whose oldest files call them `.json`."""
    found: dict[str, Weight] = {}
    for kind in ("state_dict", "constants"):
        saved = f"serialized_{kind}.pt"
        found |= read_state(archive, saved if saved in archive else f"serialized_{kind}.json")
    return found


def _refuse_number(models: list[str], archive: Archive) -> None:
    if models:
        named = ", ".join(models[:5])
        raise UnsupportedError(
            f"the archive holds {len(models)} programs ({named})", file=archive.path, hint="save each of them by itself"
        )
    if any(name.startswith("data/aotinductor/") for name in archive.members):
        raise UnsupportedError(
            "the archive holds compiled code and no program",
            file=archive.path,
            hint="save the program with torch.export.save(torch.export.export(...))",
        )
    raise FormatError("the archive holds no exported program", file=archive.path)


def read_program(text: Json, name: str, file: str, weights: dict[str, Weight]) -> Program:
    """An `ExportedProgram` of the schema, with the weights that lie beside it.

    Raises:
        InvalidModelError: a field is missing or contradicts another.
        UnsupportedError: the schema is of another major version.
    """
    version = text.field("schema_version").field("major").integer()
    told = text.maybe("torch_version")
    made_by = "" if told is None else told.text()
    if version != _MAJOR:
        raise UnsupportedError(
            f"the program is of schema version {version}; xir reads version {_MAJOR}",
            file=file,
            hint=f"load it with the torch that wrote it ({made_by or 'unknown'}) and save it with torch 2.5 or newer",
        )
    module = text.field("graph_module")
    body = read_body(module.field("graph"))
    signature = module.field("signature")
    inputs = read_inputs(signature.field("input_specs"))
    outputs = read_outputs(signature.field("output_specs"))
    _check_signature(body, inputs, outputs, file)
    guards = text.maybe("guards_code")
    paths = output_paths(module)
    return Program(
        name,
        file,
        body,
        inputs,
        outputs,
        weights,
        {symbol: _range(limits) for symbol, limits in text.field("range_constraints").entries()},
        tuple(item.text() for item in guards.items()) if guards is not None else (),
        paths or (),
        made_by,
        () if paths is not None else (_NAMELESS,),
    )


def _range(limits: Json) -> tuple[int | None, int | None]:
    least, most = limits.maybe("min_val"), limits.maybe("max_val")
    return (None if least is None else _limit(least), None if most is None else _limit(most))


def _limit(value: Json) -> int | None:
    """A bound; infinite ones are none."""
    return None if isinstance(value.value, float | str) and abs(value.number()) == float("inf") else value.integer()


def _check_signature(body: Body, inputs: tuple[Input, ...], outputs: tuple[Output, ...], file: str) -> None:
    """The signature must name the inputs and outputs of the graph, in their order."""
    if len(inputs) != len(body.inputs) or len(outputs) != len(body.outputs):
        raise InvalidModelError(
            f"the graph has {len(body.inputs)} inputs and {len(body.outputs)} outputs, its signature {len(inputs)} and "
            f"{len(outputs)}",
            file=file,
        )
    for input_, argument in zip(inputs, body.inputs, strict=True):
        if isinstance(argument, Reference) and argument.name != input_.name:
            raise InvalidModelError(f"input {argument.name!r} is {input_.name!r} in the signature", file=file)
    for output, argument in zip(outputs, body.outputs, strict=True):
        if repr(output.argument) != repr(argument):  # NaN is not equal to itself
            raise InvalidModelError(f"output {argument!r} is {output.argument!r} in the signature", file=file)

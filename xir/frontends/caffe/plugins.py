"""Handlers for a person's own layers: modules that the person names, and entry points of packages that are installed.

A plugin is a module (or a `.py` file) with `handlers`, a `Handlers` table, and perhaps `fields`, the prototxt fields of
its layers (`schema.make_field`). It runs code, so a model file can never name one. Entry points stand in the group
`xir.caffe_layers`; they are looked up only when a net holds a layer or a field that xir does not know.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import cast

from xir.errors import UsageError, XirError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.schema import Field, Schema
from xir.frontends.caffe.site import Handler

GROUP = "xir.caffe_layers"
"""The group of entry points; each names a module as `package.module`."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin: its name as the person knows it, its handlers, and the fields of its layers."""

    name: str
    handlers: Handlers[Handler]
    fields: tuple[Field, ...] = ()


def load_plugins(names: Iterable[str]) -> tuple[Plugin, ...]:
    """The plugins of those names: modules (`my_layers`) or files (`./my_layers.py`).

    A module that Python cannot find is looked for in the current folder, where nothing but the file of that name is
    taken: the folder does not get onto Python's path, so no other import can find something there.

    Raises:
        UsageError: one cannot be imported, or has no `handlers`.
    """
    return tuple(_plugin(name, _import(name)) for name in names)


def installed_plugins() -> tuple[Plugin, ...]:
    """The plugins that installed packages declare in the group `xir.caffe_layers`, by name.

    Raises:
        UsageError: one cannot be imported, or has no `handlers`.
    """
    found = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    return tuple(_plugin(f"{point.name} ({point.value})", _import(point.value)) for point in found)


def merged(handlers: Handlers[Handler], plugins: Sequence[Plugin]) -> Handlers[Handler]:
    """All handlers in one new table.

    Raises:
        UsageError: a plugin has a handler for a kind that has one already.
    """
    table = Handlers[Handler](handlers.framework, handlers)
    for plugin in plugins:
        try:
            table.merge(plugin.handlers)
        except TypeError as error:
            raise UsageError(
                f"plugin {plugin.name}: {error}", hint="remove the handler, or give its kind another name"
            ) from None
    return table


def owners(plugins: Sequence[Plugin]) -> dict[str, str]:
    """{kind: the name of the plugin that handles it}."""
    return {kind: plugin.name for plugin in plugins for kind in plugin.handlers.kinds()}


def extended(schema: Schema, plugins: Sequence[Plugin]) -> Schema:
    """The schema with the fields of the plugins' layers.

    Raises:
        UsageError: a field is there already, or has a type that nobody knows.
    """
    for plugin in plugins:
        if plugin.fields:
            try:
                schema = schema.extended(plugin.fields)
            except UsageError as error:
                error.message = f"plugin {plugin.name}: {error.message}"
                raise
    return schema


def _import(name: str) -> ModuleType:
    try:
        return _from_file(name) if name.endswith(".py") else _module(name)
    except XirError:
        raise
    except Exception as error:
        raise UsageError(
            f"plugin {name} cannot be loaded: {type(error).__name__}: {error}",
            hint="give a module that Python can import or that lies in the current folder, or the path of a .py file",
        ) from error


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        place = name.replace(".", os.sep) + ".py"
        if error.name is None or not f"{name}.".startswith(f"{error.name}.") or not os.path.isfile(place):
            raise
        return _from_file(place)


def _from_file(path: str) -> ModuleType:
    place = Path(os.path.abspath(path))
    if not place.is_file():
        raise UsageError(f"plugin {path} is not there", hint="give a module's name, or the path of a .py file")
    unique = hashlib.sha256(str(place).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    specification = importlib.util.spec_from_file_location(f"xir_plugin_{unique}", place)
    if specification is None or specification.loader is None:
        raise UsageError(f"plugin {path} is not a Python file", hint="give the path of a .py file")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _plugin(name: str, module: ModuleType) -> Plugin:
    handlers: object = getattr(module, "handlers", None)
    fields: object = getattr(module, "fields", ())
    if not isinstance(handlers, Handlers):
        raise UsageError(
            f"plugin {name} has no table of handlers",
            hint='it needs `handlers: Handlers[Handler] = Handlers("caffe")` (from xir.frontends.caffe.custom) and '
            "functions under @handlers.layer(KIND); see docs/caffe_layers.md",
        )
    if not isinstance(fields, list | tuple) or not all(isinstance(one, Field) for one in cast("list[object]", fields)):
        raise UsageError(f"plugin {name}: `fields` must be a list of make_field(...)", hint="see docs/caffe_layers.md")
    return Plugin(name, cast("Handlers[Handler]", handlers), tuple(cast("Sequence[Field]", fields)))

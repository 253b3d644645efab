"""Protobuf's text format, as prototxts in the wild use it, against the schema of all forks.

Source: protobuf's 'Text Format Language Specification' and what TextFormat::Parse of protobuf 2 and 3 takes: comments,
`{}` and `<>`, an optional colon before messages, `;` and `,` after fields, lists in brackets, adjacent strings joined,
hexadecimal and octal integers, an `f` behind reals. A singular field that stands twice, an unknown field, a missing
required field are errors, as they are there; each names line and column. One regular expression takes the usual steps
(a scalar field, the start or the end of a message), so time is linear and small; the rest goes through slower rules.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from dataclasses import field as member
from typing import NoReturn

from xir.errors import FormatError, Location, UnsafeError
from xir.frontends.caffe.legacy import v1_name
from xir.frontends.caffe.literals import convert, decode_quoted
from xir.frontends.caffe.message import Message, Stranger, Value
from xir.frontends.caffe.schema import Field, Schema, load_schema
from xir.frontends.caffe.weights import text_blob
from xir.limits import check_nesting

MAX_VALUES = 1_000_000
"""What one text holds: a field or a piece of a string counts 1, a message 3 more. A layer takes about 40."""

_MESSAGE_COST = 3

_SKIP = r"(?:[ \t\r\n\f\v]++|\#[^\n]*+)*+"
_STEP = re.compile(
    rf"""{_SKIP}(?:
        (?P<close>[}}>])
      | (?P<name>[A-Za-z_]\w*+){_SKIP}
        (?: :?{_SKIP}(?P<open>[{{<])
          | :{_SKIP}(?:
                "(?P<double>[^"\\\n]*+)"(?!{_SKIP}["'])
              | '(?P<single>[^'\\\n]*+)'(?!{_SKIP}["'])
              | (?P<word>-?[.\w](?:[-+.\w])*+)
            )
        )
    ){_SKIP}[;,]?""",
    re.VERBOSE | re.ASCII,
)
_NAME = re.compile(rf"{_SKIP}([A-Za-z_]\w*+){_SKIP}(:?){_SKIP}", re.VERBOSE | re.ASCII)
_BLANK = re.compile(_SKIP)
_QUOTED = re.compile(rf"""("(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'){_SKIP}""", re.DOTALL)
_WORD = re.compile(rf"(-?){_SKIP}([.\w](?:[-+.\w])*+){_SKIP}", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SEPARATOR = re.compile(rf"{_SKIP}[;,]?")
_CLOSING = {"{": "}", "<": ">"}
_TOKEN = re.compile(r"""("(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'|\#[^\n]*+)|([{<\[])|([}>\]])|(["'])""", re.DOTALL)
_PAIRS = {"{": "}", "<": ">", "[": "]"}


@dataclass(slots=True)
class _Frame:
    """A message that is being read, or (with `items`) a list of messages inside one."""

    type: str
    closing: str
    position: int
    line: int
    owner: Field | None
    values: dict[str, list[Value]] = member(default_factory=dict[str, list[Value]])
    items: Field | None = None
    strangers: list[Stranger] = member(default_factory=list[Stranger])


def _article(field: Field) -> str:
    return f"{'an' if field.category[0] in 'aeiou' else 'a'} {field.category}"


class UnknownFieldError(FormatError):
    """A field that the message does not have; `field_name` and `message_type` say which."""

    def __init__(self, message: str, field_name: str, message_type: str, *, file: str | None, hint: str) -> None:
        """Builds the error for the field `field_name` of `message_type`."""
        super().__init__(message, file=file, hint=hint)
        self.field_name = field_name
        self.message_type = message_type


def parse_text(
    text: str, type: str = "NetParameter", *, file: str | None = None, schema: Schema | None = None
) -> Message:
    """The message of `type` that `text` holds; the lines of all messages are kept.

    A message `..._param` of a layer that the schema does not have is passed over and kept as a `Stranger`: whether it
    is a mistake depends on the layer's type, which whoever knows the types must decide.

    Raises:
        UnknownFieldError: a field that the message does not have.
        FormatError: the text breaks the grammar, a value does not fit its field, a field stands twice or is missing.
        InvalidModelError: a blob contradicts itself.
        UnsafeError: it is nested too deep, or has too many fields.
    """
    return _Parser(text, file, schema or load_schema()).parse(type)


class _Parser:
    """One pass over one text; the stack of open messages is a list, not the interpreter's."""

    def __init__(self, text: str, file: str | None, schema: Schema) -> None:
        self.text = text
        self.file = file
        self.schema = schema
        self.escaped = _SURROGATE.search(text) is not None
        self.left = MAX_VALUES
        self.counted = (0, 1)
        self.stack: list[_Frame] = []

    def parse(self, type: str) -> Message:
        text, step = self.text, _STEP.match
        stack = self.stack = [_Frame(type, "", 0, 1, None)]
        position = 0
        while True:
            top = stack[-1]
            if top.items is not None:
                position = self._list_item(stack, position)
                continue
            match = step(text, position)
            if match is None:
                start = self._blank(position)
                if start == len(text):
                    break
                position = self._slow(stack, start)
                continue
            name = match["name"]
            if name is None:
                self._close(stack, match.start("close"), match["close"])
            elif match["open"] and self._is_stranger(top, name):
                position = self._pass_over(top, name, match)
                continue
            elif match["open"]:
                self._open(stack, self._field(top, name, match.start("name")), match["open"], match.start("name"))
            else:
                self._fast_scalar(top, name, match)
            position = match.end()
        if len(stack) > 1:
            inside = f"inside {top.type}, which opens in line {top.line}"
            self.fail(len(text), f"the text ends {inside}; expected {top.closing!r}")
        return self._message(stack[0])

    # --- steps -----------------------------------------------------------------------------------------------------

    def _fast_scalar(self, top: _Frame, name: str, match: re.Match[str]) -> None:
        field = self._field(top, name, match.start("name"))
        word = match["word"]
        if word is not None:
            self._add(top, field, self._value(field, word, match.start("word")), match.start("name"))
            return
        inside = match["double"] if match["double"] is not None else match["single"]
        self._add(top, field, self._string(field, inside, match.start("name")), match.start("name"))

    def _open(self, stack: list[_Frame], field: Field, mark: str, position: int) -> None:
        if field.category != "message":
            self.fail(position, f"field {field.name!r} of {field.message} is {_article(field)}, not a message")
        if not field.repeated and field.name in stack[-1].values:
            self._twice(field, position)
        check_nesting(len(stack), what="the text", file=self.file)
        self._charge(_MESSAGE_COST)
        stack.append(_Frame(field.type, _CLOSING[mark], position, self._line(position), field))

    def _close(self, stack: list[_Frame], position: int, mark: str) -> None:
        frame = stack[-1]
        if frame.owner is None:
            self.fail(position, f"{mark!r} closes nothing")
        if mark != frame.closing:
            line = frame.line
            self.fail(position, f"{mark!r} stands where {frame.closing!r} must close {frame.type} of line {line}")
        stack.pop()
        message = self._message(frame)
        value: Value = text_blob(message, self.file) if frame.type == "BlobProto" else message
        self._add(stack[-1] if stack[-1].items is None else stack[-2], frame.owner, value, frame.position)

    def _is_stranger(self, top: _Frame, name: str) -> bool:
        return top.type == "LayerParameter" and name.endswith("_param") and name not in self.schema.names[top.type]

    def _pass_over(self, top: _Frame, name: str, match: re.Match[str]) -> int:
        """The position behind a message that the schema does not have; its brackets must fit, its strings be closed."""
        start = match.start("name")
        top.strangers.append(Stranger(name, self._line(start), self._advice(top, name)))
        closings = [_PAIRS[match["open"]]]
        position = match.end("open")
        while closings:
            token = _TOKEN.search(self.text, position)
            if token is None:
                self.fail(len(self.text), f"the text ends inside {name}; expected {closings[-1]!r}")
            self._charge(1)
            position = token.end()
            if token[4]:
                self.fail(token.start(), "a string is not closed on its line")
            if token[2]:
                check_nesting(len(closings), what="the text", file=self.file)
                closings.append(_PAIRS[token[2]])
            elif token[3] and token[3] != closings.pop():
                self.fail(token.start(), f"{token[3]!r} closes nothing in {name}")
        return self._separator(position)

    def _slow(self, stack: list[_Frame], position: int) -> int:
        """What `_STEP` does not take: lists, joined or escaped strings, a blank behind a minus, and every mistake."""
        match = _NAME.match(self.text, position)
        if match is None:
            self._unexpected(position)
        field = self._field(stack[-1], match[1], position)
        after = match.end()
        letter = self.text[after : after + 1]
        if letter == "[" and (match[2] or field.category == "message"):
            return self._list(stack, field, position, after + 1)
        if not match[2]:
            self.fail(after, f"expected ':' behind {match[1]!r}" + (f", got {letter!r}" if letter else ", got the end"))
        value, after = self._scalar(field, after)
        self._add(stack[-1], field, value, position)
        return self._separator(after)

    def _list(self, stack: list[_Frame], field: Field, position: int, after: int) -> int:
        if not field.repeated:
            self.fail(position, f"field {field.name!r} of {field.message} takes one value, not a list")
        after = self._blank(after)
        if self.text[after : after + 1] == "]":
            return self._separator(after + 1)
        if field.category == "message":
            stack.append(_Frame(field.type, "]", position, self._line(position), field, items=field))
            return after
        while True:
            value, after = self._scalar(field, after)
            self._add(stack[-1], field, value, position)
            letter = self.text[after : after + 1]
            if letter == "]":
                return self._separator(after + 1)
            if letter != ",":
                self.fail(after, f"expected ',' or ']' in the list of {field.name!r}, got {letter!r}")
            after = self._blank(after + 1)

    def _list_item(self, stack: list[_Frame], position: int) -> int:
        """The next message of a list of messages, or its end; commas stand between."""
        frame = stack[-1]
        field = frame.items
        position = self._blank(position)
        letter = self.text[position : position + 1]
        if letter in ("{", "<") and field is not None and letter:
            self._open(stack, field, letter, position)
            return position + 1
        if letter == "]":
            stack.pop()
            return self._separator(position + 1)
        return self.fail(position, f"expected a message or ']' in the list of {frame.type}, got {letter!r}")

    # --- values ----------------------------------------------------------------------------------------------------

    def _scalar(self, field: Field, position: int) -> tuple[Value, int]:
        if self._quote_at(position):
            return self._joined(field, position)
        match = _WORD.match(self.text, position)
        if match is None:
            self._unexpected(position, f"a value for {field.name!r}")
        return self._value(field, match[1] + match[2], position), match.end()

    def _quote_at(self, position: int) -> bool:
        return self.text.startswith(('"', "'"), position)

    def _joined(self, field: Field, position: int) -> tuple[Value, int]:
        """One or more quoted strings, joined."""
        pieces: list[bytes] = []
        after = position
        while (match := _QUOTED.match(self.text, after)) is not None:
            piece = decode_quoted(match[1][1:-1])
            if piece is None:
                self.fail(after, f"the string {match[1][:60]} has an escape that the text format does not know")
            pieces.append(piece)
            self._charge(1)
            after = match.end()
        if not pieces or self._quote_at(after):
            self.fail(after, "a string is not closed on its line")
        joined = b"".join(pieces)
        self._require_string(field, position)
        return (joined if field.category == "bytes" else joined.decode("utf-8", "backslashreplace")), after

    def _string(self, field: Field, inside: str, position: int) -> Value:
        self._require_string(field, position)
        if self.escaped or field.category == "bytes":
            raw = inside.encode("utf-8", "surrogateescape")
            return raw if field.category == "bytes" else raw.decode("utf-8", "backslashreplace")
        return inside

    def _require_string(self, field: Field, position: int) -> None:
        if field.category not in ("text", "bytes"):
            hint = "write type: CONVOLUTION without quotes in `layers { }`, or name the block `layer { }`"
            self.fail(
                position,
                f"field {field.name!r} of {field.message} is {_article(field)}, not a string",
                hint if (field.message, field.name) == ("V1LayerParameter", "type") else None,
            )

    def _value(self, field: Field, word: str, position: int) -> Value:
        try:
            return convert(self.schema, field, word)
        except ValueError as error:
            return self.fail(position, str(error), self._meant(field, word))

    def _meant(self, field: Field, word: str) -> str | None:
        """What was probably meant by a word that does not fit its field."""
        if (field.message, field.name) == ("LayerParameter", "type"):
            names = {name.upper(): v1_name(name) for name in self.schema.enums["V1LayerParameter.LayerType"]}
            known = names.get(word.upper(), word)
            return f'write type: "{known}" in `layer {{ }}`, or name the block `layers {{ }}`'
        if field.category == "enum":
            close = difflib.get_close_matches(word.upper(), self.schema.enums[field.type], 1)
            return f"did you mean {close[0]}?" if close else None
        return f'put it in quotes: {field.name}: "{word}"' if field.category == "text" else None

    def _add(self, frame: _Frame, field: Field, value: Value, position: int) -> None:
        self._charge(1)
        values = frame.values.get(field.name)
        if values is None:
            frame.values[field.name] = [value]
        elif field.repeated:
            values.append(value)
        else:
            self._twice(field, position)

    def _charge(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise UnsafeError(
                f"the text holds more than {MAX_VALUES} fields",
                number=806,
                file=self.file,
                hint="no real net has so many: the file is damaged or hostile",
            )

    def _field(self, frame: _Frame, name: str, position: int) -> Field:
        found = self.schema.names[frame.type].get(name)
        if found is not None:
            return found
        line, column = self._place(position)
        error = UnknownFieldError(
            f"line {line}, column {column}: {frame.type} has no field {name!r}",
            name,
            frame.type,
            file=self.file,
            hint=self._advice(frame, name),
        )
        raise error.located(self._layer())

    def _advice(self, frame: _Frame, name: str) -> str:
        """What may be meant by a field that the message does not have."""
        closest = self.schema.closest(frame.type, name)
        owners = [owner for owner in self.schema.owners(name) if owner != frame.type]
        if closest:
            return f"did you mean {closest!r}?"
        if owners:
            return f"{owners[0]} has a field of this name: does a closing brace stand in the wrong place?"
        if frame.type == "NetParameter":
            return "is this a prototxt? A net holds `layer { ... }` blocks"
        return "a layer of your own can declare its fields in a plugin (--plugin MODULE); else remove the field"

    def _layer(self) -> Location:
        """The layer that is being read, as far as it has been."""
        for frame in self.stack:
            if frame.type in ("LayerParameter", "V1LayerParameter"):
                name, kind = (next(iter(frame.values.get(one, ())), None) for one in ("name", "type"))
                return Location(self.file, str(name) if name else None, str(kind) if kind else None)
        return Location(self.file)

    def _message(self, frame: _Frame) -> Message:
        for needed in self.schema.required(frame.type):
            if needed.name not in frame.values:
                self.fail(frame.position, f"{frame.type} must set {needed.name!r}")
        return Message(self.schema, frame.type, frame.values, line=frame.line, strangers=frame.strangers)

    # --- places and errors -----------------------------------------------------------------------------------------

    def _blank(self, position: int) -> int:
        match = _BLANK.match(self.text, position)
        return match.end() if match else position

    def _separator(self, position: int) -> int:
        match = _SEPARATOR.match(self.text, position)
        return match.end() if match else position

    def _line(self, position: int) -> int:
        """The line of `position`; asked in the order of the text, all questions together cost one pass."""
        start, line = self.counted
        if position < start:
            return self.text.count("\n", 0, position) + 1
        self.counted = (position, line + self.text.count("\n", start, position))
        return self.counted[1]

    def _place(self, position: int) -> tuple[int, int]:
        return self._line(position), position - self.text.rfind("\n", 0, position)

    def _twice(self, field: Field, position: int) -> NoReturn:
        self.fail(position, f"field {field.name!r} of {field.message} stands twice; it takes one value", "remove one")

    def _unexpected(self, position: int, wanted: str = "a field name") -> NoReturn:
        rest = self.text[position : position + 20].split("\n")[0]
        if rest.startswith("["):
            self.fail(position, "extensions and Any messages in brackets are not part of Caffe's format")
        self.fail(position, f"expected {wanted}, got {rest!r}" if rest else f"expected {wanted}, got the end")

    def fail(self, position: int, message: str, hint: str | None = None) -> NoReturn:
        """Raises FormatError with line and column."""
        line, column = self._place(min(position, len(self.text)))
        where = f"line {line}, column {column}"
        error = FormatError(f"{where}: {message}", file=self.file, hint=hint or "correct the text there")
        raise error.located(self._layer())

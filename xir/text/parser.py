r"""Reading the textual form back: every type is inferred again and compared with the printed one.

Grammar (EBNF; blanks, line ends and `# comments` separate tokens and mean nothing else):

    text        = "xir" "1" [ "weights" STRING ] { graph } ;
    graph       = "graph" STRING "{" { symbol } { input | parameter | constraint } { node } { output }
                  { training } "}" ;
    symbol      = "symbol" name [ "{" [ limit { "," limit } ] "}" ] ;            (* outermost graphs only *)
    limit       = ( "minimum" | "maximum" | "divisor" ) "=" INTEGER ;
    input       = "input" LABEL ":" type ;
    parameter   = "parameter" LABEL "=" constant [ "frozen" ] ;
    constraint  = "constraint" dim "==" dim STRING ;
    node        = LABEL ":" type { "," LABEL ":" type } "=" WORD "(" [ operand { "," operand } ] ")"
                  [ "{" [ attribute { "," attribute } ] "}" ] { source } ;
    operand     = LABEL | "_" ;                              (* "_" or left out at the end: absent *)
    attribute   = WORD "=" value ;
    value       = INTEGER | FLOAT | "true" | "false" | STRING | dtype | dim | "none" | constant | graph
                | "[" [ value { "," value } ] "]" ;                             (* the operator's signature decides *)
    output      = "output" STRING "=" LABEL ;
    training    = "training" "{" [ "initialization" graph ] { "initialization" STRING "=" STRING }
                  [ "algorithm" graph ] { "algorithm" STRING "=" STRING } "}" ;  (* outermost graphs only;
                                                                    a weight, and the output that it gets *)
    source      = "source" "(" STRING "," STRING "," STRING [ "," STRING ] { "," field } ")" ;
                                                                     (* framework, file, layer, kind *)
    field       = "path" "=" "[" [ STRING { "," STRING } ] "]" | "module" "=" STRING
                | "location" "=" STRING | "order" "=" INTEGER | "layout" "=" "[" [ INTEGER { "," INTEGER } ] "]" ;
    constant    = type ( "(" [ element { "," element } ] ")" | "weight" "(" STRING "," STRING ")" ) ;
                                                                     (* name and SHA-256 in the weights file *)
    element     = INTEGER | FLOAT | BITS | "true" | "false" | STRING | BYTES
                | "(" element "," element ")" ;                                 (* real, imaginary *)
    type        = dtype "[" ( "*" | [ dim { "," dim } ] ) "]" | ( "sequence" | "optional" ) "<" type ">"
                | "map" "<" dtype "," type ">" ;
    dim         = term { ( "+" | "-" ) term } ;
    term        = factor { ( "*" | "//" ) factor } ;                             (* from left to right, as in Python *)
    factor      = [ "-" ] ( INTEGER | name | "(" dim ")" | ( "min" | "max" ) "(" dim { "," dim } ")" ) ;
    name        = WORD | STRING | "?" DIGITS ;                                  (* ?0, ?1: symbols without a name *)
    LABEL       = "%" DIGITS                                                    (* a value without a name *)
                | "%" ( LETTER { LETTER | DIGIT | "." } | STRING ) ;            (* a named value *)
    STRING      = '"' { character | '\"' | '\\' | '\n' | '\r' | '\t' | '\u{HEX}' } '"' ;
    BYTES       = 'b"' { ASCII character | '\xHH' } '"' ;
    BITS        = "0x" { HEX } ;                                     (* the bit pattern of one number *)
    FLOAT       = INTEGER [ "." DIGITS ] [ ( "e" | "E" ) [ sign ] DIGITS ] | [ "-" ] "inf" | "nan" ;

Graphs nest up to 100 deep, the brackets of types and sizes likewise. Symbols are known in the whole outermost graph,
bodies included; labels only in their own graph, and only below the line that makes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from xir.errors import FormatError, InvalidModelError, UnsafeError
from xir.ir.constant import Constant
from xir.ir.graph import Constraint, Graph, Parameter
from xir.ir.node import Attribute, Node, Value
from xir.ir.source import Source
from xir.ir.training import TrainingStep, verify_training
from xir.ir.types import TensorType, Type
from xir.ir.verify import compatible
from xir.limits import MAX_NESTING, check_name, check_nesting
from xir.ops import OpDef, table
from xir.text._lexer import Lexer
from xir.text._strings import unquote
from xir.text._values import ValueParser
from xir.text.printer import VERSION

_Definition = OpDef[..., Value] | OpDef[..., tuple[Value, ...]]


class WeightSource(Protocol):
    """Where the parser gets constants that stand beside the text."""

    def __call__(self, companion: str | None, name: str, sha256: str, type: TensorType, /) -> Constant:
        """The constant `name` of the file `companion` (None: the text names no file).

        Raises:
            XirError: there is no such constant of that type and SHA-256.
        """
        ...


def parse_graph(text: str, *, file: str | None = None, weights: WeightSource | None = None) -> Graph:
    """The graph of a text that holds exactly one.

    Args:
        text: what `print_graph` printed, or a person wrote.
        file: the name of the text in messages.
        weights: gives constants that do not stand in the text.

    Raises:
        FormatError: the text does not follow the grammar, or names what does not exist; line and column are given.
        InvalidModelError: operands, attributes or types contradict an operator's rules.
        UnsafeError: the text nests too deep, or declares more than the limits allow.
    """
    graphs = parse_graphs(text, file=file, weights=weights)
    if len(graphs) != 1:
        raise FormatError(f"expected one graph, got {len(graphs)}", file=file)
    return graphs[0]


def parse_graphs(text: str, *, file: str | None = None, weights: WeightSource | None = None) -> tuple[Graph, ...]:
    """All graphs of a text, in order; raises as `parse_graph`."""
    lexer = Lexer(text, file)
    if not lexer.accept("xir"):
        raise lexer.expected(f"'xir {VERSION}' as the first words", hint="is it another kind of file?")
    if lexer.token != str(VERSION):
        raise lexer.expected(f"version {VERSION}", hint="the file is of a newer xir: update xir")
    lexer.advance()
    companion: str | None = None
    if lexer.accept("weights"):
        at = lexer.start
        token = lexer.take("string", "the name of the weights file")
        with lexer.placed(at):
            companion = unquote(token)

    def weight(name: str, sha256: str, type: TensorType) -> Constant:
        if weights is None:
            raise FormatError("the text refers to weights, and none were given", hint="load the file with load_xir")
        return weights(companion, name, sha256, type)

    graphs: list[Graph] = []
    while lexer.kind != "end":
        try:
            graphs.append(_GraphParser(_values(lexer, weight)).parse(outermost=True))
        except RecursionError:  # the limits fit the interpreter's stack, unless the caller already stands deep in it
            raise UnsafeError(f"{lexer.place()}: the text nests deeper than the stack", number=804, file=file) from None
    return tuple(graphs)


def _values(lexer: Lexer, weight: Callable[[str, str, TensorType], Constant]) -> ValueParser:
    """The parser of values of one outermost graph, whose bodies are graphs again."""
    depth = 1

    def body() -> Graph:
        nonlocal depth
        depth += 1
        if depth > MAX_NESTING:
            check_nesting(depth, what=f"{lexer.place()}: a body of the graph", file=lexer.file)
        graph = _GraphParser(values).parse(outermost=False)
        depth -= 1
        return graph

    values = ValueParser(lexer, weight, body)
    return values


class _GraphParser:
    """Parses one graph or body."""

    def __init__(self, values: ValueParser) -> None:
        self.values = values
        self.lexer = values.lexer
        self.known: dict[str, Value] = {}
        self.names: dict[Value, str] = {}
        self.inputs: list[Value] = []
        self.parameters: list[Parameter] = []
        self.constraints: list[Constraint] = []
        self.places: dict[Node, int] = {}
        self.outputs: dict[str, Value] = {}
        self.training: list[TrainingStep] = []

    def parse(self, outermost: bool) -> Graph:
        """The graph; the current token is `graph`."""
        lexer = self.lexer
        lexer.expect("graph")
        name = self.values.string("the graph's name")
        lexer.expect("{")
        while outermost and lexer.accept("symbol"):
            self.values.declare()
        while self._head():
            pass
        while lexer.kind == "label":
            self._node()
        while lexer.accept("output"):
            self._output()
        while outermost and lexer.accept("training"):
            self.training.append(self._step())
        if not lexer.accept("}"):
            raise lexer.expected(
                "a node, an output or '}'" if not self.outputs else "an output or '}'",
                hint="the order is: symbols (outermost graph), inputs, parameters and constraints, nodes, outputs, "
                "training (outermost graph)",
            )
        return self._finish(name)

    def _finish(self, name: str) -> Graph:
        graph = Graph(
            name,
            tuple(self.inputs),
            tuple(self.outputs.values()),
            tuple(self.outputs),
            tuple(self.parameters),
            self.names,
            tuple(self.constraints),
            tuple(self.training),
        )
        needed = set(graph.nodes)
        for node, at in self.places.items():
            if node not in needed:
                raise self.lexer.error(
                    f"no output of the graph needs this {node.op.name}", at=at, hint="remove it, or output its result"
                )
        verify_training(graph)
        return graph

    def _head(self) -> bool:
        lexer = self.lexer
        if lexer.accept("input"):
            token, at = self._new_label()
            lexer.expect(":")
            value = Value(self.values.type())
            self._define(token, at, value)
            self.inputs.append(value)
        elif lexer.accept("parameter"):
            token, at = self._new_label()
            lexer.expect("=")
            constant = self.values.constant()
            value = Value(constant.type)
            self._define(token, at, value)
            self.parameters.append(Parameter(value, constant, not lexer.accept("frozen")))
        elif lexer.accept("constraint"):
            left = self.values.dim()
            lexer.expect("==")
            right = self.values.dim()
            self.constraints.append(Constraint(left, right, self.values.string("the reason as a string")))
        else:
            return False
        return True

    def _new_label(self) -> tuple[str, int]:
        at = self.lexer.start
        return self.lexer.take("label", "a value such as %1 or %name"), at

    def _define(self, token: str, at: int, value: Value) -> None:
        """Makes the label known, and gives the value its name if the label is no number."""
        lexer = self.lexer
        name = token[1:]
        key = token
        if not name.isdigit():
            with lexer.placed(at):
                name = unquote(name) if name.startswith('"') else name
                check_name(name, what="the name of a value", file=lexer.file)
            if not name:
                raise lexer.error("the name of a value is empty", at=at)
            self.names[value] = name
            key = _key(name)
        if key in self.known:
            raise lexer.error(f"{token[:60]} is defined twice", at=at)
        self.known[key] = value

    def _value(self, token: str, at: int) -> Value:
        key = token
        if not token[1:].isdigit():
            with self.lexer.placed(at):
                key = _key(unquote(token[1:]) if token[1] == '"' else token[1:])
        if key not in self.known:
            raise self.lexer.error(
                f"{token[:60]} is not defined above", at=at, hint="inputs, parameters and nodes define values"
            )
        return self.known[key]

    def _output(self) -> None:
        lexer = self.lexer
        at = lexer.start
        name = self.values.string("the output's name as a string")
        if not name or name in self.outputs:
            raise lexer.error(f"output name {name[:60]!r} is empty or stands twice", at=at)
        lexer.expect("=")
        self.outputs[name] = self._value(*self._new_label())

    def _step(self) -> TrainingStep:
        """A step of training; the word is past."""
        lexer = self.lexer
        lexer.expect("{")
        parts: dict[str, Graph] = {}
        bindings: dict[str, list[tuple[str, str]]] = {"initialization": [], "algorithm": []}
        for what, bound in bindings.items():
            while lexer.accept(what):
                if lexer.token == "graph" and what not in parts and not bound:
                    parts[what] = self.values.body()
                    continue
                weight = self.values.string("a weight's name as a string")
                lexer.expect("=")
                bound.append((weight, self.values.string("an output's name as a string")))
        lexer.expect("}")
        return TrainingStep(
            parts.get("initialization"),
            parts.get("algorithm"),
            tuple(bindings["initialization"]),
            tuple(bindings["algorithm"]),
        )

    def _node(self) -> None:
        lexer = self.lexer
        first = lexer.start
        results: list[tuple[str, int]] = []
        types: list[Type] = []
        while not results or lexer.accept(","):
            results.append(self._new_label())
            lexer.expect(":")
            types.append(self.values.type())
        lexer.expect("=")
        definition, at = self._operator()
        inputs = self._operands(definition, at)
        attributes = self._attributes(definition, at)
        with lexer.placed(first):
            inferred = definition.infer(inputs, attributes)
            if len(inferred) != len(types) or not all(map(compatible, inferred, types)):
                raise InvalidModelError(
                    f"{definition.name} makes {', '.join(map(repr, inferred))}, "
                    f"the text says {', '.join(map(repr, types))}"
                )
        sources: list[Source] = []
        while lexer.token == "source":
            sources.append(self.values.source())
        node = Node(definition, inputs, attributes, tuple(types), tuple(sources))
        self.places[node] = first
        for (token, place), value in zip(results, node.outputs, strict=True):
            self._define(token, place, value)

    def _operator(self) -> tuple[_Definition, int]:
        lexer = self.lexer
        at = lexer.start
        name = lexer.take("word", "an operator")
        definition = table().get(name)
        if definition is None:
            raise lexer.error(f"unknown operator {name[:60]!r}", at=at, hint="`xir ops` lists the operators")
        return definition, at

    def _operands(self, definition: _Definition, at: int) -> tuple[Value | None, ...]:
        lexer = self.lexer
        fixed = len(definition.operands)
        inputs: list[Value | None] = []
        lexer.expect("(")
        while not lexer.accept(")"):
            if inputs:
                lexer.expect(",")
            if lexer.token == "_":
                if len(inputs) >= fixed or definition.operands[len(inputs)] not in definition.optional:
                    raise lexer.expected(f"a value: operand {len(inputs)} of {definition.name} must be present")
                lexer.advance()
                inputs.append(None)
            else:
                inputs.append(self._value(*self._new_label()))
        while len(inputs) < fixed and definition.operands[len(inputs)] in definition.optional:
            inputs.append(None)
        if len(inputs) < fixed or (len(inputs) > fixed and definition.variadic is None):
            least = "at least " if definition.variadic else ""
            raise lexer.error(f"{definition.name} takes {least}{fixed} operands, got {len(inputs)}", at=at)
        return tuple(inputs)

    def _attributes(self, definition: _Definition, at: int) -> dict[str, Attribute]:
        lexer = self.lexer
        given: dict[str, object] = {}
        if lexer.accept("{"):
            while not lexer.accept("}"):
                if given:
                    lexer.expect(",")
                name = lexer.token
                kind = definition.kinds.get(name) if lexer.kind == "word" else None
                if kind is None or name in given:
                    known = ", ".join(definition.kinds) or "none"
                    raise lexer.expected(f"an attribute of {definition.name}, each once", hint=f"known are: {known}")
                lexer.advance()
                lexer.expect("=")
                given[name] = self.values.value(kind)
        with lexer.placed(at):
            return definition.attributes(given)


def _key(name: str) -> str:
    """The key of a named value; numbers, which begin with `%`, never meet it."""
    return "=" + name

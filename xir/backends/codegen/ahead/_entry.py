"""What a model that was compiled ahead of time is called by, as LLVM text: init, run, free, and what sizes mean.

The functions are the same for every model but for the number of parameters; what they work on, a version's table tells
(`_model`). Before anything of a version runs, the processor is asked whether it has what the version needs.
"""

from __future__ import annotations

from collections.abc import Sequence

from xir.backends.codegen.ahead._body import Body
from xir.backends.codegen.ahead._memory import measure_text, memory_text
from xir.backends.codegen.ahead._model import Call, code_of, table_text
from xir.backends.codegen.ahead._processors import choice_text
from xir.backends.codegen.ahead._program import Shared, Version
from xir.backends.codegen.ahead._sizes import Measure
from xir.backends.codegen.ahead._weights import HEADER_BYTES, LANES
from xir.backends.codegen.llvm.meet import TEAM, TEAM_FUNCTIONS
from xir.runtime.memory import ALIGNMENT
from xir.runtime.processors import MAX_THREADS
from xir.runtime.team import MAILBOX, MAILBOXES, NUMBER_PLACE, PROCESS_PLACE, TEAM_PLACE

SECTION = ".bss.xir.weights"
"""The section in which an object has room for its weights."""

_FUNCTIONS = (
    "ptr @aligned_alloc(i64, i64)",
    "void @free(ptr)",
    "ptr @memset(ptr, i32, i64)",
    "i32 @getpid()",
    *TEAM_FUNCTIONS,
    "i32 @pthread_create(ptr, ptr, ptr, ptr)",
    "i32 @pthread_join(i64, ptr)",
    "i32 @pthread_sigmask(i32, ptr, ptr)",
    "i64 @llvm.ctpop.i64(i64)",
    "i64 @llvm.umax.i64(i64, i64)",
    "{ i64, i1 } @llvm.sadd.with.overflow.i64(i64, i64)",
    "{ i64, i1 } @llvm.smul.with.overflow.i64(i64, i64)",
)
_FILES = (
    "i32 @open(ptr, i32, ...)",
    "i64 @lseek(i32, i64, i32)",
    "i32 @close(i32)",
    "ptr @mmap(ptr, i64, i32, i32, i32, i64)",
    "i32 @munmap(ptr, i64)",
    "i32 @memcmp(ptr, ptr, i64)",
)
"""Functions of the C library and of LLVM that are called; those of files where the weights lie beside."""

_SIGNALS = 128
"""Bytes of a set of signals, and of a set of processors, of the C library."""
_BLOCKED = (1 << 64) - 1 - sum(1 << number - 1 for number in (4, 5, 7, 8, 11))
"""Signals that workers do not take: all but SIGILL, SIGTRAP, SIGBUS, SIGFPE and SIGSEGV, which who raises them gets."""


def exported(shared: Shared) -> tuple[str, ...]:
    """The functions that others see, in the order of the header."""
    names = ["init", *(["init_level"] if len(shared.processors) > 1 else []), "run"]
    names += ["shapes", "workspace"] if shared.symbols else []
    return tuple(f"{shared.name}_{name}" for name in [*names, "free"])


def declared(shared: Shared) -> dict[str, str]:
    """What the functions call, {name: declaration}."""
    called = (*_FUNCTIONS, *(_FILES if shared.beside else ()))
    return {each.split("@")[1].split("(")[0]: f"declare {each}" for each in called}


def entry_text(shared: Shared, versions: Sequence[Version]) -> str:
    """All functions but the machine code of the versions themselves, and what they read."""
    symbols = len(shared.symbols)
    programs = ", ".join(f"ptr @program{number}" for number in range(len(versions)))
    parts = [
        _weights(shared),
        *(table_text(number, version, symbols) for number, version in enumerate(versions)),
        f"@programs = internal constant [{len(versions)} x ptr] [{programs}]\n",
        choice_text(shared.processors),
        TEAM,
        *(measure_text(number, version, shared) for number, version in enumerate(versions)),
        memory_text(symbols),
        _hire(),
        _make(shared),
        _init(shared),
        _compute(len(shared.inputs) + len(shared.outputs)),
        _run(shared),
        *([_shapes(shared), _workspace(shared)] if symbols else []),
        _free(shared),
    ]
    return "\n".join(parts)


def _weights(shared: Shared) -> str:
    """The weights' place in the object, or what maps a file and compares it."""
    if shared.identity is None:
        room = max(shared.weight_bytes, ALIGNMENT)
        kind = f"[{room} x i8] zeroinitializer"
        return f'@weights = internal externally_initialized global {kind}, section "{SECTION}", align {ALIGNMENT}\n'
    texts: list[str] = []
    for name, data in (("identity", shared.identity), ("sums", shared.sums)):
        held = "".join(f"\\{byte:02x}" for byte in data)
        texts.append(f'@{name} = internal constant [{len(data)} x i8] c"{held}", align 8\n')
    return "".join([*texts, _sound(), _map(HEADER_BYTES + shared.weight_bytes)])


def _sound() -> str:
    """`@sound(mapped, rows)`: whether the header and the sums are the expected ones."""
    lanes = f"<{LANES} x i64>"
    body = Body("internal i1 @sound(ptr %mapped, i64 %rows)")
    other = body.let(f"call i32 @memcmp(ptr %mapped, ptr @identity, i64 {HEADER_BYTES})")
    body.end_if(body.let(f"icmp ne i32 {other}, 0"), "false")
    words = body.item("i8", "%mapped", HEADER_BYTES)
    sums = body.reserve(f"[2 x {lanes}]")
    for number in range(2):
        body.write(lanes, "zeroinitializer", sums, number)
    with body.loop("%rows") as row:
        first = body.let(f"add {lanes} {body.read(lanes, sums)}, {body.read(lanes, words, row)}")
        body.write(lanes, first, sums)
        body.write(lanes, body.let(f"add {lanes} {body.read(lanes, sums, 1)}, {first}"), sums, 1)
    differs = body.let(f"call i32 @memcmp(ptr {sums}, ptr @sums, i64 {2 * ALIGNMENT})")
    body.end(body.let(f"icmp eq i32 {differs}, 0"))
    return body.text()


def _map(total: int) -> str:
    """`@map(path, place)`: maps a file of weights, or answers a code.

    Of Linux: O_RDONLY | O_CLOEXEC is 0x80000, SEEK_END 2, PROT_READ 1, MAP_PRIVATE 2.
    """
    body = Body("internal i32 @map(ptr %path, ptr %place)")
    file = body.let(f"call i32 (ptr, i32, ...) @open(ptr %path, i32 {0x80000})")
    body.end_if(body.let(f"icmp slt i32 {file}, 0"), code_of("FILE"))
    size = body.let(f"call i64 @lseek(i32 {file}, i64 0, i32 2)")
    with body.ending(body.let(f"icmp ne i64 {size}, {total}"), code_of("WEIGHTS")):
        body.let(f"call i32 @close(i32 {file})")
    mapped = body.let(f"call ptr @mmap(ptr null, i64 {total}, i32 1, i32 2, i32 {file}, i64 0)")
    body.let(f"call i32 @close(i32 {file})")
    body.end_if(body.let(f"icmp eq ptr {mapped}, inttoptr (i64 -1 to ptr)"), code_of("FILE"))
    sound = body.let(f"call i1 @sound(ptr {mapped}, i64 {(total - HEADER_BYTES) // ALIGNMENT})")
    with body.ending(body.let(f"xor i1 {sound}, true"), code_of("WEIGHTS")):
        body.let(f"call i32 @munmap(ptr {mapped}, i64 {total})")
    body.store("ptr", mapped, "%place")
    body.end(0)
    return body.text()


def _hire() -> str:
    """`@hire(model, threads)`: starts up to so many workers less one; where the system has fewer threads, fewer."""
    body = Call("internal void @hire(ptr %model, i64 %threads)")
    wanted = body.variable("i64", "%threads")
    signals = body.reserve(f"[{_SIGNALS} x i8]")
    before = body.reserve(f"[{_SIGNALS} x i8]")
    with body.when(body.let("icmp eq i64 %threads, 0")):
        body.let(f"call ptr @memset(ptr {before}, i32 0, i64 {_SIGNALS})")
        body.let(f"call i32 @sched_getaffinity(i32 0, i64 {_SIGNALS}, ptr {before})")
        with body.loop(_SIGNALS // 8) as number:
            body.bump(wanted, body.let(f"call i64 @llvm.ctpop.i64(i64 {body.read('i64', before, number)})"))
    workers = body.load("i64", wanted)
    body.hold("workers", "i64", "1")
    alone = body.of_program(body.of_model("program", "ptr"), "alone")
    body.end_if(body.any([f"icmp slt i64 {workers}, 2", f"icmp ne i64 {alone}, 0"]), "")
    mailboxes = body.let(f"add i64 {body.let(f'mul i64 {workers}, {MAILBOX}')}, {MAILBOXES}")
    bytes = body.let(f"add i64 {mailboxes}, {body.let(f'mul i64 {workers}, {MAILBOX}')}")
    team = body.let(f"call ptr @aligned_alloc(i64 {MAILBOX}, i64 {bytes})")
    body.end_if_null(team, "")
    body.let(f"call ptr @memset(ptr {team}, i32 0, i64 {bytes})")
    threads = body.item("i8", team, mailboxes)
    body.hold("team", "ptr", team)
    body.hold("threads", "ptr", threads)
    body.let(f"call ptr @memset(ptr {signals}, i32 -1, i64 {_SIGNALS})")
    body.write("i64", str(_BLOCKED), signals)
    body.let(f"call i32 @pthread_sigmask(i32 0, ptr {signals}, ptr {before})")
    with body.loop(workers, 1) as number, body.when(body.let(f"icmp eq i64 {body.of_model('workers')}, {number}")):
        mailbox = _mailbox(body, team, number)
        body.store("ptr", team, body.item("i8", mailbox, TEAM_PLACE))
        body.store("i64", number, body.item("i8", mailbox, NUMBER_PLACE))
        body.store("i32", body.let("call i32 @getpid()"), body.item("i8", mailbox, PROCESS_PLACE))
        thread = body.item("i64", threads, number)
        failed = body.let(f"call i32 @pthread_create(ptr {thread}, ptr null, ptr @work, ptr {mailbox})")
        with body.when(body.let(f"icmp eq i32 {failed}, 0")):
            body.hold("workers", "i64", body.let(f"add i64 {number}, 1"))
    body.let(f"call i32 @pthread_sigmask(i32 2, ptr {before}, ptr null)")
    body.end()
    return body.text()


def _mailbox(body: Body, team: str, number: str) -> str:
    return body.item("i8", body.item("i8", team, MAILBOXES), body.let(f"mul i64 {number}, {MAILBOX}"))


def _path(shared: Shared) -> str:
    """The parameter of functions that are told where the weights lie."""
    return "ptr %path, " if shared.beside else ""


def _make(shared: Shared) -> str:
    """`@make(place, path, threads, level)`: a model that runs the version of that level, or a code."""
    body = Call(f"internal i32 @make(ptr %place, {_path(shared)}i32 %threads, i64 %level)")
    body.end_if_null("%place", code_of("POINTER"))
    body.store("ptr", "null", "%place")
    if shared.beside:
        body.end_if_null("%path", code_of("POINTER"))
    body.end_if(body.let(f"icmp ugt i32 %threads, {MAX_THREADS}"), code_of("THREADS"))
    body.end_if(body.let(f"icmp uge i64 %level, {len(shared.processors)}"), code_of("PROCESSOR"))
    fits = body.let("call i1 @fits(i64 %level)")
    body.end_if(body.let(f"xor i1 {fits}, true"), code_of("PROCESSOR"))
    program = body.read("ptr", "@programs", "%level")
    total = body.of_program(program, "total")
    model = body.let(f"call ptr @aligned_alloc(i64 {ALIGNMENT}, i64 {total})")
    body.end_if_null(model, code_of("MEMORY"))
    body.let(f"call ptr @memset(ptr {model}, i32 0, i64 {total})")
    body.hold("program", "ptr", program, model)
    process = body.let("call i32 @getpid()")
    body.hold("process", "i64", body.let(f"zext i32 {process} to i64"), model)
    weights = "@weights"
    codes: list[str] = []
    if shared.beside:
        place = body.variable("ptr", "null")
        codes.append(body.let(f"call i32 @map(ptr %path, ptr {place})"))
        _give_up(body, codes[-1], model, shared.name)
        mapped = body.load("ptr", place)
        body.hold("mapped", "ptr", mapped, model)
        weights = body.item("i8", mapped, HEADER_BYTES)
    table, held = body.array(program, "table", model), body.of_program(program, "held", "ptr")
    count = body.of_program(program, "held_count")
    body.do(f"call void @place(ptr {table}, ptr {weights}, ptr {held}, i64 {count})")
    if not shared.symbols:
        _give_up(body, body.let(f"call i32 @arrange(ptr {model}, ptr null)"), model, shared.name)
    body.do(f"call void @hire(ptr {model}, i64 {body.let('zext i32 %threads to i64')})")
    body.store("ptr", model, "%place")
    body.end(0)
    return body.text()


def _give_up(body: Body, code: str, model: str, name: str) -> None:
    """Ends with a code, and gives back what was made, where there is one."""
    with body.ending(body.let(f"icmp ne i32 {code}, 0"), code):
        body.do(f"call void @{name}_free(ptr {model})")


def _init(shared: Shared) -> str:
    given = "ptr %place, " + ("ptr %path, " if shared.beside else "")
    body = Body(f"i32 @{shared.name}_init({given}i32 %threads)")
    level = body.let("call i64 @best()")
    body.end(body.let(f"call i32 @make({given}i32 %threads, i64 {level})"))
    if len(shared.processors) < 2:
        return body.text()
    chosen = Body(f"i32 @{shared.name}_init_level({given}i32 %threads, i32 %level)")
    wide = chosen.let("sext i32 %level to i64")
    chosen.end(chosen.let(f"call i32 @make({given}i32 %threads, i64 {wide})"))
    return body.text() + chosen.text()


def _compute(ports: int) -> str:
    """`@compute(model, ports)`: runs on the caller's arrays; the memory of the model is laid out for their sizes."""
    body = Call("internal i32 @compute(ptr %model, ptr %ports)")
    program = body.of_model("program", "ptr")
    table, nothing = body.array(program, "table"), body.array(program, "nothing")
    described = body.of_program(program, "ports", "ptr")
    bytes = body.item("i64", body.array(program, "bytes"), body.of_program(program, "planned_count"))
    with body.loop(ports) as number:
        place = body.item("ptr", "%ports", number)
        with body.when(body.is_null(body.load("ptr", place))):
            some = body.let(f"icmp ne i64 {body.read('i64', bytes, number)}, 0")
            body.end_if(some, code_of("POINTER"))
            body.store("ptr", nothing, place)
        pair = body.item("[2 x i64]", described, number)
        with body.when(body.let(f"icmp ne i64 {body.read('i64', pair, 1)}, 0")):
            body.write("ptr", body.load("ptr", place), table, body.read("i64", pair))
    _work(body, program, table)
    fault = body.of_program(program, "fault")
    with body.when(body.let(f"icmp sge i64 {fault}, 0")):
        said = body.read("i64", body.read("ptr", table, fault))
        body.end_if(body.let(f"icmp ne i64 {said}, 0"), body.let(f"trunc i64 {said} to i32"))
    with body.loop(ports) as number:
        pair = body.item("[2 x i64]", described, number)
        with body.when(body.let(f"icmp eq i64 {body.read('i64', pair, 1)}, 0")):
            target, source = body.read("ptr", "%ports", number), body.read("ptr", table, body.read("i64", pair))
            size = body.read("i64", bytes, number)
            body.do(f"call void @llvm.memmove.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")
    body.end(0)
    return body.text()


def _work(body: Call, program: str, table: str) -> None:
    """Runs the machine code: with the workers, or alone where there are none, as in a process that was forked off."""
    stretch, sizes = body.of_program(program, "stretch", "ptr"), body.array(program, "sizes")
    workers, team = body.of_model("workers"), body.of_model("team", "ptr")
    process = body.let("call i32 @getpid()")
    here = body.let(f"icmp eq i64 {body.let(f'zext i32 {process} to i64')}, {body.of_model('process')}")
    several = body.let(f"icmp sgt i64 {workers}, 1")
    together = body.let(f"and i1 {here}, {several}")
    with body.when(body.let(f"icmp ne ptr {stretch}, null")):
        with body.when(together):
            given = f"ptr {team}, ptr {stretch}, ptr {table}, ptr {sizes}, i64 {workers}"
            body.do(f"call void @launch({given})")
        with body.when(body.let(f"xor i1 {together}, true")):
            body.do(f"call void {stretch}(ptr {table}, ptr {sizes}, i64 0, i64 1, ptr null)")


def _run(shared: Shared) -> str:
    count = len(shared.inputs) + len(shared.outputs)
    parameters = ["ptr %model", *(["ptr %given"] if shared.symbols else []), *(f"ptr %p{n}" for n in range(count))]
    body = Call(f"i32 @{shared.name}_run({', '.join(parameters)})")
    body.end_if_null("%model", code_of("POINTER"))
    if shared.symbols:
        body.end_if_null("%given", code_of("POINTER"))
        last = body.array(body.of_model("program", "ptr"), "given")
        pairs = [(body.read("i64", "%given", n), body.read("i64", last, n)) for n in range(len(shared.symbols))]
        other = body.any([f"icmp eq i64 {body.of_model('arranged')}, 0", *(f"icmp ne i64 {a}, {b}" for a, b in pairs)])
        with body.when(other):
            code = body.let("call i32 @arrange(ptr %model, ptr %given)")
            body.end_if(body.let(f"icmp ne i32 {code}, 0"), code)
    ports = body.reserve(f"[{max(count, 1)} x ptr]")
    for number in range(count):
        body.write("ptr", f"%p{number}", ports, number)
    body.end(body.let(f"call i32 @compute(ptr %model, ptr {ports})"))
    return body.text()


def _shapes(shared: Shared) -> str:
    body = Body(f"i32 @{shared.name}_shapes(ptr %given, ptr %shapes)")
    body.end_if(body.any([f"icmp eq ptr {each}, null" for each in ("%given", "%shapes")]), code_of("POINTER"))
    measure = Measure(body, shared.symbols)
    measure.check(shared.symbols, shared.constraints)
    dims = [dim for port in (*shared.inputs, *shared.outputs) for dim in port.shape or ()]
    for index, dim in enumerate(dims):
        body.write("i64", measure.extent(dim), "%shapes", index)
    body.end(body.let(f"select i1 {measure.wrong}, i32 {code_of('SIZES')}, i32 0"))
    return body.text()


def _workspace(shared: Shared) -> str:
    body = Body(f"i64 @{shared.name}_workspace(ptr %model, ptr %given)")
    body.end_if(body.any([f"icmp eq ptr {each}, null" for each in ("%given", "%model")]), -code_of("POINTER"))
    body.end(body.let("call i64 @measured(ptr %model, ptr %given)"))
    return body.text()


def _free(shared: Shared) -> str:
    body = Call(f"void @{shared.name}_free(ptr %model)")
    body.end_if_null("%model", "")
    team, threads, workers = body.of_model("team", "ptr"), body.of_model("threads", "ptr"), body.of_model("workers")
    process = body.let("call i32 @getpid()")
    here = body.let(f"icmp eq i64 {body.let(f'zext i32 {process} to i64')}, {body.of_model('process')}")
    with body.when(here):
        for function in ("dismiss", "pthread_join"):
            with body.loop(workers, 1) as number:
                if function == "dismiss":
                    body.do(f"call void @dismiss(ptr {_mailbox(body, team, number)})")
                else:
                    body.let(f"call i32 @pthread_join(i64 {body.read('i64', threads, number)}, ptr null)")
    body.do(f"call void @free(ptr {team})")
    if shared.beside:
        mapped = body.of_model("mapped", "ptr")
        with body.when(body.let(f"icmp ne ptr {mapped}, null")):
            body.let(f"call i32 @munmap(ptr {mapped}, i64 {HEADER_BYTES + shared.weight_bytes})")
    body.do(f"call void @free(ptr {body.of_model('arena', 'ptr')})")
    body.do("call void @free(ptr %model)")
    body.end()
    return body.text()

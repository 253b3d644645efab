"""Where a model's temporary buffers lie, found while the model runs: sizes may be others in every call."""

from __future__ import annotations

from xir.backends.codegen.ahead._body import Body
from xir.backends.codegen.ahead._model import Call, code_of
from xir.backends.codegen.ahead._program import Shared, Version
from xir.backends.codegen.ahead._sizes import Measure
from xir.runtime.memory import ALIGNMENT


def memory_text(symbols: int) -> str:
    """`@arrange(model, given)`, which lays a model's memory out for sizes, and what it calls."""
    return "\n".join([_plan(), _place(), _arrange(symbols)])


def measure_text(number: int, version: Version, shared: Shared) -> str:
    """`@measureN(given, sizes, bytes)`: the table that machine code reads, and the bytes of all buffers; or a code."""
    body = Body(f"internal i32 @measure{number}(ptr %given, ptr %sizes, ptr %bytes)")
    measure = Measure(body, shared.symbols)
    measure.check(shared.symbols, shared.constraints)
    for index, dim in enumerate(version.sizes):
        body.write("i64", measure.size(dim), "%sizes", index)
    buffers = [(each.item, each.shape) for each in version.planned]
    buffers += [(each.item, each.shape) for each in version.given]
    for index, buffer in enumerate(buffers):
        body.write("i64", measure.bytes(*buffer), "%bytes", index)
    body.end(body.let(f"select i1 {measure.wrong}, i32 {code_of('SIZES')}, i32 0"))
    return body.text()


def _plan() -> str:
    """`@plan(lives, count, bytes, places)`: what `xir.runtime.memory.plan` does, in the same order."""
    body = Body("internal i64 @plan(ptr %lives, i64 %count, ptr %bytes, ptr %places)")
    total, best, start = (body.variable("i64", "0") for _ in range(3))
    most, moved = body.variable("i64", "0"), body.variable("i1", "false")
    with body.loop("%count") as number:
        body.write("i64", "-1", "%places", number)
    with body.loop("%count"):
        body.store("i64", "-1", most)
        with body.loop("%count") as number:
            size = body.read("i64", "%bytes", number)
            free = body.let(f"icmp slt i64 {body.read('i64', '%places', number)}, 0")
            more = body.let(f"icmp sgt i64 {size}, {body.load('i64', most)}")
            with body.when(body.let(f"and i1 {free}, {more}")):
                body.store("i64", size, most)
                body.store("i64", number, best)
        chosen = body.load("i64", best)
        body.store("i64", "0", start)
        body.store("i1", "true", moved)
        with body.repeat(moved), body.loop("%count") as other:
            begin = body.read("i64", "%places", other)
            with body.when(body.let(f"icmp sge i64 {begin}, 0")):
                end = body.let(f"add i64 {begin}, {_room(body, other)}")
                here = body.load("i64", start)
                after = body.let(f"add i64 {here}, {_room(body, chosen)}")
                apart = [f"icmp sle i64 {after}, {begin}", f"icmp sle i64 {end}, {here}"]
                apart += [f"icmp slt i64 {_life(body, chosen, 1)}, {_life(body, other, 0)}"]
                apart += [f"icmp slt i64 {_life(body, other, 1)}, {_life(body, chosen, 0)}"]
                fits = body.any(apart)
                with body.when(body.let(f"xor i1 {fits}, true")):
                    body.store("i64", end, start)
                    body.store("i1", "true", moved)
        place = body.load("i64", start)
        body.write("i64", place, "%places", chosen)
        end = body.let(f"add i64 {place}, {_room(body, chosen)}")
        with body.when(body.let(f"icmp sgt i64 {end}, {body.load('i64', total)}")):
            body.store("i64", end, total)
    body.end(body.load("i64", total))
    return body.text()


def _room(body: Body, number: str) -> str:
    """The bytes that a buffer takes; one without elements has a place, too."""
    size = body.read("i64", "%bytes", number)
    some = body.let(f"add i64 {body.let(f'call i64 @llvm.umax.i64(i64 {size}, i64 1)')}, {ALIGNMENT - 1}")
    return body.let(f"and i64 {some}, {-ALIGNMENT}")


def _life(body: Body, number: str, end: int) -> str:
    return body.read("i64", "%lives", body.let(f"add i64 {body.let(f'mul i64 {number}, 2')}, {end}"))


def _place() -> str:
    """`@place(table, base, pairs, count)`: for each pair (slot, offset) the table says `base + offset`."""
    body = Body("internal void @place(ptr %table, ptr %base, ptr %pairs, i64 %count)")
    with body.loop("%count") as number:
        pair = body.item("[2 x i64]", "%pairs", number)
        where = body.item("i8", "%base", body.read("i64", pair, 1))
        body.write("ptr", where, "%table", body.read("i64", pair))
    body.end()
    return body.text()


def _arrange(symbols: int) -> str:
    """`@measured(model, given)`: the bytes that a run needs, or a code below 0; `@arrange(model, given)`: a code."""
    body = Call("internal i64 @measured(ptr %model, ptr %given)")
    program = body.of_model("program", "ptr")
    body.hold("arranged", "i64", "0")
    measure = body.of_program(program, "measure", "ptr")
    sizes, bytes, places = (body.array(program, name) for name in ("sizes", "bytes", "places"))
    code = body.let(f"call i32 {measure}(ptr %given, ptr {sizes}, ptr {bytes})")
    below = body.let(f"sub i64 0, {body.let(f'zext i32 {code} to i64')}")
    body.end_if(body.let(f"icmp ne i32 {code}, 0"), below)
    lives, count = body.of_program(program, "lives", "ptr"), body.of_program(program, "planned_count")
    body.end(body.let(f"call i64 @plan(ptr {lives}, i64 {count}, ptr {bytes}, ptr {places})"))
    measured = body.text()

    body = Call("internal i32 @arrange(ptr %model, ptr %given)")
    program = body.of_model("program", "ptr")
    total = body.let("call i64 @measured(ptr %model, ptr %given)")
    code = body.let(f"trunc i64 {body.let(f'sub i64 0, {total}')} to i32")
    body.end_if(body.let(f"icmp slt i64 {total}, 0"), code)
    with body.when(body.let(f"icmp sgt i64 {total}, {body.of_model('capacity')}")):
        body.do(f"call void @free(ptr {body.of_model('arena', 'ptr')})")
        block = body.let(f"call ptr @aligned_alloc(i64 {ALIGNMENT}, i64 {total})")
        body.hold("arena", "ptr", block)
        body.hold("capacity", "i64", "0")
        body.end_if_null(block, code_of("MEMORY"))
        body.hold("capacity", "i64", total)
    arena, table = body.of_model("arena", "ptr"), body.array(program, "table")
    planned, places = body.of_program(program, "planned", "ptr"), body.array(program, "places")
    with body.loop(body.of_program(program, "planned_count")) as number:
        where = body.item("i8", arena, body.read("i64", places, number))
        body.write("ptr", where, table, body.read("i64", planned, number))
    given = body.array(program, "given")
    for place in range(symbols):
        body.write("i64", body.read("i64", "%given", place), given, place)
    body.hold("arranged", "i64", "1")
    body.end(0)
    return measured + body.text()

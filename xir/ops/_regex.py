"""Whether a text matches a regular expression as a whole, or where, in time linear in the text.

All states of the expression's program are followed at once, so that nothing is ever tried twice (K. Thompson, 'Regular
expression search algorithm', 1968; R. Cox, 'Regular expression matching: the virtual machine approach', 2009). For a
match of the whole text it does not matter what is greedy and what is captured; nor for the longest match. A search for
what backtracking would find first keeps the states in the order in which backtracking would try them.
"""

from __future__ import annotations

from xir.errors import UnsafeError
from xir.ops._regex_classes import is_word
from xir.ops._regex_parser import MAX_PROGRAM, Branch, Character, Check, Condition, Mark, Parser

_CACHE = 2_000
"""States of the automaton that are remembered."""

Marks = tuple[int, ...]
"""Where group 0, the match, begins and ends, then group 1 ..., -1 where a group has no part in it."""

_Threads = dict[int, Marks]
"""{state: marks on the way to it}, the preferred one first."""


class Pattern:
    """A regular expression that is ready to match.

    Attributes:
        groups: how many groups it has that capture.
    """

    def __init__(self, pattern: str, groups: int = 0) -> None:
        r"""Reads the expression; `search` tells the places of its first `groups` groups.

        Raises:
            InvalidModelError: it is no expression of RE2.
            UnsupportedError: it uses scripts of Unicode (`\p{Greek}`) or single bytes (`\C`).
            UnsafeError: its repetitions multiply to more than `MAX_PROGRAM` steps.
        """
        parser = Parser(pattern, groups)
        self._code = parser.program()
        self.groups = parser.captured
        self._marks = (-1,) * (2 * groups + 1)
        if len(self._code) > MAX_PROGRAM:
            raise UnsafeError(f"the pattern {pattern[:60]!r} becomes more than {MAX_PROGRAM} steps")
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._local = all(not isinstance(step, Check) for step in self._code)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        states = frozenset((0,))
        for place, character in enumerate(text):
            states = self._next(states, text, place, character)
            if not states:
                return False
        return len(self._code) in self._followed(dict.fromkeys(states, ()), text, len(text))

    def find(self, text: str, start: int) -> tuple[int, int] | None:
        r"""Where the leftmost match from `start` on begins and ends, the longest one that begins there; or None.

        What is looked at before and behind the match (`^`, `\b`) is the whole text.
        """
        best: tuple[int, int] | None = None
        threads: _Threads = {}
        for place in range(start, len(text) + 1):
            if best is None:
                threads.setdefault(0, (place,))
            found = self._followed(threads, text, place)
            begin = found.get(len(self._code), (place + 1,))[0]
            if begin <= (place if best is None else best[0]):
                best = (begin, place)
            threads = {
                state: marks
                for state, marks in self._taken(found, text, place).items()
                if best is None or marks[0] <= best[0]
            }
            if best is not None and not threads:
                break
        return best

    def search(self, text: str, start: int) -> Marks | None:
        """The leftmost match from `start` on, the one that backtracking would find first, and its groups; or None."""
        best: Marks | None = None
        threads: _Threads = {}
        for place in range(start, len(text) + 1):
            if best is None:
                threads.setdefault(0, (place, *self._marks))
            found = self._followed(threads, text, place)
            ended = found.get(len(self._code))
            if ended is not None:
                best = (ended[0], place, *ended[2:])
                ahead = list(found)[: list(found).index(len(self._code))]
                found = {state: found[state] for state in ahead}
            threads = self._taken(found, text, place)
            if best is not None and not threads:
                break
        return best

    def _taken(self, threads: _Threads, text: str, place: int) -> _Threads:
        """The threads that are left behind the character at `place`."""
        after: _Threads = {}
        for state, marks in threads.items():
            step = self._code[state] if state < len(self._code) and place < len(text) else None
            if isinstance(step, Character) and step.test(text[place]):
                after.setdefault(state + 1, marks)
        return after

    def _next(self, states: frozenset[int], text: str, place: int, character: str) -> frozenset[int]:
        """The states after one more character, before steps that take none."""
        key = (states, character)
        if self._local and key in self._known:
            return self._known[key]
        result = frozenset(self._taken(self._followed(dict.fromkeys(states, ()), text, place), text, place))
        if self._local and len(self._known) < _CACHE:
            self._known[key] = result
        return result

    def _followed(self, threads: _Threads, text: str, place: int) -> _Threads:
        """All states that steps which take no character lead to; the preferred thread takes a state."""
        found: _Threads = {}
        stack = list(reversed(threads.items()))
        while stack:
            state, marks = stack.pop()
            if state in found:
                continue
            found[state] = marks
            step = self._code[state] if state < len(self._code) else None
            match step:
                case Branch(first, second):
                    stack += ((state + second, marks), (state + first, marks))
                case Check(condition) if _holds(condition, text, place):
                    stack.append((state + 1, marks))
                case Mark(slot):
                    stack.append((state + 1, (*marks[:slot], place, *marks[slot + 1 :])))
                case _:
                    pass
        return found


def _holds(condition: Condition, text: str, place: int) -> bool:
    match condition:
        case "begin":
            return place == 0
        case "end":
            return place == len(text)
        case "line_begin":
            return place == 0 or text[place - 1] == "\n"
        case "line_end":
            return place == len(text) or text[place] == "\n"
        case _:
            before = place > 0 and is_word(text[place - 1])
            after = place < len(text) and is_word(text[place])
            return (before != after) == (condition == "boundary")

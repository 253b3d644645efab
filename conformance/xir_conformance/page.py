"""Reports as one HTML page that needs nothing else: no scripts, no fonts, no pictures from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

from xir_conformance.outcome import STATUSES, writable
from xir_conformance.report import Change, Report

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1c2024;
  background: #fff; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
th, td { border: 1px solid #d5d9de; padding: .2rem .6rem; text-align: left; vertical-align: top; }
th { background: #f3f5f7; position: sticky; top: 0; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.all { background: #d9f2df; } td.some { background: #fff1c9; } td.none { background: #fbd9d7; }
td.message { overflow-wrap: anywhere; font-size: 13px; }
code { font-size: 13px; } summary { cursor: pointer; font-weight: 600; padding: .3rem 0; }
.lost { color: #a40e26; } .gained { color: #116329; }
@media (prefers-color-scheme: dark) {
  body { background: #14171a; color: #e6e8ea; } th, td { border-color: #3a4046; } th { background: #22272b; }
  td.all { background: #17402a; } td.some { background: #4a3d12; } td.none { background: #5a1f1f; }
  .lost { color: #ff8a80; } .gained { color: #7ddf9a; } }
"""

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(report: Report, compared: Sequence[Change] | None = None) -> str:
    """The report as a page.

    Args:
        report: what was found.
        compared: what changed since an earlier report, None where there is none.
    """
    title = escape(f"Conformance: suite {report.suite}")
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        f"<p>{len(report.cases)} cases of {escape(report.version or report.suite)}, shard {escape(report.shard)}.</p>",
        *_totals(report),
        *([] if compared is None else _changes(compared)),
        *_matrix(report, "kinds", "Kinds of cases", report.by_kind),
        *_matrix(report, "operators", "Operators", report.by_operator),
        "<p>A case counts for every operator that its model holds.</p>",
        *(line for name in report.runs for line in _failures(report, name)),
        *_legend(),
        "</body></html>",
    ]
    return writable("\n".join(parts)) + "\n"


def _totals(report: Report) -> list[str]:
    rows = [
        [_cell(name), _cell(run.version), *(_number(count) for count in run.counts().values()), _number(run.seconds)]
        for name, run in report.runs.items()
    ]
    return _table("totals", ["runtime", "version", *STATUSES, "seconds"], rows)


def _matrix(report: Report, id: str, title: str, tally: Callable[[str], Mapping[str, tuple[int, int]]]) -> list[str]:
    columns = [tally(name) for name in report.runs]
    rows: list[list[str]] = []
    for group in columns[0] if columns else ():
        cells = [_cell(group)]
        for column in columns:
            passed, total = column[group]
            shade = "all" if passed == total else "some" if passed else "none"
            cells.append(f'<td class="number {shade}">{passed}/{total}</td>')
        rows.append(cells)
    return [f"<h2>{escape(title)}</h2>", *_table(id, [id, *report.runs], rows)]


def _failures(report: Report, runtime: str) -> list[str]:
    rows = [
        [
            f"<td><code>{escape(case.name)}</code></td>",
            _cell(outcome.status),
            f'<td class="message">{escape(outcome.message)}</td>',
            _cell(known or ""),
        ]
        for case, outcome, known in report.failures(runtime)
    ]
    specialized = [name for name, outcome in report.runs[runtime].outcomes.items() if outcome.note]
    return [
        f"<h2>Not passed: {escape(runtime)}</h2>",
        f"<details{' open' if len(rows) <= 100 else ''}><summary>{len(rows)} cases</summary>",
        *_table(f"failures-{runtime}", ["case", "status", "message", "known reason"], rows),
        "</details>",
        *_notes(report, runtime, specialized),
    ]


def _notes(report: Report, runtime: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    outcomes = report.runs[runtime].outcomes
    rows = [[f"<td><code>{escape(name)}</code></td>", _cell(outcomes[name].note)] for name in names]
    table = _table(f"notes-{runtime}", ["case", "note"], rows)
    return [f"<details><summary>{len(names)} cases with a note</summary>", *table, "</details>"]


def _changes(compared: Sequence[Change]) -> list[str]:
    lines = ["<h2>Since the earlier report</h2>"]
    for change in compared:
        lines.append(f'<h3>{escape(change.runtime)}</h3><ul class="changes">')
        for word, names in (
            ("lost", change.lost),
            ("gained", change.gained),
            ("new", change.new),
            ("gone", change.gone),
        ):
            lines.append(f'<li class="{word}">{len(names)} {word} {_codes(names)}</li>')
        ways = [f"<code>{escape(name)}</code> {escape(a)} → {escape(b)}" for name, a, b in change.changed]
        lines.append(f'<li class="changed">{len(ways)} changed {", ".join(ways)}</li></ul>')
    return lines


def _legend() -> list[str]:
    rows = [[_cell(status), _cell(meaning)] for status, meaning in STATUSES.items()]
    return ["<h2>What the words mean</h2>", *_table("legend", ["status", "meaning"], rows)]


def _table(id: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    lines = [f'<table id="{escape(id)}"><thead><tr>{titles}</tr></thead><tbody>']
    return [*lines, *(f"<tr>{''.join(row)}</tr>" for row in rows), "</tbody></table>"]


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _number(number: float) -> str:
    return f'<td class="number">{number:g}</td>'


def _codes(names: Sequence[str]) -> str:
    return ", ".join(f"<code>{escape(name)}</code>" for name in names)

"""A report to be shared: one HTML file with figures, curves and sample texts, and nothing from anywhere else.

Every text in it is escaped: a model's words and names of files come from anywhere. Paths on the machine are left out.
"""

import math
import os
from collections.abc import Iterable, Sequence
from datetime import date
from html import escape
from pathlib import Path

from chatdesk import __version__
from chatdesk.errors import Fault, UserError
from chatdesk.library.figures import short_count
from chatdesk.training.charts import Line, chart, legend
from chatdesk.training.curves import Curves
from chatdesk.training.measures import Findings

_MOST_SAMPLES = 60

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1d1d1f; --soft: #6b6b70; --line: #e4e4e8; --box: #f6f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --back: #1b1b1e; --text: #e8e8ea; --soft: #a0a0a8; --line: #37373d; --box: #242429; }
}
body { background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 60rem; padding: 32px 24px 64px; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 40px 0 8px; }
p.about, figcaption, .legend { color: var(--soft); font-size: .9rem; }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: 8px 12px 8px 0; text-align: left; vertical-align: top; }
th { font-weight: 600; } td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
td.best { font-weight: 600; } td.text { white-space: pre-wrap; overflow-wrap: anywhere; }
.charts { display: grid; gap: 24px; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
figure { margin: 0; } svg { color: var(--text) !important; height: auto; width: 100%; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; margin: 8px 0 0; padding: 0; }
.legend span { display: inline-block; margin-right: 6px; vertical-align: middle; width: 22px; }
""".strip()


def write_report(file: Path, findings: Sequence[Findings], curves: Sequence[Curves] = (), text: str = "") -> None:
    """Write the report, whole or not at all. ``text``: names of what was measured on. Raises CANNOT_WRITE."""
    half = file.with_name(file.name + ".part")
    try:
        half.write_bytes(html_report(findings, curves, text).encode("utf-8", "replace"))
        os.replace(half, file)
    except OSError as error:
        raise UserError(Fault.CANNOT_WRITE, path=file, reason=error.strerror or error) from None


def html_report(findings: Sequence[Findings], curves: Sequence[Curves] = (), text: str = "") -> str:
    """The report as HTML."""
    names = [each.model for each in findings] or [each.name for each in curves]
    title = escape(" and ".join(dict.fromkeys(names)) or "Report")
    body = [
        f"<h1>{title}</h1>",
        f'<p class="about">{date.today().isoformat()} · chatdesk {__version__}'
        + (f" · measured on {escape(text)}" if text else "")
        + "</p>",
        *_figures(findings),
        *_charts(curves),
        *_samples(findings),
        *_written(curves),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>\n{_STYLE}\n</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


Row = tuple[str, str, list[float | None], int]
"""A measure, the form of its figures, the figure of each model; 1 or -1 where more or less is better, else 0."""


def _rows(findings: Sequence[Findings]) -> list[Row]:
    def figures(part: str, name: str) -> list[float | None]:
        found = [getattr(each, part) for each in findings]
        return [None if each is None else getattr(each, name) for each in found]

    varied = [each.diversity for each in findings]
    distinct = [[None if each is None else each.distinct[n] for each in varied] for n in range(3)]
    rows: list[Row] = [
        ("Bits per byte", ".4f", figures("evaluation", "bits_per_byte"), -1),
        ("Perplexity", ".3f", figures("evaluation", "perplexity"), 0),
        ("Loss, nats a token", ".4f", figures("evaluation", "loss"), 0),
        ("Last words right", ".1%", figures("last_words", "accuracy"), 1),
        ("Perplexity of last words", ".2f", figures("last_words", "perplexity"), -1),
        *((f"distinct-{n}", ".3f", found, 0) for n, found in enumerate(distinct, 1)),
        ("self-BLEU-4", ".3f", figures("diversity", "self_bleu"), 0),
        ("Repeated 4-grams", ".1%", figures("diversity", "repetition"), 0),
        ("8-grams copied from training", ".2%", figures("diversity", "copied"), 0),
    ]
    return [row for row in rows if any(figure is not None for figure in row[2])]


def _figures(findings: Sequence[Findings]) -> Iterable[str]:
    if not findings:
        return
    heads = "".join(
        f"<th>{escape(each.model)}<br><small>{short_count(each.parameters)} parameters</small></th>"
        for each in findings
    )
    yield f'<h2>Figures</h2><div class="wide"><table><tr><th></th>{heads}</tr>'
    for name, form, figures, better in _rows(findings):
        known = [figure for figure in figures if figure is not None and math.isfinite(figure)]
        best = (max(known) if better > 0 else min(known)) if better and len(set(known)) > 1 else None
        cells = "".join(
            f'<td class="number{" best" if figure is not None and figure == best else ""}">'
            f"{'–' if figure is None else format(figure, form)}</td>"
            for figure in figures
        )
        yield f"<tr><td>{name}</td>{cells}</tr>"
    yield "</table></div>"
    yield (
        '<p class="about">Perplexities compare between models of one tokenizer alone; bits per byte compare always. '
        "distinct-n: different n-grams of words over all. self-BLEU: how alike the samples are, 1 is all the same. "
        "Repeated: 4-grams that a sample has had before.</p>"
    )


def _charts(curves: Sequence[Curves]) -> Iterable[str]:
    if not curves:
        return
    yield '<h2>Training</h2><div class="charts">'
    marks = curves[0].stages if len(curves) == 1 and len(curves[0].stages) > 1 else ()
    several = len(curves) > 1
    losses = [Line(f"{each.name}: loss" if several else "loss", each.loss, 2 * i) for i, each in enumerate(curves)]
    losses += [
        Line(f"{each.name}: held-out loss" if several else "held-out loss", each.held_out, 2 * i + 1, is_dotted=True)
        for i, each in enumerate(curves)
    ]
    rates = [Line(each.name, each.rate, 2 * i) for i, each in enumerate(curves)]
    speeds = [Line(each.name, each.speed, 2 * i) for i, each in enumerate(curves)]
    for title, lines in (
        ("Loss, nats a token", losses),
        ("Learning rate", rates),
        ("Speed, tokens a second", speeds),
    ):
        named = legend(lines) if several or lines is losses else ""
        drawn = chart(title, lines, "tokens shown", marks)
        yield f"<figure><figcaption>{title}</figcaption>{drawn}{named}</figure>"
    yield "</div>"


def _samples(findings: Sequence[Findings]) -> Iterable[str]:
    if not any(each.samples for each in findings):
        return
    heads = "".join(f"<th>{escape(each.model)}</th>" for each in findings)
    yield f'<h2>Samples</h2><div class="wide"><table><tr><th>Prompt</th>{heads}</tr>'
    rows = list(zip(*(each.samples for each in findings), strict=True))
    for row in rows[:_MOST_SAMPLES]:
        cells = "".join(f'<td class="text">{escape(sample.text.strip())}</td>' for sample in row)
        yield f'<tr><td class="text">{escape(row[0].prompt)}</td>{cells}</tr>'
    yield "</table></div>"
    if len(rows) > _MOST_SAMPLES:
        yield f'<p class="about">The first {_MOST_SAMPLES} of {len(rows)} samples.</p>'


def _written(curves: Sequence[Curves]) -> Iterable[str]:
    for each in curves:
        if not each.written:
            continue
        yield f"<h2>On the way: {escape(each.name)}</h2>"
        yield '<div class="wide"><table><tr><th>Step</th><th>Prompt</th><th>Text</th></tr>'
        for text in each.written[-_MOST_SAMPLES:]:
            yield (
                f'<tr><td class="number">{escape(text.stage)} {text.step:,}</td><td class="text">{escape(text.prompt)}'
                f'</td><td class="text">{escape(text.text.strip())}</td></tr>'
            )
        yield "</table></div>"

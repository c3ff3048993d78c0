"""The report: well formed, self-contained, every strange text escaped, the curves where they belong."""

import json
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.training import errand_worker, measures
from chatdesk.training.charts import Line, chart
from chatdesk.training.curves import read_curves
from chatdesk.training.diversity import Diversity
from chatdesk.training.errands import Judge
from chatdesk.training.evaluate import Evaluation
from chatdesk.training.html_report import html_report, write_report
from chatdesk.training.measures import Findings
from chatdesk.training.samples import Sample

NASTY = '<script>alert("1")</script><img src=http://x/y onerror=z>&amp;'


def _stepped(stage: str, step: int, tokens: int, loss: float) -> dict[str, object]:
    about = {"steps": 9, "learning_rate": 1e-3, "tokens_per_second": 500.0}
    return {"type": "Stepped", "stage": stage, "step": step, "tokens": tokens, "loss": loss, **about}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / f"run {NASTY[:8]}"
    folder.mkdir()
    events = [
        {"type": "Began", "parameters": 1, "tokens_total": 9, "tokens_done": 0},
        _stepped("one", 2, 200, 5.0),
        {"type": "HeldOut", "stage": "one", "step": 3, "loss": 4.6},
        _stepped("one", 4, 400, 4.5),
        _stepped("one", 3, 300, 4.7),  # after a kill
        {"type": "Sampled", "stage": "one", "step": 3, "prompt": "Once", "text": NASTY},
        _stepped("one", 4, 400, 4.4),
        _stepped("two", 1, 450, 4.0),
        {"type": "HeldOut", "stage": "two", "step": 2, "loss": 3.5},
        _stepped("two", 2, 500, 3.9),
        {"type": "NewerThanThisProgram"},
    ]
    (folder / "events.jsonl").write_text("\n".join(map(json.dumps, events)) + '\n{"type": "Step')
    return folder


def _findings(name: str, bits: float) -> Findings:
    told = Evaluation(10, 40, 2.0, 7.389, bits, 24, 12)
    varied = Diversity(1, 4, (1.0, None, None), None, None, 0.25)
    return Findings(name, 1000, told, varied, None, (Sample(NASTY, NASTY),))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_curves_of_a_killed_run(run: Path) -> None:
    curves = read_curves(run)
    assert curves.loss == ((200, 5.0), (300, 4.7), (400, 4.4), (450, 4.0), (500, 3.9))
    assert curves.held_out == ((300, 4.6), (500, 3.5))
    assert curves.stages == (("one", 400), ("two", 500))


def test_the_report_brings_nothing_from_elsewhere(run: Path, tmp_path: Path) -> None:
    write_report(tmp_path / "x.html", [_findings(NASTY, 1.5), _findings("other", 1.25)], [read_curves(run)], NASTY)
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    tags = _Tags()
    tags.feed(text)
    names = {tag for tag, _ in tags.found}
    assert names.isdisjoint({"script", "img", "link", "iframe", "object", "a"})
    assert not any(key.startswith("on") or key in ("src", "href") for _, attrs in tags.found for key in attrs)
    assert NASTY not in text
    assert text.count("&lt;script&gt;") >= 6
    assert '<td class="number">1.5000</td><td class="number best">1.2500</td>' in text
    assert str(tmp_path) not in text


def test_charts_are_svg_with_the_points_in_place() -> None:
    drawn = chart("Loss <1>", [Line("a & b", [(0, 1.0), (100, 2.0)], 0)], "tokens", [("end", 50)])
    root = ElementTree.fromstring(drawn)
    places = root.find(".//{*}polyline").get("points").split()
    (left, bottom), (right, top) = ([float(n) for n in place.split(",")] for place in places)
    assert left < right
    assert top < bottom
    assert root.find("{*}title").text == "Loss <1>"
    spike = [(0, 1000.0), *((float(x), 2.0 + x % 3) for x in range(1, 60))]
    top = min(float(place.split(",")[1]) for place in ElementTree.fromstring(
        chart("spike", [Line("a", spike, 0)], "x")).find(".//{*}polyline").get("points").split())  # fmt: skip
    assert top == 12.0  # cut off at the top of the chart
    assert chart("none", [Line("a", [], 0)], "tokens") == ""
    for value in (0.0, 1e-9, 5e8, 5e-324, -5e-324, 1.7e308, float("nan"), float("inf")):
        flat = chart("flat", [Line("a", [(0, value), (0, value)], 0)], "x")
        assert ElementTree.fromstring(flat) is not None


def test_a_run_without_steps_is_judged_without_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "events.jsonl").write_text('{"type": "Began", "parameters": 1, "tokens_total": 9, "tokens_done": 0}\n')
    monkeypatch.setattr(measures, "measure", lambda models, wanted, tell, adapters: [_findings("judged", 1.5)])
    html = tmp_path / "report.html"
    errand = Judge(str(tmp_path), (str(tmp_path / "held-out.jsonl"),), (), str(tmp_path), str(html))
    done = errand_worker.judge(errand, lambda what, done, total: None)
    assert done.result["bits_per_byte"] == 1.5
    assert "<h2>Training</h2>" not in html.read_text(encoding="utf-8")


def test_what_cannot_be_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_curves(tmp_path)
    assert caught.value.fault == Fault.FILE_NOT_FOUND
    (tmp_path / "events.jsonl").write_text("")
    with pytest.raises(UserError) as caught:
        read_curves(tmp_path)
    assert caught.value.fault == Fault.NO_TEXT
    with pytest.raises(UserError) as caught:
        write_report(tmp_path / "none" / "x.html", [])
    assert caught.value.fault == Fault.CANNOT_WRITE
    assert "Report" in html_report([])

"""The child process that renders templates of strangers: its limits, and its ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

from chatdesk.engine import template_child
from chatdesk.engine.child import child_environment
from chatdesk.engine.local import templates
from chatdesk.engine.local.templates import RENDER_S, TemplateError, TemplateRenderer

HOSTILE = {
    "endless loop": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "huge string": "{{ 'a' * 5000000000 }}",
    "much text": "{% for i in range(90000) %}{{ 'abcdefghijklmnopqrstuvwxyz' }}{% endfor %}",
    "much memory": "{% set n = namespace(x='aaaa') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ raise_exception.__globals__['sys'].modules }}",
    "init": "{{ cycler.__init__.__globals__.os.popen('touch CANARY').read() }}",
    "attr": "{{ (messages|attr('__class__'))|attr('__base__') }}{{ lipsum.__globals__['os'].system('touch CANARY') }}",
    "format": "{{ '{0.__class__.__init__.__globals__}'.format(strftime_now).x }}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "syntax": "{% for %}",
    "undefined call": "{{ nothing() }}",
    "mutation": "{{ messages.append(1) }}",
    "include": "{% include '/etc/passwd' %}",
    "half a character": r"{{ '\ud800' }}",
    "import": "{% import 'os' as os %}{{ os.system('touch CANARY') }}",
}


def test_a_template_is_compiled_once():
    """Not at every turn: that takes longer than to render it. What it renders is its own each time."""
    made = template_child.environment()
    text = "{% set n = namespace(x=0) %}{% for m in messages %}{% set n.x = n.x + 1 %}{{ n.x }}{% endfor %}"
    before = template_child.compiled.cache_info().misses
    assert [template_child.render(made, text, {"messages": "ab"}) for _ in range(2)] == ["12", "12"]
    assert template_child.compiled.cache_info().misses == before + 1


def test_a_child_that_somebody_else_has_ended():
    """Is started again; nobody notices."""
    renderer = TemplateRenderer({})
    assert renderer.render("{{ 1 + 1 }}", [], add_generation_prompt=True) == "2"
    renderer._child.kill()
    renderer._child.wait()
    assert renderer.render("{{ 2 + 2 }}", [], add_generation_prompt=True) == "4"
    renderer.close()


@pytest.mark.skipif(sys.platform == "win32", reason="has other groups")
def test_ctrl_c_in_a_terminal_is_not_for_the_child():
    """It goes to all that runs in the foreground there, also while the child is starting."""
    renderer = TemplateRenderer({})
    renderer.start()
    child = renderer._child
    assert os.getpgid(child.pid) != os.getpgid(0)
    assert renderer.render("{{ 1 }}", [], add_generation_prompt=True) == "1"
    child.send_signal(signal.SIGINT)
    assert renderer.render("{{ 2 }}", [], add_generation_prompt=True) == "2"
    assert renderer._child is child
    renderer.close()


def test_ctrl_c_while_a_template_is_rendered(monkeypatch):
    """The answer that was not read is not the answer to the next question."""
    renderer = TemplateRenderer({})
    renderer.render("{{ 1 }}", [], add_generation_prompt=True)
    monkeypatch.setattr(templates, "_read_answer", interrupt)
    with pytest.raises(KeyboardInterrupt):
        renderer.render("{{ 2 }}", [], add_generation_prompt=True)
    monkeypatch.undo()
    assert renderer.render("{{ 3 }}", [], add_generation_prompt=True) == "3"
    renderer.close()


def interrupt(*_):
    raise KeyboardInterrupt


ALONE = """
import sys
from chatdesk.engine import template_child
template_child.MAX_SECONDS = 0.5
template_child.main()
"""


def test_a_template_without_an_end_ends_by_itself():
    """Where its parent has gone and can end it no more."""
    child = subprocess.Popen(
        [sys.executable, "-c", ALONE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child_environment(None),
    )
    template_child.write_frame(child.stdin, {"template": HOSTILE["endless loop"], "variables": {}})
    try:
        assert child.wait(30) == 1
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_templates(name, tmp_path, monkeypatch):
    """Each ends with the fault within the limits, runs nothing, and leaves no child behind."""
    monkeypatch.chdir(tmp_path)
    renderer = TemplateRenderer({})
    renderer.start()
    child = renderer._child
    started = time.perf_counter()
    with pytest.raises(TemplateError) as caught:
        renderer.render(HOSTILE[name], [{"role": "user", "content": "Hi"}], add_generation_prompt=True)
    assert time.perf_counter() - started < RENDER_S + 15  # the start of the child on a busy machine
    assert str(caught.value)
    assert list(tmp_path.iterdir()) == []
    renderer.close()
    assert child is not None
    assert child.returncode is not None


def test_a_good_template_after_a_hostile_one(monkeypatch):
    """A child that was ended is started again."""
    monkeypatch.setattr(templates, "RENDER_S", 0.5)
    renderer = TemplateRenderer({})
    with pytest.raises(TemplateError, match=r"longer than 0\.5 s"):
        renderer.render(HOSTILE["endless loop"], [], add_generation_prompt=True)
    monkeypatch.undo()
    assert renderer.render("{{ messages | length }}", [{}, {}], add_generation_prompt=False) == "2"
    renderer.close()

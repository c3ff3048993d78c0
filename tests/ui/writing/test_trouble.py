from chatdesk.errors import Fault
from chatdesk.tasks.changes import ModelChanged, Notice
from chatdesk.ui.writing.trouble import Trouble

WRONG = Notice(Fault.NOT_A_CHECKPOINT, {"path": "/models/wrong", "reason": "it holds no files"}, "choose_model")


def test_what_is_said_of_a_missing_model_follows_the_models_that_are_chosen(qtbot):
    line = Trouble()
    qtbot.addWidget(line)
    line.say(Notice(Fault.NO_MODEL, {}, "choose_model"))
    line.follow(ModelChanged("loading", "wrong"))
    assert "No model is loaded" in line.text()
    line.follow(ModelChanged("failed", "wrong", notice=WRONG))
    assert "/models/wrong is not a checkpoint" in line.text()
    line.follow(ModelChanged("ready", "tiny"))
    assert line.text() == ""
    assert line.isHidden()


def test_what_is_said_of_anything_else_stays_when_a_model_is_chosen(qtbot):
    line = Trouble()
    qtbot.addWidget(line)
    line.say(Notice(Fault.EMPTY_PROMPT, {}))
    line.follow(ModelChanged("ready", "tiny"))
    assert "The prompt is empty" in line.text()
    line.say(None)
    assert line.isHidden()

"""From an empty profile to a vote with the keyboard alone, and where Tab leads on the way."""

import json
import queue
import sys
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QFileDialog, QLineEdit

from chatdesk.tasks.lab import Commands, Lab
from chatdesk.training.errands import Done, Going
from chatdesk.training.events import Began, Finished, Paused, Saved, Stepped
from tests.ui import walking
from tests.ui.lab.test_lab_page import FAKE, REPORT
from tests.ui.walking import focus, press, tab_to

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)

"""All tasks together: what the window is given."""

from dataclasses import dataclass

from chatdesk.tasks.bench import Bench
from chatdesk.tasks.chat import Chat
from chatdesk.tasks.classifying import Classifier
from chatdesk.tasks.downloads import Downloads
from chatdesk.tasks.hub import Hub
from chatdesk.tasks.inspect import Inspect
from chatdesk.tasks.lab import Lab
from chatdesk.tasks.models import Models
from chatdesk.tasks.prompts import Prompts
from chatdesk.tasks.shelf import Shelf
from chatdesk.tasks.writing import Writing


@dataclass(frozen=True)
class Tasks:
    """One of each."""

    chat: Chat
    models: Models
    shelf: Shelf
    prompts: Prompts
    hub: Hub
    downloads: Downloads
    bench: Bench
    writing: Writing
    inspect: Inspect
    classifier: Classifier
    lab: Lab

"""chatdesk: a desktop chat application for language models of your own."""

__version__ = "0.1.0"

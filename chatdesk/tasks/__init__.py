"""What a person can do, over the engine's protocol and the store, without Qt.

A task is told what happens (`on_event`, results of the store) on one thread, the window's, and says what it changed
through one callback with the records of `changes`. It never blocks and never touches a widget.
"""

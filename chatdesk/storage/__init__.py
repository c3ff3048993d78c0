"""Conversations on disk: nothing a person typed is ever lost. See ARCHITECTURE.md.

``store`` is the door: a thread that owns the only connection. Non-goals here: application settings, documents,
export and import.
"""

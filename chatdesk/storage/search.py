"""Searching titles and messages: all conversations at once, or the shown branch of one.

Notes. Of a query that very much fits, the newest `_RANKED` messages are ranked and the others follow by age, so that
one letter costs no more than a rare word. Of attachments the names are searched, not the texts.
"""

import time

from chatdesk.storage.index import searched
from chatdesk.storage.messages import LIVE, Messages
from chatdesk.storage.records import Hit
from chatdesk.storage.words import Query, query, ranges, snippet

_RANKED = 500
_MONTH_S = 30 * 86400.0

_TITLES = """
SELECT conversations.id, title_search.rowid, changed_at, bm25(title_search)
FROM title_search CROSS JOIN conversations ON conversations.number = title_search.rowid
WHERE title_search MATCH ? AND deleted_at IS NULL ORDER BY title_search.rowid DESC LIMIT ?"""
_MESSAGES = f"""
SELECT messages.id, messages.number, messages.created_at, bm25(message_search)
FROM message_search CROSS JOIN messages ON messages.number = message_search.rowid
CROSS JOIN conversations ON conversations.id = messages.conversation_id
WHERE message_search MATCH ? AND deleted_at IS NULL AND {LIVE} ORDER BY message_search.rowid DESC LIMIT ?"""


class Search(Messages):
    """The searches."""

    def search(self, text: str, limit: int = 50, offset: int = 0) -> list[Hit]:
        """Conversations and messages that fit a query, titles first, then the best; nothing from the trash.

        All words must be there, in any order, the last may be unfinished, "quotes" make a phrase; case and accents do
        not count. The rank is FTS5's bm25, up to doubled for what is new. A page may be shorter than ``limit``.
        """
        asked = query(text)
        if not asked.expression:
            return []
        wanted = offset + limit
        titles = self._index.whole(lambda: self._ranked(_TITLES, asked, wanted))
        messages = self._index.whole(lambda: self._ranked(_MESSAGES, asked, max(0, wanted - len(titles))))
        page = [(id, True) for id in titles] + [(id, False) for id in messages]
        hits = [
            self._title_hit(id, asked) if is_title else self._hit(id, asked) for id, is_title in page[offset:][:limit]
        ]
        return [hit for hit in hits if hit is not None]

    def _ranked(self, sql: str, asked: Query, wanted: int) -> list[str]:
        """Ids, best first; the order does not depend on how many are wanted."""
        found = self._database.query(sql, asked.expression, max(wanted, _RANKED))
        now = time.time()

        def rank(row: tuple[str, int, float, float]) -> float:
            _, _, at, bm25 = row  # smaller is better, and below zero
            return bm25 * (1 + 1 / (1 + max(0.0, now - at) / _MONTH_S))

        return [row[0] for row in (*sorted(found[:_RANKED], key=rank), *found[_RANKED:])]

    def _title_hit(self, id: str, asked: Query) -> Hit | None:
        found = self.get(id)
        matches = ranges(found.title, asked.patterns)
        return Hit(id, found.title, None, None, found.title, tuple(matches), found.changed_at) if matches else None

    def _hit(self, id: str, asked: Query) -> Hit | None:
        """None where the index is of a message that is no longer there, under the number of another."""
        ((conversation_id, title, role, at, *found),) = self._database.query(
            "SELECT conversation_id, title, role, messages.created_at, text, attachments FROM messages "
            "JOIN conversations ON conversations.id = conversation_id WHERE messages.id = ?",
            id,
        )
        text = searched(*found)
        matches = ranges(text, asked.patterns)
        if not matches:
            return None
        line, places = snippet(text, matches)
        return Hit(conversation_id, title, id, role, line, places, at)

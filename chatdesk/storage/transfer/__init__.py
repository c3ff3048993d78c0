"""In and out: conversations as files, and other programs' files as conversations.

Out: on the storage thread `collect` takes frozen trees from the store; `markdown`, `html` and `native` (JSON) turn them
into files on any other thread. In: `reading.read` parses a file, a zip or a folder on any other thread; on the storage
thread `store.store` writes what was found in one transaction. So the window never waits for a parser or a renderer.

Non-goals: pins, unsent drafts, what is in the trash, and the token ids of replies do not travel (ids are valid for one
checkpoint only; text can be encoded again). PDF is Qt's printer over ``html.document(…, printable=True)``.
"""

"""Small files as other programs write them, made by hand after their formats; each function gives a fresh one."""

import json

from chatdesk.errors import UserError

QUESTION, ANSWER, OTHER = "What is **salt**?", "Sodium chloride.", "A mineral, NaCl."


def chatgpt():
    """One conversation with two versions of an answer, a tool call, a thought, an image and custom instructions."""

    def node(id, parent, message=None):
        return {"id": id, "message": message, "parent": parent, "children": []}

    def message(role, parts, time, **more):
        content = {"content_type": "text", "parts": parts}
        return {"author": {"role": role}, "create_time": time, "content": content, "recipient": "all"} | more

    thought = {"content_type": "thoughts", "thoughts": [{"summary": "s", "content": "hidden thought"}]}
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}
    code = {"content_type": "code", "language": "python", "text": "print(1)"}
    stop = {"model_slug": "gpt-4o", "finish_details": {"type": "stop"}}
    nodes = [
        node("root", None),
        node("sys", "root", message("system", ["Be brief."], None)),
        node("q", "sys", message("user", [QUESTION], 100.0)),
        node("a1", "q", message("assistant", [ANSWER], 101.0, metadata=stop)),
        node("think", "q", message("assistant", [], 102.0) | {"content": thought}),
        node("call", "think", message("assistant", ["search"], 103.0, recipient="browser")),
        node("tool", "call", message("tool", ["found"], 104.0)),
        node("a2", "tool", message("assistant", [OTHER], 105.0)),
        node("q2", "a2", message("user", [picture, "And this?"], 106.0)),
        node("a3", "q2", message("assistant", [], 107.0) | {"content": code}),
    ]
    mapping = {node["id"]: node for node in nodes}
    for node in nodes:
        if node["parent"]:
            mapping[node["parent"]]["children"].append(node["id"])
    return [
        {
            "title": "Salt",
            "create_time": 99.5,
            "update_time": 107.0,
            "mapping": mapping,
            "current_node": "a3",
            "conversation_id": "11111111-2222-3333-4444-555555555555",
        }
    ]


def open_webui():
    """One chat with two versions of an answer, one with folded reasoning."""
    folded = f'<details type="reasoning" done="true"><summary>Thought</summary>\n> hm\n</details>\n{OTHER}'
    messages = {
        "q": {"id": "q", "parentId": None, "childrenIds": ["a1", "a2"], "role": "user", "content": QUESTION},
        "a1": {"id": "a1", "parentId": "q", "childrenIds": [], "role": "assistant", "content": ANSWER, "model": "m:1b"},
        "a2": {"id": "a2", "parentId": "q", "childrenIds": ["q2"], "role": "assistant", "content": folded},
        "q2": {"id": "q2", "parentId": "a2", "childrenIds": [], "role": "user", "content": "Thanks", "files": []},
    }
    for number, message in enumerate(messages.values()):
        message["timestamp"] = 1_700_000_000 + number
    chat = {"title": "Salt", "models": ["m:1b"], "params": {"system": "Be brief."}, "messages": []}
    chat["history"] = {"messages": messages, "currentId": "q2"}
    return [{"id": "chat-1", "title": "Salt", "chat": chat, "created_at": 1_700_000_000, "updated_at": 1_700_000_009}]


def lm_studio():
    """One conversation with two versions of an answer; the second, with a thinking block, is selected."""

    def text(value):
        return [{"type": "text", "text": value}]

    def user(value):
        return {"versions": [{"type": "singleStep", "role": "user", "content": text(value)}], "currentlySelected": 0}

    thinking = {"type": "contentBlock", "style": {"type": "thinking"}, "content": text("hidden thought")}
    block = {"type": "contentBlock", "content": text(OTHER), "genInfo": {"stats": {"stopReason": "eosFound"}}}
    answers = [
        {"type": "multiStep", "role": "assistant", "steps": [{"type": "contentBlock", "content": text(ANSWER)}]},
        {"type": "multiStep", "role": "assistant", "steps": [thinking, block, {"type": "debugInfoBlock"}]},
    ]
    for answer in answers:
        answer["senderInfo"] = {"senderName": "some/model"}
    fields = {"fields": [{"key": "llm.prediction.systemPrompt", "value": "Be brief."}]}
    return {
        "name": "Salt",
        "createdAt": 1_736_789_912_980,
        "messages": [user(QUESTION), {"versions": answers, "currentlySelected": 1}, user("Thanks")],
        "perChatPredictionConfig": fields,
        "systemPrompt": "",
    }


def jan_thread():
    """``thread.json``."""
    assistant = {"id": "jan", "instructions": "Be brief.", "model": {"id": "some-model"}}
    return {
        "id": "jan_1704487430",
        "object": "thread",
        "title": "Salt",
        "assistants": [assistant],
        "created": 1704487430,
    }


def jan_messages():
    """The lines of ``messages.jsonl``."""

    def line(id, role, text, time):
        content = [{"type": "text", "text": {"value": text, "annotations": []}}]
        return {"id": id, "object": "thread.message", "role": role, "content": content, "created_at": time}

    return [line("1", "user", QUESTION, 1704487430123), line("2", "assistant", ANSWER, 1704487431123)]


def jan_in_one():
    """A thread with its messages."""
    return jan_thread() | {"messages": jan_messages()}


def jan_folder(folder):
    """The two files in a folder of their own."""
    folder.mkdir(parents=True)
    (folder / "thread.json").write_text(json.dumps(jan_thread()), encoding="utf-8")
    lines = "".join(f"{json.dumps(message)}\n" for message in jan_messages())
    (folder / "messages.jsonl").write_text(lines, encoding="utf-8")
    return folder


def outcome(work, *values):
    """What it returns, or the `UserError` it raises."""
    try:
        return work(*values)
    except UserError as error:
        return error


FILES = {
    "chatgpt": ("conversations.json", chatgpt),
    "open-webui": ("chat-export-1.json", open_webui),
    "lm-studio": ("1736789912980.conversation.json", lm_studio),
    "jan": ("thread-export.json", jan_in_one),
}

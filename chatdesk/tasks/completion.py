"""Completions of a text: N drafts gathered from the engine's events."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from chatdesk.engine.api import DraftFinished, Event, Failed, Finished, ModelInfo, Started, TokenEvent
from chatdesk.errors import Fault, UserError


@dataclass
class Draft:
    """One continuation. ``finish_reason`` is None while it is written."""

    text: str = ""
    tokens: list[TokenEvent] = field(default_factory=list)
    finish_reason: str | None = None


class Completion:
    """What a `Generate` request has brought so far. Attributes: ``drafts``, ``started``, ``finished``."""

    def __init__(self, drafts: int) -> None:
        self.drafts = [Draft() for _ in range(drafts)]
        self.started: Started | None = None
        self.finished: Finished | None = None

    def take(self, event: Event) -> None:
        """Add an event. Raises `UserError` for a `Failed`."""
        match event:
            case Started():
                self.started = event
                for draft in self.drafts:
                    draft.text = event.opening
            case TokenEvent():
                draft = self.drafts[event.draft]
                draft.tokens.append(event)
                draft.text += event.text
            case DraftFinished():
                draft = self.drafts[event.draft]
                draft.text += event.text
                draft.finish_reason = event.reason
            case Finished():
                self.finished = event
            case Failed(fault=fault, fields=fields):
                raise UserError(Fault(fault), **fields)

    def to_builtins(self, model: ModelInfo, adapter: str = "") -> dict[str, Any]:
        """The object that ``chatdesk complete --json`` prints; see README for its fields."""
        assert self.started is not None, "a completion without a prompt"
        assert self.finished is not None, "a completion that has not finished"
        return {
            "model": model.name,
            "adapter": adapter or None,
            "device": model.device,
            "dtype": model.dtype,
            "seed": self.started.seed,
            "sampling": msgspec.to_builtins(self.started.sampling),
            "prompt_tokens": len(self.started.prompt_token_ids),
            "prompt_token_ids": list(self.started.prompt_token_ids),
            "drafts": [
                {
                    "text": draft.text,
                    "token_ids": [token.id for token in draft.tokens],
                    "finish_reason": draft.finish_reason,
                    "tokens": [_token(token) for token in draft.tokens],
                }
                for draft in self.drafts
            ],
            "stats": {
                "ttft_s": self.finished.ttft_s,
                "tokens_per_s": self.finished.tokens_per_s,
                "load_s": model.load_s,
                "reused_tokens": self.finished.reused_tokens,
            },
        }


def _token(event: TokenEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "text": event.text,
        "logprob": event.logprob,
        "sampled_logprob": event.sampled_logprob,
        "top": msgspec.to_builtins(event.top),
    }

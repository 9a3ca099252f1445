"""Answers of Responses that the gateway keeps: shown, listed by what was asked, forgotten.

https://developers.openai.com/api/reference/resources/responses (2026-11-23). Only what was
translated is kept here (`engine.conversations`); what a provider keeps, it shows itself, and who
that was is not remembered. A key finds its own and no other's.
"""

from collections.abc import Mapping
from urllib.parse import parse_qs

from portico.api import replies
from portico.api.dispatch import Handler
from portico.engine import admission
from portico.engine.conversations import Kept
from portico.engine.gateway import Gateway
from portico.errors import InvalidRequest, ResponseNotFound
from portico.types.http import Request, Responder
from portico.wire.openai_responses.continuation import listed_input

_LIMIT = 20
_MOST = 100


class ResponsePages:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "response": self.show,
            "response_input_items": self.input_items,
            "delete_response": self.delete,
        }

    def show(self, request: Request, responder: Responder, request_id: str) -> int:
        _, _, kept = self._find(request)
        return replies.send_body(responder, request_id, kept.response)

    def input_items(self, request: Request, responder: Responder, request_id: str) -> int:
        """The last first, unless `order=asc`; a page at a time, after the item `after`."""
        _, id, kept = self._find(request)
        asked = parse_qs(request.query.decode("latin-1"))
        items = listed_input(kept.input, id)
        if asked.get("order") != ["asc"]:
            items.reverse()
        limit = _limit(asked.get("limit"))
        if "after" in asked:
            ids = [item["id"] for item in items]
            if asked["after"][0] not in ids:
                raise InvalidRequest("`after` is the id of no item here.", param="after")
            items = items[ids.index(asked["after"][0]) + 1 :]
        page = items[:limit]
        answer = {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(page) < len(items),
        }
        return replies.send_json(responder, request_id, answer)

    def delete(self, request: Request, responder: Responder, request_id: str) -> int:
        key_id, id, _ = self._find(request)
        self._gateway.conversations.forget(key_id, id)
        answer = {"id": id, "object": "response", "deleted": True}
        return replies.send_json(responder, request_id, answer)

    def _find(self, request: Request) -> tuple[str, str, Kept]:
        gateway = self._gateway
        now = gateway.wall()
        principal = admission.authenticate(gateway.snapshot, request.headers, now)
        id = request.path.partition("/responses/")[2].removesuffix("/input_items")
        kept = gateway.conversations.find(principal.key_id, id, now)
        if kept is None:
            raise ResponseNotFound(
                f"Response with id {id[:80]!r} not found. This gateway keeps answers for an hour, "
                "for the key that asked, unless `store` was false or the provider keeps them "
                "itself.",
                param="id",
            )
        return principal.key_id, id, kept


def _limit(given: list[str] | None) -> int:
    if given is None:
        return _LIMIT
    if not given[0].isdecimal() or not 1 <= int(given[0][:4]) <= _MOST:
        raise InvalidRequest(f"`limit` is a number from 1 to {_MOST}.", param="limit")
    return int(given[0])

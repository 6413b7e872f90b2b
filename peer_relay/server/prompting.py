"""Answers for the prompts: which there are, and what one says now.

1. A prompt or an argument that there is not is refused with a sentence, as a JSON-RPC error: there is no other way.
2. Nobody is contacted. Where how things stand cannot be read, the reason takes the place of the facts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp import MCPError
from mcp_types import (
    INVALID_PARAMS,
    GetPromptResult,
    ListPromptsResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from peer_relay.clock import system_ms
from peer_relay.errors import PeerRelayError
from peer_relay.server.prompts import ABOUT, ASK, PROMPTS, STATUS, PromptFace, facts
from peer_relay.server.stderr import place_of, say

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp_types import GetPromptRequestParams, PaginatedRequestParams

    from peer_relay.server.mailbox import Mailbox


class Prompting:
    """The handlers of a server.

    Args:
        mailbox: whose standing `status` tells.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def list_prompts(
        self, _context: ServerRequestContext[Any], _params: PaginatedRequestParams | None
    ) -> ListPromptsResult:
        """Return all prompts."""
        return ListPromptsResult(prompts=[_prompt(face) for face in PROMPTS.values()])

    async def get_prompt(self, _context: ServerRequestContext[Any], params: GetPromptRequestParams) -> GetPromptResult:
        """Return what a prompt says now, as one message of the developer's.

        Raises:
            MCPError: there is no such prompt, or it takes no such argument.
        """
        face, given = PROMPTS.get(params.name), params.arguments or {}
        if face is None:
            raise MCPError(INVALID_PARAMS, f"There is no such prompt. Use one of {', '.join(PROMPTS)}.")
        if not given.keys() <= face.arguments.keys():
            takes = f"no other argument than {', '.join(face.arguments)}" if face.arguments else "no argument"
            raise MCPError(INVALID_PARAMS, f"The prompt {face.name} takes {takes}.")
        text = "\n".join([face.text, *await self._added(face, given)])
        message = PromptMessage(role="user", content=TextContent(type="text", text=text))
        return GetPromptResult(description=face.description, messages=[message])

    async def _added(self, face: PromptFace, given: dict[str, str]) -> list[str]:
        """Return the last paragraph of a prompt, if it has one that changes."""
        if face is ASK:
            return [f"{ABOUT} {given.get('about', '').strip()}".strip()]
        return [await self._facts()] if face is STATUS else []

    async def _facts(self) -> str:
        try:
            standing = await self._mailbox.run(lambda relay: relay.standing())
        except PeerRelayError as error:
            return f"How things stand cannot be read: {error}"
        except Exception as error:  # noqa: BLE001 - the text of it could hold anything, and the session goes on
            say(f"status failed: {place_of(error)}")
            return "How things stand cannot be read, for a reason inside peer-relay, which its standard error names."
        return " ".join(facts(standing, system_ms()))


def _prompt(face: PromptFace) -> Prompt:
    arguments = [PromptArgument(name=name, description=what, required=False) for name, what in face.arguments.items()]
    return Prompt(name=face.name, title=face.title, description=face.description, arguments=arguments)

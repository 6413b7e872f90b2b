"""The bare SDK: a server with four tools that do nothing: the least that a start, a call and the memory cost."""

from mcp.server import MCPServer

server = MCPServer("bare")


@server.tool()
def ask(question: str, context_hint: str | None = None) -> dict[str, str]:  # noqa: ARG001
    """Do nothing."""
    return {"status": "nothing"}


@server.tool()
def check(wait_seconds: int = 0) -> dict[str, str]:  # noqa: ARG001
    """Do nothing."""
    return {"status": "nothing"}


@server.tool()
def answer(question_id: str, text: str, sources: list[str] | None = None) -> dict[str, str]:  # noqa: ARG001
    """Do nothing."""
    return {"status": "nothing"}


@server.tool()
def look(wait_seconds: int = 0, *, include_read: bool = False, question_id: str | None = None) -> dict[str, str]:  # noqa: ARG001
    """Do nothing."""
    return {"status": "nothing"}


if __name__ == "__main__":
    server.run()

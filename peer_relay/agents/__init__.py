"""The coding agents that peer-relay knows: how each is told of an MCP server, and where it keeps what it was told."""

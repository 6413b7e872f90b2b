"""`schema`: the published form of the records."""

from __future__ import annotations

import click

from peer_relay.cli.command import command
from peer_relay.schema import schema_text, schemas


@command(examples=["peer-relay schema question", "peer-relay schema answer > answer.schema.json"])
@click.argument("name", type=click.Choice(sorted(schemas())))
def schema(name: str) -> None:
    """Print the JSON Schema of a stored record."""
    click.echo(schema_text(name), nl=False)

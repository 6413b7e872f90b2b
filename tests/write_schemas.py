"""Write the published JSON Schemas again, after a change of the records: `python -m tests.write_schemas`."""

from __future__ import annotations

from pathlib import Path

import peer_relay
from peer_relay.schema import schema_text, schemas

SCHEMAS = Path(peer_relay.__file__).parent / "schemas"


def main() -> None:
    for name in schemas():
        path = SCHEMAS / f"{name}.schema.json"
        path.write_text(schema_text(name), encoding="utf-8", newline="\n")
        print(f"wrote {path}")


if __name__ == "__main__":
    main()

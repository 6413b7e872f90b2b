"""What peer-relay needs at run time, as a bill of materials that programs read: CycloneDX 1.6, in JSON.

It has the packages of `requirements/runtime.txt`, for every system, with their hashes and which needs which. The same
sources make the same bytes: there is no clock and nothing random in it. `make dist` writes it into sbom/ and not into
dist/, because all that is in dist/ is uploaded to PyPI.
"""

from __future__ import annotations

import sys
import tomllib
import uuid
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

import peer_relay
from tests.supply_chain.pins import PROJECT, ROOT, RUNTIME, Pin, pins

NAME = f"peer_relay-{peer_relay.__version__}.cdx.json"

_NO_TIME = datetime(2020, 2, 2, tzinfo=UTC)
"""What stands for the time, which the format wants: the same as in the files of the wheel."""


def bill_of_materials(pinned: list[Pin]) -> str:
    """Return the text of the file: one JSON object, with an LF at the end.

    Raises:
        ValueError: What was made is no CycloneDX 1.6.
    """
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, repr((peer_relay.__version__, pinned))))
    bom.metadata.timestamp = _NO_TIME
    components = {PROJECT: _peer_relay()} | {each.name: _component(each) for each in pinned}
    bom.metadata.component = components[PROJECT]
    bom.components.update(components[each.name] for each in pinned)
    for needs, component in components.items():
        bom.register_dependency(component, [components[each.name] for each in pinned if needs in each.needed_by])
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"this is no CycloneDX 1.6: {str(problem).partition(chr(10))[0]}")
    return text


def _peer_relay() -> Component:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Component(
        name=project["name"],
        version=peer_relay.__version__,
        type=ComponentType.APPLICATION,
        description=project["description"],
        **_address(project["name"], peer_relay.__version__),
    )


def _component(pin: Pin) -> Component:
    # The hashes are of the files that one of may be installed, and none is of the package as such.
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(f"https://pypi.org/simple/{pin.name}/"),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in pin.sha256],
    )
    where = [Property(name="peer-relay:only-where", value=str(pin.marker))] if pin.marker else []
    return Component(
        name=pin.name,
        version=pin.version,
        external_references=[files],
        properties=where,
        **_address(pin.name, pin.version),
    )


def _address(name: str, version: str) -> dict[str, object]:
    address = PackageURL("pypi", None, name, version)
    return {"purl": address, "bom_ref": address.to_string()}


def main(folder: str) -> None:
    """Write the file into a folder, which is made if need be."""
    Path(folder).mkdir(exist_ok=True)
    Path(folder, NAME).write_text(bill_of_materials(pins(RUNTIME)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

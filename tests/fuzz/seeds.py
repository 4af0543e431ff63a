#!/usr/bin/env python3
"""Makes the first inputs of each fuzz target of the connectors' fixtures: `corpus/<target>/`."""

import hashlib
import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
PLUGINS = HERE.parent.parent / "plugins"
# Bytes. A larger seed makes every mutation slow, and shows nothing that a smaller one does not.
SEED_BYTES_MAX = 32 * 1024


def seed(target: str, data: bytes) -> None:
    if len(data) > SEED_BYTES_MAX:
        return
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def body_of(request: bytes) -> bytes:
    return request.split(b"\n\n", 1)[-1]


def identifiers(value) -> list[tuple[str, str]]:
    if isinstance(value, list):
        return [found for item in value for found in identifiers(item)]
    if not isinstance(value, dict):
        return []
    own = [(value["scheme"], value["value"])] if {"scheme", "value"} <= value.keys() else []
    return own + [found for item in value.values() for found in identifiers(item)]


def main() -> None:
    for request in PLUGINS.glob("*/fixtures/inbound/**/*.http"):
        connector = request.relative_to(PLUGINS).parts[0]
        data = request.read_bytes()
        seed(f"receive-{connector}", data)
        if connector == "salesforce" and b"<soap" in data.lower():
            seed("soap", body_of(data))
        boundary = re.search(rb"boundary=\"?([A-Za-z0-9'()+_,./:=?-]+)", data)
        if request.parent.name == "sendgrid" and boundary:
            seed("multipart", body_of(data).replace(boundary[1], b"BB"))
        for mail in re.findall(rb'name="(?:body-mime|email)"\r?\n\r?\n(.*?)\r?\n--', data, re.DOTALL):
            seed("mime", mail)
    for mail in PLUGINS.glob("email/fixtures/**/*.eml"):
        seed("mime", mail.read_bytes())
    for expected in PLUGINS.glob("*/fixtures/inbound/**/*.events.json"):
        try:
            events = json.loads(expected.read_text()).get("events", [])
        except ValueError:
            continue
        for event in events:
            seed("codec", json.dumps(event, ensure_ascii=False).encode())
            for scheme, value in identifiers(event):
                seed("canonical", f"{scheme}\n{value}\n{value}".encode())
    for manifest in list(PLUGINS.glob("*/connector.toml")) + list((HERE.parent.parent / "infra").glob("**/rapport.toml")):
        seed("configuration", manifest.read_bytes())


if __name__ == "__main__":
    main()

"""Extracts the programs from a document, as a reader would copy them."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(?P<language>\w+) recipe=(?P<name>[\w.-]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def recipes(path="docs/clients.md"):
    """Maps names to texts: the fenced blocks of the document whose info string has `recipe=NAME`."""
    found = {}
    for match in FENCE.finditer((ROOT / path).read_text()):
        assert match["name"] not in found, f"two recipes are named {match['name']}"
        found[match["name"]] = match["text"]
    return found


def indented(path, beginning):
    """Returns the indented block of the document that begins with this line, without its indentation."""
    lines = (ROOT / path).read_text().splitlines()
    start = lines.index("    " + beginning)
    block = []
    for line in lines[start:]:
        if line and not line.startswith("    "):
            break
        block.append(line[4:])
    return "\n".join(block).rstrip() + "\n"

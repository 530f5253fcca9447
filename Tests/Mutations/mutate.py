#!/usr/bin/env python3
"""Breaks one rule of LongtakeCore after the other, and reports whether the simulation finds it.

    Tests/Mutations/mutate.py --check          verify that rules.diff fits the sources
    Tests/Mutations/mutate.py                  build a copy with all mutations, and run each of them
    Tests/Mutations/mutate.py head-too-far     only this one

The script builds a copy of the sources that contains all mutations. An environment variable selects the active one. First
the build runs without an active mutation, and must violate no guarantee. The script needs only the standard library.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RULES = Path(__file__).with_name("rules.diff")
COPY = ROOT / ".build" / "mutations"
VARIABLE = "LONGTAKE_MUTATION"
# This file of the copy reads the variable. Each mutation uses the constant, so the process reads the variable once.
SWITCH = """import Glibc

/// The mutation that is active; 0 for none.
let mutation = getenv("%s").flatMap { Int(String(cString: $0)) } ?? 0
""" % VARIABLE


class DoesNotFit(Exception):
    """A mutation does not fit the sources."""


class Place:
    """Consecutive lines of one file, some of which change."""

    def __init__(self, file, lines):
        self.file = file
        self.text = [line[1:].strip() for line in lines if line[0] in " -"]
        changed = [index for index, line in enumerate(lines) if line[0] in "-+"]
        if not changed:
            raise DoesNotFit(f"a place in {file} changes nothing")
        first, last = changed[0], changed[-1]
        if any(line[0] == " " for line in lines[first:last]):
            raise DoesNotFit(f"a place in {file} changes lines that are not consecutive")
        self.before = first
        self.removed = [line[1:] for line in lines if line[0] == "-"]
        self.added = [line[1:] for line in lines if line[0] == "+"]

    def find(self, lines):
        """The index of the first changed line, and of the first line after the change."""
        stripped = [line.strip() for line in lines]
        found = [
            index
            for index in range(len(stripped) - len(self.text) + 1)
            if stripped[index : index + len(self.text)] == self.text
        ]
        if len(found) != 1:
            text = "\n    ".join(self.text)
            raise DoesNotFit(f"{self.file} contains this text {len(found)} times, not once:\n    {text}")
        first = found[0] + self.before
        return first, first + len(self.removed)


class Mutation:
    def __init__(self, number, name, rule):
        self.number, self.name, self.rule, self.places = number, name, rule, []


def read_rules():
    mutations, file, lines = [], None, []

    def end_place():
        if lines:
            mutations[-1].places.append(Place(file, lines.copy()))
            lines.clear()

    for line in RULES.read_text().splitlines() + ["@@"]:
        if line.startswith("### "):
            end_place()
            name, rule = line[4:].split(": ", 1)
            mutations.append(Mutation(len(mutations) + 1, name, rule))
        elif line.startswith("--- "):
            end_place()
            file = line[4:]
        elif line.startswith("@@") or not line:
            end_place()
        elif mutations:
            if line[0] not in " -+":
                raise DoesNotFit(f"rules.diff has a line that belongs to no mutation: {line}")
            lines.append(line)
    if len({mutation.name for mutation in mutations}) != len(mutations):
        raise DoesNotFit("two mutations in rules.diff have the same name")
    return mutations


def guarded(removed, variants):
    """Returns an if statement that runs the lines of the active mutation, or otherwise `removed`."""
    label = ""
    match = re.match(r"\s*(case .*?|default): ", removed[0]) if removed else None
    if match:
        # The label of a switch case stays before the if statement.
        label = match.group(0)
        removed = [removed[0][len(label) :]] + removed[1:]
        variants = [(number, [added[0][len(label) :]] + added[1:]) for number, added in variants]
    lines = [label] if label else []
    for index, (number, added) in enumerate(variants):
        lines.append(("} else " if index else "") + f"if mutation == {number} {{")
        lines += added
    return lines + ["} else {"] + removed + ["}"]


def mutate(mutations, root):
    """Maps the changed files to their texts with all mutations."""
    changes = {}
    for mutation in mutations:
        for place in mutation.places:
            file = changes.setdefault(place.file, {})
            lines = (root / place.file).read_text().splitlines()
            file.setdefault(place.find(lines), []).append((mutation.number, place.added))
    texts = {}
    for name, regions in changes.items():
        lines = (root / name).read_text().splitlines()
        end = None
        for (first, last), variants in sorted(regions.items(), reverse=True):
            if end is not None and last > end:
                raise DoesNotFit(f"{name}: two mutations change overlapping lines at {first + 1}")
            end = first
            lines[first:last] = guarded(lines[first:last], variants)
        texts[name] = "\n".join(lines) + "\n"
    return texts


def copy_sources(mutations):
    """Writes only changed files, so that a second run builds little."""
    texts = mutate(mutations, ROOT)
    texts["Sources/LongtakeCore/Mutation.swift"] = SWITCH
    wanted = set()
    for top in ["Package.swift", "Package.resolved", "Sources", "Benchmarks", "Tests", "config"]:
        paths = [ROOT / top] if (ROOT / top).is_file() else sorted((ROOT / top).rglob("*"))
        for path in paths:
            name = str(path.relative_to(ROOT))
            if path.is_symlink():
                wanted.add(name)
                (COPY / name).parent.mkdir(parents=True, exist_ok=True)
                if not (COPY / name).is_symlink():
                    os.symlink(os.readlink(path), COPY / name)
            elif path.is_file() and "__pycache__" not in path.parts:
                wanted.add(name)
                write(COPY / name, texts[name].encode() if name in texts else path.read_bytes())
    for name in texts.keys() - wanted:
        wanted.add(name)
        write(COPY / name, texts[name].encode())
    for top in ["Sources", "Benchmarks", "Tests", "config"]:
        for path in (COPY / top).rglob("*"):
            if (path.is_file() or path.is_symlink()) and str(path.relative_to(COPY)) not in wanted:
                path.unlink()


def write(path, data):
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def build(swift):
    # Reuse the checkouts of the packages, so that the build downloads nothing.
    scratch = COPY / ".build"
    for name in ["checkouts", "repositories", "workspace-state.json"]:
        source = ROOT / ".build" / name
        if source.is_dir() and not (scratch / name).exists():
            shutil.copytree(source, scratch / name, symlinks=True)
        elif source.is_file() and not (scratch / name).exists():
            scratch.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, scratch / name)
    command = swift.split() + ["build", "--package-path", str(COPY), "--product", "longtake-simulation"]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        sys.exit(f"the copy with all mutations does not build:\n{result.stdout[-6000:]}")
    return scratch / "debug" / "longtake-simulation"


class Outcome:
    def __init__(self, number, schedules, found, text, seconds):
        self.number, self.schedules, self.found, self.text, self.seconds = number, schedules, found, text, seconds


def simulate(binary, number, schedules, limit):
    """Runs schedules from seed 1 until one violates a guarantee."""
    began = time.monotonic()
    command = [str(binary), "--seed", "1", "--schedules", str(schedules), "--until-broken"]
    environment = dict(os.environ, **{VARIABLE: str(number)})
    try:
        run = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit
        )
        text, status = run.stdout, run.returncode
    except subprocess.TimeoutExpired:
        # A schedule that does not end reports no violation, so this does not count as found.
        return Outcome(number, schedules, False, f"no end within {limit} s", limit)
    seconds = time.monotonic() - began
    broken = re.search(r"^seed (\d+) breaks (.*)$", text, re.MULTILINE)
    trap = re.search(r"^trap in seed (\d+)", text, re.MULTILINE)
    if broken:
        return Outcome(number, int(broken.group(1)), True, broken.group(2), seconds)
    if trap:
        fatal = re.search(r"(?:Fatal|Precondition)[^\n]*", text)
        return Outcome(number, int(trap.group(1)), True, fatal.group(0) if fatal else "a trap", seconds)
    text = "no guarantee is violated" if status == 0 else f"ended with status {status}: {text[-500:]}"
    return Outcome(number, schedules, False, text, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="mutations of rules.diff; without any, all of them")
    parser.add_argument("--check", action="store_true", help="verify that rules.diff fits the sources, and build nothing")
    parser.add_argument("--schedules", type=int, default=2000, help="how many schedules each mutation gets (2000)")
    parser.add_argument("--baseline", type=int, default=300, help="how many schedules run without a mutation (300)")
    parser.add_argument("--limit", type=int, default=300, help="seconds for each mutation (300)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many run at once")
    parser.add_argument("--swift", default="swift", help="the command that runs Swift")
    options = parser.parse_args()
    try:
        mutations = read_rules()
        mutate(mutations, ROOT)
    except DoesNotFit as error:
        sys.exit(f"Tests/Mutations/rules.diff does not fit the sources. {error}")
    unknown = set(options.names) - {mutation.name for mutation in mutations}
    if unknown:
        sys.exit(f"rules.diff has no mutation {', '.join(sorted(unknown))}")
    if options.check:
        return print(f"{len(mutations)} mutations fit the sources")
    copy_sources(mutations)
    binary = build(options.swift)
    baseline = simulate(binary, 0, options.baseline, options.limit * 10)
    if baseline.found or baseline.text != "no guarantee is violated":
        sys.exit(f"without a mutation, seed {baseline.schedules}: {baseline.text}")
    print(f"without a mutation: {options.baseline} schedules in {baseline.seconds:.0f} s, {baseline.text}", flush=True)
    chosen = [mutation for mutation in mutations if not options.names or mutation.name in options.names]
    survivors = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        run = lambda mutation: simulate(binary, mutation.number, options.schedules, options.limit)
        for mutation, outcome in zip(chosen, pool.map(run, chosen)):
            word = "found after" if outcome.found else "SURVIVED"
            print(f"{mutation.name}: {word} {outcome.schedules} schedules: {outcome.text}", flush=True)
            if not outcome.found:
                survivors.append(mutation.name)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutations found")
    if survivors:
        sys.exit(f"survived: {', '.join(survivors)}")


if __name__ == "__main__":
    main()

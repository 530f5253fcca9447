"""Runs each program of docs/clients.md, as printed, through a proxy that cuts its streams, and compares its output with the event log."""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from cutter import Cutter
from document import recipes
from longtake import Daemon

# The steps of the proxy, one for each connection. `freeze` comes late, because it lasts until the program's timeout.
PLAN = [("cut", 3), ("end", 2), ("half", 2), ("restart", 2), ("refuse", 503), ("freeze", 2), ("cut", 1)]
# The job continues from a backup that was made after the first events. The restored database knows none of the earlier cursors.
RESTORED = [("restore", 3), ("cut", 1)]
PATIENCE = 150
PYTHON = sys.executable

# For each program: the name of its file, the program that must be installed, and the command. The test runs the command in the folder of the file.
RUNS = {
    "curl": ("follow.sh", "curl", ["bash", "follow.sh"]),
    "python-requests": ("follow.py", PYTHON, [PYTHON, "follow.py"]),
    "python-httpx-sse": ("follow.py", PYTHON, [PYTHON, "follow.py"]),
    "python-aiohttp": ("follow.py", PYTHON, [PYTHON, "follow.py"]),
    "node": ("follow.mjs", "node", ["node", "follow.mjs"]),
    "java": ("Follow.java", "javac", ["java", "Follow.java"]),
    "go": ("follow.go", "go", ["go", "run", "follow.go"]),
    "ruby": ("follow.rb", "ruby", ["ruby", "follow.rb"]),
    "php": ("follow.php", "php", ["php", "follow.php"]),
    "swift": ("main.swift", "swiftc", ["sh", "-c", "[ -x follow ] || swiftc -swift-version 6 -o follow main.swift && ./follow"]),
}


def run(name, folder, plan):
    """Runs a program. Returns the lines that it printed, the event log of its job, and the steps of the proxy."""
    file, _, command = RUNS[name]
    with Daemon() as daemon, Cutter(daemon, plan) as cutter:
        pathlib.Path(folder, file).write_text(recipes()[name])
        environment = os.environ | {"LONGTAKE_URL": cutter.url}
        program = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
        )
        if program.returncode != 0:
            raise AssertionError(f"{name} ended with {program.returncode}:\n{program.stdout}\n{program.stderr}")
        jobs = daemon.jobs()
        if len(jobs) != 1:
            raise AssertionError(f"{name} submitted {len(jobs)} jobs")
        return program.stdout.splitlines(), [named(event) for event in daemon.events(jobs[0]["id"])], cutter.done


def run_both(name):
    with tempfile.TemporaryDirectory(prefix="longtake-clients-") as folder:
        return run(name, folder, PLAN), run(name, folder, RESTORED)


def named(event):
    return f"{event['id']} {event['type']}"


class RecipeTests(unittest.TestCase):
    """Has two tests for each program of the document. The programs run in parallel, because they mostly wait."""

    wanted = set()

    def __init__(self, method):
        super().__init__(method)
        self.wanted.add(getattr(type(self), method).recipe)

    @classmethod
    def begin(cls):
        """Starts the programs, so that they run while other tests run."""
        cls.pool = concurrent.futures.ThreadPoolExecutor(6)
        # The slowest programs start first.
        names = sorted(filter(lambda name: shutil.which(RUNS[name][1]), cls.wanted), key=["swift", "go", "java"].count, reverse=True)
        cls.runs = {name: cls.pool.submit(run_both, name) for name in names}

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown(cancel_futures=True)

    def result(self, name):
        if name not in self.runs:
            self.skipTest(f"{RUNS[name][1]} is not installed")
        return self.runs[name].result()

    def check_cut(self, name):
        printed, log, steps = self.result(name)[0]
        self.assertEqual(printed, log)
        self.assertEqual(steps[: len(PLAN)], PLAN, "the program ended before the proxy had taken all steps")

    def check_restored(self, name):
        printed, log, steps = self.result(name)[1]
        self.assertEqual(steps[: len(RESTORED)], RESTORED)
        snapshot = next(index for index, line in enumerate(printed) if line.endswith(" job.snapshot"))
        cursor = printed[snapshot].split()[0]
        later = [line for line in log if int(line.split()[0].split("-")[1]) > int(cursor.split("-")[1])]
        self.assertEqual(printed[snapshot + 1 :], later)
        self.assertEqual(len(printed[:snapshot]), 3)


def add_test(name, kind, check, statement):
    def test(self):
        check(self, name)

    test.__doc__ = f"the {name} recipe {statement}"
    test.recipe = name
    setattr(RecipeTests, f"test_{name.replace('-', '_')}_{kind}", test)


for name in RUNS:
    add_test(name, "cut", RecipeTests.check_cut, "shows each event exactly once, although its connections are cut")
    add_test(name, "restored", RecipeTests.check_restored, "continues after the snapshot when the daemon is restored from a backup")

"""Runs each program of docs/clients.md, as it is printed, through a proxy that cuts its streams, and compares what it saw with the log."""

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

# What a stream goes through, one step a connection. `freeze` is last but one, since it takes as long as the program's patience.
PLAN = [("cut", 3), ("end", 2), ("half", 2), ("restart", 2), ("refuse", 503), ("freeze", 2), ("cut", 1)]
PATIENCE = 150
PYTHON = sys.executable

# How a reader runs a program: the file's name, what has to be installed, and the command. Each is run in the folder of the file.
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
    "swift": ("main.swift", "swiftc", ["sh", "-c", "swiftc -swift-version 6 -o follow main.swift && ./follow"]),
}


def run(name, text):
    """Gives the lines that the program printed, the log of its job, and the steps that the proxy took."""
    file, _, command = RUNS[name]
    with Daemon() as daemon, Cutter(daemon, PLAN) as cutter, tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, file).write_text(text)
        environment = os.environ | {"LONGTAKE_URL": cutter.url}
        program = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
        )
        if program.returncode != 0:
            raise AssertionError(f"{name} ended with {program.returncode}:\n{program.stdout}\n{program.stderr}")
        jobs = daemon.jobs()
        if len(jobs) != 1:
            raise AssertionError(f"{name} submitted {len(jobs)} jobs")
        log = [f"{event['id']} {event['type']}" for event in daemon.events(jobs[0]["id"])]
        return program.stdout.splitlines(), log, cutter.done


class RecipeTests(unittest.TestCase):
    """Has one test for each recipe of the document. They run side by side, since most of their time is waiting."""

    @classmethod
    def setUpClass(cls):
        cls.pool = concurrent.futures.ThreadPoolExecutor(8)
        cls.runs = {
            name: cls.pool.submit(run, name, text)
            for name, text in recipes().items()
            if name in RUNS and shutil.which(RUNS[name][1])
        }

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown(cancel_futures=True)

    def check(self, name):
        if name not in self.runs:
            self.skipTest(f"{RUNS[name][1]} is not installed")
        printed, log, steps = self.runs[name].result()
        self.assertEqual(printed, log)
        self.assertEqual(steps[: len(PLAN)], PLAN, "the program ended before the proxy had done all that it does")


def add_test(name):
    def test(self):
        self.check(name)

    test.__doc__ = f"the {name} recipe shows each event once, whatever happens to its connections"
    setattr(RecipeTests, "test_" + name.replace("-", "_"), test)


for name in recipes():
    if name in RUNS:
        add_test(name)

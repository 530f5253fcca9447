"""Tests the daemon with the clients of docs/clients.md, a real Chromium and a real nginx.

Usage: clients.py DAEMON [PATTERN]

PATTERN selects tests by a part of their name. If a test needs a program that is not installed, it is skipped. With CI=true it fails.
"""

import importlib
import os
import sys
import unittest


class Result(unittest.TextTestResult):
    """Prints for each test what it checks, and counts the passed tests for the last line."""

    passed = 0

    def getDescription(self, test):
        return test.shortDescription() or str(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def addSkip(self, test, reason):
        if os.environ.get("CI") == "true":
            self.addFailure(test, (AssertionError, AssertionError(f"with CI=true no test may be skipped: {reason}"), None))
        else:
            super().addSkip(test, reason)


def main(binary, pattern=None):
    os.environ["LONGTAKE_BINARY"] = os.path.abspath(binary)
    here = os.path.dirname(os.path.abspath(__file__))
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{pattern}*"] if pattern else None
    tests = loader.discover(here)
    importlib.import_module("test_recipes").RecipeTests.begin()
    result = unittest.TextTestRunner(resultclass=Result, verbosity=2).run(tests)
    failed = len(result.failures) + len(result.errors)
    print(f"{result.passed} passed, {failed} failed, {len(result.skipped)} skipped", flush=True)
    return 1 if failed or not result.passed else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    sys.exit(main(*sys.argv[1:]))

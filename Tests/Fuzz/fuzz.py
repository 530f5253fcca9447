"""Starts a daemon. schemathesis sends it valid and invalid requests, which it generates from the OpenAPI document.

Usage: fuzz.py DAEMON [--document FILE] [OPTIONS OF schemathesis run]

Fails if a response differs from the document, or if the daemon reports an internal error. --document uses another document than the daemon's.
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(url, daemon):
    deadline = time.monotonic() + 60
    while daemon.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the daemon does not start")


def fuzz(url, document, options, directory):
    program = pathlib.Path(sys.executable).with_name("schemathesis")
    command = [program, "--config-file", HERE / "schemathesis.toml", "run", document or f"{url}/openapi.json"]
    command += ["--url", url, "--max-examples", "30", "--max-time", "60", "--generation-database", "none", "--no-color"]
    # schemathesis stores the data of its runs in this temporary directory.
    return subprocess.call(list(map(str, command)) + options, cwd=directory)


def main(binary, options):
    document = None
    if options[:1] == ["--document"]:
        document, options = os.path.abspath(options[1]), options[2:]
    with tempfile.TemporaryDirectory(prefix="longtake-fuzz-") as directory:
        log, port = pathlib.Path(directory, "log"), free_port()
        # At this speed a job ends before schemathesis requests it a second time.
        command = [binary, "serve", "--data", f"{directory}/data", "--port", str(port), "--speed", "10000"]
        with log.open("w") as output:
            daemon = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", daemon)
            status = fuzz(f"http://127.0.0.1:{port}", document, options, directory)
            daemon.send_signal(signal.SIGTERM)
            end = daemon.wait(timeout=30)
        finally:
            daemon.kill()
        errors = [line for line in log.read_text().splitlines() if "request failed" in line]
        for error in errors:
            print(error, file=sys.stderr)
        if end != 0:
            print(f"the daemon ended with {end}:\n{log.read_text()[-2000:]}", file=sys.stderr)
        return 1 if status or errors or end else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2:]))

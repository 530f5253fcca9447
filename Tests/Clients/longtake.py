"""A daemon for one test. The test can kill it, start it again on the same port, and read the event log of a job."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

BINARY = os.environ.get("LONGTAKE_BINARY", ".build/debug/longtake")
PATIENCE = 60
# The daemon does not start if the environment has an unknown variable with its prefix.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("LONGTAKE_")}
READY = re.compile(r'"addresses":"http://127\.0\.0\.1:(\d+)')


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """`settings` are variables without their prefix, such as HTTP_CORS_ORIGINS. `speed` is the speed of simulated work."""

    def __init__(self, speed=20, keys=False, port=0, **settings):
        self.directory = tempfile.TemporaryDirectory(prefix="longtake-clients-")
        self.data = pathlib.Path(self.directory.name, "data")
        self.log = pathlib.Path(self.directory.name, "log")
        self.speed = speed
        self.settings = {f"LONGTAKE_{name}": str(value) for name, value in settings.items()}
        self.port = port
        self.key = self._create_key() if keys else None
        if keys:
            self.settings["LONGTAKE_AUTH_MODE"] = "keys"
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.directory.cleanup()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """The first start chooses a free port. Later starts use the same port."""
        command = [BINARY, "serve", "--data", self.data, "--port", str(self.port), "--speed", str(self.speed)]
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                list(map(str, command)),
                env=ENVIRONMENT | self.settings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + PATIENCE
        while not (ready := READY.search(self.log.read_text())):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the daemon does not start:\n{self.log.read_text()}")
            time.sleep(0.02)
        self.port = int(ready[1])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restore(self):
        """Makes a backup now and restarts the daemon from it."""
        backup = self.request("/v1/backups", {})
        deadline = time.monotonic() + PATIENCE
        while backup["state"] == "running" and time.monotonic() < deadline:
            backup = self.request(f"/v1/backups/{backup['id']}")
        self.kill()
        command = [BINARY, "restore", backup["path"], "--data", self.data, "--replace"]
        subprocess.run(list(map(str, command)), env=ENVIRONMENT, check=True, capture_output=True)
        self.start()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def request(self, path, body=None, **headers):
        """Sends a request of the test itself directly to the daemon and returns the parsed response."""
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"} | headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.load(response)

    def submit(self, **members):
        return self.request("/v1/jobs", {"input": {"prompt": "a paper boat in the rain"}} | members)

    def jobs(self):
        return self.request("/v1/jobs")["jobs"]

    def events(self, job):
        """Waits for the end of a job and returns its whole event log."""
        events, cursor, deadline = [], "0", time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            page = self.request(f"/v1/jobs/{job}/events?wait=10&after={cursor}", Accept="application/json")
            events += page["events"]
            cursor = page["last_event_id"]
            if page["finished"] and cursor == page["head"]:
                return events
        raise RuntimeError(f"{job} does not end")

    def _create_key(self):
        command = [BINARY, "keys", "create", "--data", self.data, "--tenant", "acme", "--name", "tests"]
        self.data.mkdir(mode=0o700)
        made = subprocess.run(list(map(str, command)), env=ENVIRONMENT, check=True, capture_output=True, text=True)
        return made.stdout.strip()

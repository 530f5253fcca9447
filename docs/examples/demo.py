#!/usr/bin/env python3
"""Makes a real video with a Longtake daemon, shows its progress, and downloads it.

    docs/examples/demo.py "a paper boat in the rain"
    docs/examples/demo.py --image photo.jpg

If no daemon answers at --url, this program starts one and stops it at the end. The daemon needs ffmpeg.
With LONGTAKE_KEY it sends an API key.
"""

import argparse
import http.client
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

# The title card has room for this many characters on a line.
TITLE_COLUMNS = 44
# How long the daemon may be away, for example during a restart.
PATIENCE_SECONDS = 60
# Above two heartbeats: a connection that is silent for longer is dead.
READ_SECONDS = 25
BUSY = (429, 502, 503, 504)
NETWORK = (OSError, http.client.HTTPException)


class Client:
    """Requests to one daemon. Each one is repeated while the daemon is away."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def open(self, path, body=None, method=None, headers=None):
        """One attempt. An HTTP error is an exception with the response."""
        headers = dict(headers or {})
        if key := os.environ.get("LONGTAKE_KEY"):
            headers["Authorization"] = f"Bearer {key}"
        url = urllib.parse.urljoin(self.url + "/", path.lstrip("/"))
        request = urllib.request.Request(url, data=body, method=method, headers=headers)
        return urllib.request.urlopen(request, timeout=READ_SECONDS)

    def is_up(self):
        try:
            with self.open("/healthz"):
                return True
        except urllib.error.HTTPError:
            return True
        except NETWORK:
            return False

    def json(self, path, body=None, headers=None):
        def request():
            data = None if body is None else json.dumps(body).encode()
            kind = {"Content-Type": "application/json"} if data else {}
            with self.open(path, data, headers=kind | (headers or {})) as response:
                return json.load(response)

        return persist(request)


def persist(request):
    """Repeats a request that is safe to repeat, until it works or the daemon was away for too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return request()
        except urllib.error.HTTPError as error:
            if error.code not in BUSY or time.monotonic() > deadline:
                raise SystemExit(f"The daemon refused the request: {error.code} {explain(error)}")
        except NETWORK as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"The daemon does not answer: {error}")
        time.sleep(1)


def explain(error):
    """The text of a problem document."""
    try:
        problem = json.load(error)
        lines = [problem.get("detail") or problem.get("title") or ""]
        lines += [f"  {entry['pointer']} {entry['detail']}" for entry in problem.get("errors") or []]
        return "\n".join(lines)
    except (ValueError, KeyError, AttributeError, *NETWORK):
        return error.reason


def events(client, job, say):
    """Yields each event of a job once, also across restarts of the daemon, and ends after the final one."""
    last, away_since, says_so = "0", None, False
    while True:
        try:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
            with client.open(f"/v1/jobs/{job}/events", headers=headers) as stream:
                if stream.status == 204:
                    return
                away_since, says_so = None, False
                for id, data in messages(stream):
                    event = json.loads(data)
                    if id is None or event.get("type", "").startswith("stream."):
                        continue
                    last = id
                    yield event
                    if event.get("final") or event.get("state") in ("succeeded", "failed", "canceled"):
                        return
        except urllib.error.HTTPError as error:
            if error.code not in BUSY:
                raise SystemExit(f"The daemon refused the stream: {error.code} {explain(error)}")
        except NETWORK:
            pass
        if away_since is None:
            away_since = time.monotonic()
        elif time.monotonic() > away_since + PATIENCE_SECONDS:
            raise SystemExit(f"The daemon was away for {PATIENCE_SECONDS} s. The job {job} goes on when it is back.")
        elif not says_so:
            says_so = True
            say("The daemon does not answer. Waiting for it.")
        time.sleep(1)


def messages(stream):
    """The messages of an event stream. An incomplete one at the end is dropped."""
    id, data = None, []
    for line in stream:
        line = line.decode().rstrip("\r\n")
        if not line:
            if data:
                yield id, "\n".join(data)
            id, data = None, []
        elif line.startswith("id:"):
            id = line[3:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))


class Display:
    """Shows the progress of a job: a bar on a terminal, otherwise a line when a stage begins."""

    def __init__(self, stream):
        self.stream = stream
        self.is_terminal = stream.isatty()
        self.bar = ""
        self.progress = 0

    def show(self, event):
        kind, stage, message = event["type"], event.get("stage") or "", event.get("message") or ""
        self.progress = event.get("progress") or self.progress
        if kind == "job.resumed":
            self.say(f"The daemon is back, and {stage} goes on.")
        elif kind == "stage.retrying":
            self.say(f"{stage} failed and is tried again: {event['error']['message']}")
        elif kind == "job.succeeded":
            stage = "done"
        if self.is_terminal:
            self.draw(" ".join(text for text in (stage, message) if text))
        elif kind in ("stage.started", "job.succeeded"):
            self.say(f"{self.progress:4.0%}  {stage}")

    def draw(self, text):
        columns = shutil.get_terminal_size().columns
        width = max(10, min(40, columns - 40))
        full = int(self.progress * width)
        self.bar = f"{'█' * full}{'░' * (width - full)} {self.progress:4.0%}  {text}"[: columns - 1]
        self.stream.write("\r\x1b[K" + self.bar)
        self.stream.flush()

    def say(self, text):
        """A line above the bar."""
        if self.is_terminal:
            self.stream.write("\r\x1b[K")
        self.stream.write(text + "\n" + self.bar)
        self.stream.flush()

    def end(self):
        """Leaves the bar as it is."""
        if self.bar:
            self.stream.write("\n")
            self.stream.flush()
        self.bar = ""


def download(client, job, name, folder):
    """Downloads an artifact. The file has its name only when it is whole."""
    path = folder / name
    part = folder / (name + ".part")

    def request():
        with client.open(f"/v1/jobs/{job}/artifacts/{urllib.parse.quote(name, safe='')}") as response:
            with part.open("wb") as file:
                shutil.copyfileobj(response, file)
            length = response.headers["Content-Length"]
            if length is not None and part.stat().st_size != int(length):
                raise http.client.IncompleteRead(b"")
        part.replace(path)
        return path

    return persist(request)


def duration(path):
    """The length of an MP4 file in seconds, from its movie header (ISO 14496-12 §8.2.2); None if there is none."""
    data = path.read_bytes()
    at = data.find(b"mvhd")
    if at < 0:
        return None
    layout, start = (">IQ", at + 24) if data[at + 4] == 1 else (">II", at + 16)
    timescale, units = struct.unpack_from(layout, data, start)
    return units / timescale if timescale else None


def start_daemon(client, program, folder):
    """Starts a daemon at the client's URL and waits until it answers."""
    address = urllib.parse.urlsplit(client.url)
    if address.scheme != "http" or address.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise SystemExit(f"No daemon answers at {client.url}.")
    data = folder / "data"
    with (folder / "daemon.log").open("ab") as log:
        command = [program, "serve", "--host", address.hostname, "--port", str(address.port or 80), "--data", str(data)]
        try:
            daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        except OSError as error:
            raise SystemExit(f"No daemon answers at {client.url}, and {program} cannot be started: {error}")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not client.is_up():
        if daemon.poll() is not None or time.monotonic() > deadline:
            stop(daemon)
            raise SystemExit(f"The daemon did not start. See {folder / 'daemon.log'}.")
        time.sleep(0.2)
    return daemon


def stop(daemon):
    if daemon is not None and daemon.poll() is None:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(timeout=30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def built_daemon():
    """The daemon of this checkout, or the one that is installed."""
    root = pathlib.Path(__file__).resolve().parents[2]
    built = [root / ".build" / kind / "longtake" for kind in ("release", "debug")]
    found = [path for path in built if os.access(path, os.X_OK)]
    return str(max(found, key=lambda path: path.stat().st_mtime)) if found else "longtake"


def submission(client, options):
    if options.image is None:
        lines = [line for text in options.prompt.splitlines() for line in textwrap.wrap(text, TITLE_COLUMNS)]
        given, pipeline = {"prompt": "\n".join(lines)}, "demo-video"
    else:
        content = options.image.read_bytes()
        headers = {"Content-Type": "application/octet-stream"}

        def upload():
            with client.open("/v1/files", content, headers=headers) as response:
                return json.load(response)

        given, pipeline = {"image": {"file": persist(upload)["id"]}}, "demo-image-to-video"
    if options.seconds is not None:
        given["duration_seconds"] = options.seconds
    return {"pipeline": pipeline, "input": given}


def make(client, options, folder):
    # The key makes the submission safe to repeat.
    key = {"Idempotency-Key": str(uuid.uuid4())}
    job = client.json("/v1/jobs", submission(client, options), key)["id"]
    display = Display(sys.stderr)
    display.say(f"The job is {client.url}/v1/jobs/{job}")
    for event in events(client, job, display.say):
        display.show(event)
        if event["type"] == "artifact.created" and event["role"] == "preview":
            display.say(f"A preview, while the job runs: {download(client, job, event['name'], folder)}")
    display.end()
    state = client.json(f"/v1/jobs/{job}")
    if state["state"] != "succeeded":
        error = state.get("error") or {}
        raise SystemExit(f"The job {state['state']}: {error.get('message', 'no reason')}\n{error.get('detail') or ''}")
    for artifact in client.json(f"/v1/jobs/{job}/artifacts")["artifacts"]:
        if artifact["role"] != "result":
            continue
        path = download(client, job, artifact["name"], folder)
        seconds = duration(path) if artifact["type"] == "video/mp4" else None
        length = "" if seconds is None else f", {seconds:.1f} s"
        print(f"{path} ({artifact['type']}, {artifact['bytes']:,} bytes{length})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompt", nargs="?", default="a paper boat in the rain", help="the text of the title card")
    parser.add_argument("--image", type=pathlib.Path, help="a picture to bring to life, instead of a prompt")
    parser.add_argument("--seconds", type=float, help="the length of the video")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("demo"), help="where the files go")
    parser.add_argument("--url", default=os.environ.get("LONGTAKE_URL", "http://127.0.0.1:8080"))
    parser.add_argument("--daemon", default=built_daemon(), help="the program to start if no daemon answers")
    options = parser.parse_args()
    if options.image is not None and not options.image.is_file():
        parser.error(f"there is no file {options.image}")
    options.folder.mkdir(parents=True, exist_ok=True)
    client, daemon = Client(options.url), None
    try:
        if not client.is_up():
            daemon = start_daemon(client, options.daemon, options.folder)
        make(client, options, options.folder)
    except KeyboardInterrupt:
        raise SystemExit(130)
    finally:
        stop(daemon)


if __name__ == "__main__":
    main()

"""Tests the statements of docs/clients.md about libraries, with the libraries themselves."""

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import logging
import os
import pathlib
import subprocess
import sysconfig
import tempfile
import threading
import time
import unittest

import aiohttp
import aiohttp_sse_client.client
import httpx
import httpx_sse
import requests
import requests_sse
import sseclient

from browser import IS_INSTALLED, Browser, Site
from cutter import Cutter
from document import recipes
from longtake import PATIENCE, Daemon
from test_recipes import PLAN, named

PACKAGES = pathlib.Path(sysconfig.get_path("purelib"))
DEBIAN_NODE = pathlib.Path("/usr/share/nodejs")


# When aiohttp-sse-client raises, it leaves its session open, and aiohttp logs an error.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def btubbs_sseclient():
    """Returns the module of the package sseclient. The module of sseclient-py has the same name and comes first."""
    spec = importlib.util.spec_from_file_location("btubbs_sseclient", PACKAGES / "sseclient.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class LibraryTests(unittest.TestCase):
    """Uses a finished job, and the cursor of a client that has received all of its events."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(speed=1000)
        cls.proxy = Cutter(cls.daemon)
        job = cls.daemon.submit()["id"]
        cls.last = {"Last-Event-ID": cls.daemon.events(job)[-1]["id"]}
        cls.url = f"{cls.proxy.url}/v1/jobs/{job}/events"

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__()

    def test_httpx_sse(self):
        """httpx-sse raises at the 204, and httpx waits 5 s for a byte by default"""
        with httpx.Client() as client, httpx_sse.connect_sse(client, "GET", self.url, headers=self.last) as source:
            with self.assertRaises(httpx_sse.SSEError):
                next(source.iter_sse())
            self.assertEqual(source.response.status_code, 204)
            self.assertEqual(client.timeout.read, 5)

    def test_short_timeout(self):
        """httpx with its default timeout reads the stream of a waiting job if it requests a shorter heartbeat"""
        with Daemon(QUEUES_CPU_WORKERS=0) as daemon, httpx.Client() as client:
            url = f"{daemon.url}/v1/jobs/{daemon.submit()['id']}/events"
            with self.assertRaises(httpx.ReadTimeout), client.stream("GET", url) as response:
                for _ in response.iter_lines():
                    pass
            with client.stream("GET", url, params={"heartbeat_seconds": 2}) as response:
                beats = (line for line in response.iter_lines() if line == ": hb")
                # Three of them take longer than the timeout.
                for _ in range(3):
                    next(beats)

    def test_requests_sse(self):
        """requests-sse raises at the 204"""
        with self.assertRaises(requests_sse.InvalidStatusCodeError):
            with requests_sse.EventSource(self.url, headers=self.last, timeout=PATIENCE) as source:
                next(iter(source))

    def test_aiohttp_sse_client(self):
        """aiohttp-sse-client raises at the 204"""

        async def read():
            async with aiohttp_sse_client.client.EventSource(self.url, headers=self.last) as source:
                await source.__anext__()

        with self.assertRaises(ConnectionError), self.assertLogs("aiohttp_sse_client.client", "ERROR"):
            asyncio.run(read())

    def test_aiohttp(self):
        """aiohttp ends a request after 300 s in total by default"""

        async def timeout():
            async with aiohttp.ClientSession() as session:
                return session.timeout.total

        self.assertEqual(asyncio.run(timeout()), 300)

    def test_sseclient_py(self):
        """sseclient-py treats the 204 as a stream without events, and does not reconnect by itself"""
        response = requests.get(self.url, headers=self.last, stream=True, timeout=PATIENCE)
        self.assertEqual(list(sseclient.SSEClient(response).events()), [])
        self.assertEqual(response.status_code, 204)

    def test_sseclient(self):
        """sseclient repeats the request forever after the 204"""
        module = btubbs_sseclient()
        before = len(self.proxy.heads)

        def read():
            # The loop ends when the daemon ends.
            with contextlib.suppress(requests.RequestException):
                for _ in module.SSEClient(self.url, last_id=self.last["Last-Event-ID"], retry=50):
                    pass

        threading.Thread(target=read, daemon=True).start()
        deadline = time.monotonic() + PATIENCE
        while len(self.proxy.heads) < before + 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertGreaterEqual(len(self.proxy.heads), before + 4)


class ReplacementTests(unittest.TestCase):
    """Tests the recipe for pages with libraries that replace EventSource."""

    @unittest.skipUnless((DEBIAN_NODE / "eventsource").exists(), "node-eventsource is not installed")
    def test_node(self):
        """with eventsource for Node, the recipe for pages loses no event, although the library alone loses an event that was cut in half"""
        recipe = recipes()["browser"]
        program = 'globalThis.EventSource = require("eventsource");\n{}\n'
        program += 'follow(process.argv[2], event => console.log(event.id, event.type), process.argv[3]);\n'
        printed, log, _ = self.run_node(program.format(recipe))
        self.assertEqual(printed, log)
        check = next(line for line in recipe.splitlines() if "event.seq > seqOf(last) + 1" in line)
        printed, log, _ = self.run_node(program.format(recipe.replace(check, "")))
        self.assertNotEqual(printed, log, "the library no longer loses an event: correct the document")

    def run_node(self, program):
        with tempfile.TemporaryDirectory() as folder, Daemon() as daemon, Cutter(daemon, PLAN[:3]) as cutter:
            path = pathlib.Path(folder, "follow.cjs")
            path.write_text(program)
            job = daemon.submit()["id"]
            ran = subprocess.run(
                ["node", path, f"{cutter.url}/v1/jobs/{job}/events"],
                env=os.environ | {"NODE_PATH": str(DEBIAN_NODE)},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=True,
            )
            return ran.stdout.splitlines(), list(map(named, daemon.events(job))), cutter

    @unittest.skipUnless(IS_INSTALLED, "chromium and chromium-driver are not installed")
    def test_reconnecting_event_source(self):
        """reconnecting-eventsource loses no event if the page uses addEventListener and closes it at the final event"""
        plan = [("cut", 3), ("half", 2), ("end", 2), ("restart", 2), ("refuse", 503)]
        follow = """
            const source = new ReconnectingEventSource(given[0]);
            source.addEventListener("message", ({data}) => { draw(data); if (window.over) source.close(); });
        """
        heads = self.run_page("reconnecting-eventsource.js", "", follow, plan)
        self.assertTrue(any("lastEventId=" in head for head in heads), "the library has not resumed by itself")

    @unittest.skipUnless(IS_INSTALLED, "chromium and chromium-driver are not installed")
    def test_yaffle(self):
        """Yaffle's polyfill loses no event, and stops at the 204"""
        follow = """
            const source = new EventSource(given[0]);
            source.onmessage = ({data}) => draw(data);
            source.onerror = () => window.over &&= source.readyState === 2 ? "closed" : window.over;
        """
        plan = [("cut", 3), ("half", 2), ("end", 2)]
        # The polyfill replaces EventSource only if it is missing.
        heads = self.run_page("eventsource.min.js", "window.EventSource = undefined;", follow, plan, "window.over === 'closed'")
        self.assertTrue(any("lastEventId=" in head and "&r=" in head for head in heads), "this is not the polyfill")

    def run_page(self, library, before, follow, plan, end="window.over"):
        """Follows a job in a page with the library, and returns the heads of the page's requests."""
        self.assertEqual(importlib.metadata.version("django-eventstream"), "5.3.4", "the document names this version")
        page = """
            <script>
            window.seen = [];
            function draw(data) {
                const event = JSON.parse(data);
                if (event.seq) seen.push(event.id + " " + event.type);
                window.over ||= event.final;
            }
            """
        page += f"{before}</script><script src=/library.js></script>"
        text = (PACKAGES / "django_eventstream/static/django_eventstream" / library).read_text()
        site, browser = Site({"/": page, "/library.js": text}), Browser()
        self.addCleanup(site.close)
        self.addCleanup(browser.close)
        with Daemon(HTTP_CORS_ORIGINS=site.origin) as daemon, Cutter(daemon, plan) as cutter:
            browser.open(site.origin)
            job = daemon.submit()["id"]
            browser.run(follow, f"{cutter.url}/v1/jobs/{job}/events?format=message")
            browser.wait(end, "the end")
            self.assertEqual(browser.run("return seen;"), list(map(named, daemon.events(job))))
            self.assertEqual(cutter.done[: len(plan)], plan)
            return cutter.heads

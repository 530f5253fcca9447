"""Tests the nginx block of docs/operations.md, as printed, with pages of the site in a real Chromium."""

import json
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

import browser
import nginx
from browser import Browser, Site
from longtake import Daemon
from nginx import Nginx, block
from test_recipes import named

SUBMIT = """
    const response = await fetch(given[0] + "/v1/jobs", {
        method: "POST",
        headers: {"Content-Type": "application/json"},
        body: JSON.stringify({input: {prompt: "a paper boat in the rain"}}),
    });
    return [response.status, await response.json()];
"""

# Follows the job with a plain EventSource.
FOLLOW = """
    window.seen = [];
    window.source = new EventSource(given[0] + "?format=message");
    source.onmessage = ({data}) => {
        const event = JSON.parse(data);
        if (event.seq) seen.push(event.id + " " + event.type);
        if (event.final) window.over = true;
    };
"""


@unittest.skipUnless(nginx.IS_INSTALLED and browser.IS_INSTALLED, "nginx, chromium or chromium-driver is not installed")
class NginxTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def documented(self, prefix, daemon, proxy):
        """Restarts the daemon with the documented settings, for the URL of this proxy."""
        settings = nginx.settings()
        self.assertEqual(settings["HTTP_PUBLIC_URL"], "https://video.example.org/longtake")
        settings["HTTP_PUBLIC_URL"] = proxy.origin + prefix
        daemon.kill()
        daemon.settings |= {f"LONGTAKE_{name}": value for name, value in settings.items()}
        daemon.start()

    def follow_from_page(self, daemon, proxy, prefix):
        """A page of the site submits a job and follows it. It receives events while the job still runs, so the proxy does not buffer."""
        self.browser.open(proxy.origin + "/site/page.html")
        status, job = self.browser.run(SUBMIT, proxy.origin + prefix)
        self.assertEqual(status, 201)
        self.browser.run(FOLLOW, job["links"]["events"])
        self.browser.wait("seen.length > 2", "the third event")
        self.assertEqual(daemon.request(f"/v1/jobs/{job['id']}")["state"], "running", "the proxy buffered the stream until the end")
        self.browser.wait("window.over", "the final event")
        self.assertEqual(self.browser.run("return seen;"), list(map(named, daemon.events(job["id"]))))
        return job

    def test_prefix(self):
        """behind the documented block, a page of the site submits a job under the prefix and follows it while it runs"""
        with Daemon(speed=50) as daemon, Nginx(block(daemon.port)) as proxy:
            self.documented("/longtake", daemon, proxy)
            job = self.follow_from_page(daemon, proxy, "/longtake")
            self.assertEqual(job["links"]["self"], f"{proxy.origin}/longtake/v1/jobs/{job['id']}")

    def test_own_site(self):
        """behind the documented block with `location /`, a page of the site submits a job and follows it"""
        with Daemon(speed=50) as daemon, Nginx(block(daemon.port, "/")) as proxy:
            self.documented("", daemon, proxy)
            self.follow_from_page(daemon, proxy, "")

    def test_without_public_url(self):
        """without http.public_url the daemon recognizes pages of the site by X-Forwarded-Host of the trusted proxy"""
        trusted = nginx.settings()["HTTP_TRUSTED_PROXIES"]
        with Daemon(speed=50, HTTP_TRUSTED_PROXIES=trusted) as daemon, Nginx(block(daemon.port, "/")) as proxy:
            self.follow_from_page(daemon, proxy, "")

    def test_untrusted(self):
        """if nginx is not in http.trusted_proxies, a page of the site gets 403"""
        with Daemon(speed=50) as daemon, Nginx(block(daemon.port, "/")) as proxy:
            self.browser.open(proxy.origin + "/site/page.html")
            self.assertEqual(self.browser.run(SUBMIT, proxy.origin)[0], 403)

    def test_home(self):
        """the page at / loads under the prefix, shows the URL of the request, and its links work"""
        with Daemon(speed=50) as daemon, Nginx(block(daemon.port)) as proxy:
            self.documented("/longtake", daemon, proxy)
            self.browser.open(proxy.origin + "/longtake/")
            self.assertEqual(self.browser.run("return document.title;"), "Longtake")
            self.assertIn(f"curl -N {proxy.origin}/longtake/v1/jobs", self.browser.run("return document.body.innerText;"))
            links = self.browser.run("return [...document.querySelectorAll('a')].map(link => link.href);")
            self.assertIn(proxy.origin + "/longtake/v1/jobs", links)
            for link in links:
                with urllib.request.urlopen(link, timeout=30) as response:
                    self.assertEqual(response.status, 200, link)
            with urllib.request.urlopen(proxy.origin + "/longtake/openapi.json", timeout=30) as response:
                self.assertEqual(json.load(response)["servers"][0]["url"], proxy.origin + "/longtake")

    def test_restart(self):
        """while the daemon is down, an EventSource of another origin waits and then resumes, and a submission gets 503"""
        site = Site()
        self.addCleanup(site.close)
        with Daemon(HTTP_CORS_ORIGINS=site.origin) as daemon, Nginx(block(daemon.port)) as proxy:
            self.documented("/longtake", daemon, proxy)
            self.browser.open(site.origin)
            job = daemon.submit()
            self.browser.run(FOLLOW, job["links"]["events"])
            self.browser.wait("seen.length > 2", "the third event")
            daemon.kill()
            # The EventSource has reconnected at least once while the daemon is down.
            self.browser.run("source.addEventListener('open', () => window.waited = true);")
            self.browser.wait("window.waited", "the answer of nginx")
            self.assertNotEqual(self.browser.run("return source.readyState;"), 2)
            self.assertEqual(self.refusal(proxy.origin + "/longtake/v1/jobs", b"{}"), (503, "2"))
            self.assertEqual(self.refusal(proxy.origin + "/longtake/v1/jobs"), (503, "2"))
            daemon.start()
            self.browser.wait("window.over", "the final event")
            self.assertEqual(self.browser.run("return seen;"), list(map(named, daemon.events(job["id"]))))

    def refusal(self, address, body=None):
        """Returns the status and Retry-After of the response. A POST accepts a stream, a GET accepts JSON only."""
        request = urllib.request.Request(address, body, {"Accept": "text/event-stream" if body else "application/json"})
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)
        return caught.exception.code, caught.exception.headers["Retry-After"]

    def test_http2(self):
        """with HTTP/2 towards the browser, a page can open more than six streams to one host"""
        with tempfile.TemporaryDirectory() as folder, Daemon(QUEUES_CPU_WORKERS=0) as daemon:
            certificate = (f"{folder}/certificate.pem", f"{folder}/key.pem")
            command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "1"]
            subprocess.run([*command, "-out", certificate[0], "-keyout", certificate[1]], check=True, capture_output=True)
            with Nginx(block(daemon.port), certificate) as proxy:
                self.documented("/longtake", daemon, proxy)
                self.browser.open(proxy.origin + "/site/page.html")
                opened = self.browser.run(
                    """
                    const sources = given.map(link => new EventSource(link));
                    await Promise.all(sources.map(source => new Promise(resolve => source.onopen = resolve)));
                    for (const source of sources) source.close();
                    return sources.length;
                    """,
                    *[daemon.submit()["links"]["events"] for _ in range(12)],
                )
                self.assertEqual(opened, 12)

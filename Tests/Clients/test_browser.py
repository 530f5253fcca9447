"""Pages of another origin in a real Chromium."""

import os
import unittest

from browser import CHROMIUM, DRIVER, Browser, Site
from longtake import Daemon

# What pages of other origins send: a key, what makes a submission safe to repeat, and what tracing libraries and frameworks add.
HEADERS = {
    "Content-Type": "application/json",
    "Idempotency-Key": "a-page-1",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "vendor=value",
    "baggage": "userId=alice",
    "sentry-trace": "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
    "x-requested-with": "XMLHttpRequest",
    "cache-control": "no-cache",
    "Prefer": "wait=0",
}

POST = """
    const [url, headers] = given;
    const response = await fetch(url + "/v1/jobs",
        {method: "POST", headers, body: JSON.stringify({input: {prompt: "a paper boat in the rain"}})});
    return {status: response.status, headers: Object.fromEntries(response.headers), body: await response.json()};
"""

GET = """
    const [url, headers] = given;
    const response = await fetch(url, {headers});
    return {status: response.status, headers: Object.fromEntries(response.headers)};
"""


@unittest.skipUnless(os.access(CHROMIUM, os.X_OK) and os.access(DRIVER, os.X_OK), "chromium and chromium-driver are not installed")
class CrossOriginTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.site.close()

    def setUp(self):
        self.browser.open(self.site.origin)

    def submit_from_page(self, daemon):
        headers = HEADERS | ({"Authorization": f"Bearer {daemon.key}"} if daemon.key else {})
        first = self.browser.run(POST, daemon.url, headers)
        self.assertEqual(first["status"], 201)
        for name in ("location", "etag", "preference-applied", "x-request-id"):
            self.assertIn(name, first["headers"], "the page cannot read it")
        again = self.browser.run(POST, daemon.url, headers)
        self.assertEqual((again["status"], again["headers"].get("idempotent-replayed")), (200, "true"))
        self.assertEqual(again["body"]["id"], first["body"]["id"])

    def test_post_without_keys(self):
        """a page of another origin submits a job with all the headers that libraries add, and reads the answer's"""
        with Daemon(HTTP_CORS_ORIGINS=self.site.origin) as daemon:
            self.submit_from_page(daemon)

    def test_post_with_keys(self):
        """a page of another origin submits a job with a key, and reads the headers of the answer"""
        with Daemon(keys=True, HTTP_CORS_ORIGINS=self.site.origin) as daemon:
            self.submit_from_page(daemon)

    def test_refusal_is_readable(self):
        """a page of another origin can read Retry-After of a refusal"""
        with Daemon(HTTP_CORS_ORIGINS=self.site.origin, LIMITS_QUEUED_JOBS_PER_TENANT=1, QUEUES_CPU_WORKERS=0) as daemon:
            daemon.submit()
            refused = self.browser.run(POST, daemon.url, {"Content-Type": "application/json"})
            self.assertEqual(refused["status"], 429)
            self.assertIn("retry-after", refused["headers"])

    def test_other_origin_is_refused(self):
        """a page of an origin that is not configured can neither submit nor read"""
        with Daemon(HTTP_CORS_ORIGINS="https://app.example.org") as daemon:
            with self.assertRaisesRegex(AssertionError, "Failed to fetch"):
                self.browser.run(POST, daemon.url, HEADERS)
            with self.assertRaisesRegex(AssertionError, "Failed to fetch"):
                self.browser.run(GET, daemon.url + "/v1/jobs", {})
            self.assertEqual(daemon.jobs(), [])

"""Tests pages of another origin in a real Chromium."""

import unittest

from browser import IS_INSTALLED, Browser, Site
from cutter import Cutter
from document import recipes
from longtake import Daemon, free_port
from test_recipes import PLAN, named

# The headers that pages of other origins send: an idempotency key, and what tracing libraries and frameworks add.
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


# Records the events that a page shows, so that a test can read them after the page is closed.
SHOW = """
    <script>
    window.seen = JSON.parse(sessionStorage.getItem("seen") ?? "[]");
    function draw(event) {
        seen.push(event.id + " " + event.type);
        sessionStorage.setItem("seen", JSON.stringify(seen));
        window.over ||= event.final || event.job?.finished_at;
    }
    </script>
"""
# The page from the document. Its script shows the job that the URL names.
PAGE = f"""
    <!doctype html><title>a job</title>{SHOW}
    <script>{recipes()["browser"]}</script>
    <script type="module">
    const job = await (await fetch(new URLSearchParams(location.search).get("job"))).json();
    {recipes()["browser-page"]}
    </script>
"""


@unittest.skipUnless(IS_INSTALLED, "chromium and chromium-driver are not installed")
class PageTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site({"/job": PAGE, "/seen": f"<!doctype html><title>a page</title>{SHOW}"})
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.site.close()

    def setUp(self):
        self.browser.open(self.site.origin)
        self.browser.run("sessionStorage.clear();")

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
        """a page of another origin submits a job with all headers that libraries add, and reads the headers of the response"""
        with Daemon(HTTP_CORS_ORIGINS=self.site.origin) as daemon:
            self.submit_from_page(daemon)

    def test_post_with_keys(self):
        """a page of another origin submits a job with an API key, and reads the headers of the response"""
        with Daemon(keys=True, HTTP_CORS_ORIGINS=self.site.origin) as daemon:
            self.submit_from_page(daemon)

    def test_refusal_is_readable(self):
        """a page of another origin can read Retry-After of a rejected request"""
        with Daemon(HTTP_CORS_ORIGINS=self.site.origin, LIMITS_QUEUED_JOBS_PER_TENANT=1, QUEUES_CPU_WORKERS=0) as daemon:
            daemon.submit()
            refused = self.browser.run(POST, daemon.url, {"Content-Type": "application/json"})
            self.assertEqual(refused["status"], 429)
            self.assertIn("retry-after", refused["headers"])

    def test_other_origin_is_refused(self):
        """a page of an origin that is not configured can neither submit nor read jobs"""
        with Daemon(HTTP_CORS_ORIGINS="https://app.example.org") as daemon:
            with self.assertRaisesRegex(AssertionError, "Failed to fetch"):
                self.browser.run(POST, daemon.url, HEADERS)
            with self.assertRaisesRegex(AssertionError, "Failed to fetch"):
                self.browser.run(GET, daemon.url + "/v1/jobs", {})
            self.assertEqual(daemon.jobs(), [])

    def test_links_of_another_origin(self):
        """`new EventSource(job.links.events)` works in a page of another origin when http.public_url is set"""
        port = free_port()
        settings = {"HTTP_PUBLIC_URL": f"http://127.0.0.1:{port}", "HTTP_CORS_ORIGINS": self.site.origin}
        with Daemon(port=port, speed=200, **settings) as daemon:
            log = self.browser.run(POST, daemon.url, {"Content-Type": "application/json"})
            self.assertEqual(log["headers"]["location"], log["body"]["links"]["self"])
            types = self.browser.run(
                """
                const types = [];
                const source = new EventSource(given[0]);
                await new Promise((resolve, reject) => {
                    source.addEventListener("job.queued", event => types.push(event.type));
                    source.addEventListener("job.succeeded", event => { types.push(event.type); source.close(); resolve(); });
                    source.onerror = () => source.readyState === EventSource.CLOSED && reject("the EventSource was closed");
                });
                return types;
                """,
                log["body"]["links"]["events"],
            )
            self.assertEqual(types, ["job.queued", "job.succeeded"])

    def test_event_source_survives_a_kill(self):
        """a plain EventSource survives kill -9 of the daemon, misses no event and stops at the 204"""
        with Daemon(HTTP_CORS_ORIGINS=self.site.origin) as daemon:
            self.browser.open(self.site.origin + "/seen")
            job = daemon.submit()["id"]
            self.browser.run(
                """
                window.source = new EventSource(given[0]);
                source.onmessage = ({data}) => { const event = JSON.parse(data); if (event.seq) draw(event); };
                """,
                f"{daemon.url}/v1/jobs/{job}/events?format=message",
            )
            self.browser.wait("seen.length > 5", "the sixth event")
            daemon.kill()
            self.browser.wait("source.readyState === EventSource.CONNECTING", "the cut")
            daemon.start()
            self.browser.wait("source.readyState === EventSource.CLOSED", "the end")
            self.assertEqual(self.browser.run("return seen;"), list(map(named, daemon.events(job))))

    def test_recipe(self):
        """the recipe for pages shows each event exactly once, although its connections are cut"""
        with Cutter(plan=PLAN) as cutter:
            settings = {"HTTP_PUBLIC_URL": cutter.url, "HTTP_CORS_ORIGINS": self.site.origin}
            with Daemon(**settings) as daemon:
                cutter.daemon = daemon
                job = daemon.submit()
                self.browser.open(f"{self.site.origin}/job?job={job['links']['self']}")
                self.browser.wait("window.over", "the final event")
                self.assertEqual(self.browser.run("return seen;"), list(map(named, daemon.events(job["id"]))))
                self.assertEqual(cutter.done[: len(PLAN)], PLAN)

    def test_page_change(self):
        """a page that is closed and opened again resumes with last_event_id, and shows each event exactly once"""
        port = free_port()
        settings = {"HTTP_PUBLIC_URL": f"http://127.0.0.1:{port}", "HTTP_CORS_ORIGINS": self.site.origin}
        with Daemon(port=port, **settings) as daemon:
            job = daemon.submit()
            for count in (3, 6, 9):
                self.browser.open(f"{self.site.origin}/job?job={job['links']['self']}")
                self.browser.wait(f"seen.length > {count}", "another event")
                self.browser.open(self.site.origin)
            self.browser.open(f"{self.site.origin}/job?job={job['links']['self']}")
            self.browser.wait("window.over", "the final event")
            self.assertEqual(self.browser.run("return seen;"), list(map(named, daemon.events(job["id"]))))

    def test_six_connections(self):
        """a seventh request waits while six streams of one host are open, and /v1/events follows many jobs on one connection"""
        with Daemon(QUEUES_CPU_WORKERS=0, HTTP_CORS_ORIGINS=self.site.origin) as daemon:
            self.browser.open(self.site.origin + "/seen")
            jobs = [daemon.submit()["id"] for _ in range(8)]
            waits = self.browser.run(
                """
                const [url, jobs] = given;
                window.sources = jobs.slice(0, 6).map(job => new EventSource(`${url}/v1/jobs/${job}/events`));
                await Promise.all(sources.map(source => new Promise(resolve => source.onopen = resolve)));
                const late = new AbortController();
                setTimeout(() => late.abort(), 1500);
                const result = await fetch(url + "/v1/queues", {signal: late.signal}).then(() => "answered", () => "waited");
                for (const source of sources) source.close();
                return result;
                """,
                daemon.url,
                jobs,
            )
            self.assertEqual(waits, "waited")
            seen = self.browser.run(
                """
                const [url, jobs] = given;
                const {last_event_id} = await (await fetch(url + "/v1/jobs")).json();
                const source = new EventSource(`${url}/v1/events?format=message&last_event_id=${last_event_id}`);
                const seen = [];
                const done = new Promise(resolve => source.onmessage = ({data}) => {
                    const event = JSON.parse(data);
                    if (event.type === "job.canceled" && seen.push(event.job) === jobs.length) resolve();
                });
                for (const job of jobs) await fetch(`${url}/v1/jobs/${job}/cancel`, {method: "POST"});
                await done;
                source.close();
                return seen;
                """,
                daemon.url,
                jobs,
            )
            self.assertEqual(seen, jobs)

"""A real Chromium, and a web server with pages of another origin."""

import http.server
import os
import threading
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM = "/usr/bin/chromium"
DRIVER = "/usr/bin/chromedriver"
IS_INSTALLED = os.access(CHROMIUM, os.X_OK) and os.access(DRIVER, os.X_OK)


class Browser:
    """Runs scripts in pages. A script is the body of an async function. `run` returns its result."""

    def __init__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server", "--ignore-certificate-errors"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_script_timeout(60)

    def close(self):
        self.driver.quit()

    def open(self, address):
        self.driver.get(address)

    def run(self, script, *arguments):
        wrapped = f"""
            const done = arguments[arguments.length - 1];
            (async (...given) => {{ {script} }})(...Array.from(arguments).slice(0, -1))
                .then(value => done({{value}}), error => done({{error: String(error)}}));
        """
        answer = self.driver.execute_async_script(wrapped, *arguments)
        if "error" in answer:
            raise AssertionError(answer["error"] + "".join("\n" + line["message"] for line in self.driver.get_log("browser")))
        return answer.get("value")

    def wait(self, condition, what, patience=90):
        """Waits until the JavaScript expression is true in the page."""
        deadline = time.monotonic() + patience
        while not (value := self.run(f"return {condition};")):
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not happen; the page has received {self.run('return window.seen;')}")
            time.sleep(0.05)
        return value


class Site:
    """A web server with another origin than the daemon. `files` maps a path to its text."""

    def __init__(self, files=None):
        files = {"/": "<!doctype html><title>a page</title>"} | (files or {})

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.split("?")[0]
                body = files.get(path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Type", "text/javascript" if path.endswith(".js") else "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write((body or "").encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

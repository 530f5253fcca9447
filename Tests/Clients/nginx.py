"""A real nginx with the block from docs/operations.md."""

import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time

from document import indented
from longtake import free_port

BINARY = "/usr/sbin/nginx"
IS_INSTALLED = os.access(BINARY, os.X_OK)


def block(port, path="/longtake/"):
    """Returns the block as printed, with the port of this daemon, and with another path if one is given."""
    text = indented("docs/operations.md", "location /longtake/ {")
    assert text.count("127.0.0.1:8080") == 1
    return text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("location /longtake/ {", f"location {path} {{")


class Nginx:
    """`certificate` is a pair of files. If it is given, nginx uses HTTP/2."""

    def __init__(self, text, certificate=None):
        self.directory = tempfile.TemporaryDirectory(prefix="longtake-nginx-")
        folder = pathlib.Path(self.directory.name)
        self.port = free_port()
        scheme, options = "http", ""
        if certificate:
            scheme, options = "https", " ssl http2"
            text += "ssl_certificate {}; ssl_certificate_key {};\n".format(*certificate)
        self.origin = f"{scheme}://127.0.0.1:{self.port}"
        temporary = " ".join(f"{name}_temp_path {name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "site").mkdir()
        (folder / "site" / "page.html").write_text("<!doctype html><title>a page of the site</title>")
        (folder / "nginx.conf").write_text(f"""
            daemon off; master_process off; pid nginx.pid; error_log error.log; events {{}}
            http {{
                access_log off; {temporary} types {{ text/html html; }}
                server {{
                    listen 127.0.0.1:{self.port}{options};
                    location /site/ {{ root .; }}
                    {text}
                }}
            }}
        """)
        # With master_process off, nginx runs as the user of this test, so no other user has to read the folder of -p.
        self.process = subprocess.Popen(
            [BINARY, "-p", folder, "-c", "nginx.conf", "-e", "error.log"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx does not start:\n{(folder / 'error.log').read_text()}{self.process.stderr.read()}")
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self.directory.cleanup()

    def _answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def settings():
    """Maps variable names to values: the settings that the document prints below the block."""
    text = indented("docs/operations.md", "http:")
    found = dict(re.findall(r"^  (\w+): (.*)$", text, re.MULTILINE))
    return {f"HTTP_{name.upper()}": value.strip("[]") for name, value in found.items()}

"""A proxy that disturbs event streams as networks, proxies and deploys do.

It forwards bytes unchanged, except in the body of an event stream. Each forwarded stream takes the next step of a plan:

- ("cut", n): after n events of the event log, the proxy cuts the next one in the middle and closes the connection;
- ("end", n): after n events the proxy ends the body cleanly, although the job continues;
- ("half", n): after n events the proxy cuts the next one in the middle and ends the body cleanly, as a proxy with HTTP/1.0 does;
- ("restart", n): after n events the connection closes, and the daemon is killed and started again; until then requests get 502;
- ("restore", n): as "restart", but the daemon starts from a backup that is made after n events;
- ("freeze", n): after n events the proxy sends no more bytes and keeps the connection open;
- ("refuse", status): the request gets this status instead of a stream;
- ("pass",): the proxy does not disturb the stream. Streams after the end of the plan also pass.
"""

import contextlib
import socket
import threading


class Cutter:
    """`daemon` can be set later, if the daemon has to know the address of this proxy."""

    def __init__(self, daemon=None, plan=()):
        self.daemon = daemon
        self.plan = list(plan)
        self.done = []
        self.heads = []
        self.lock = threading.Lock()
        self.is_away = False
        self.frozen = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for connection in self.frozen:
            connection.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError, EOFError):
            try:
                if self.is_away:
                    raise ConnectionRefusedError
                upstream = socket.create_connection(("127.0.0.1", self.daemon.port))
            except OSError:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                client.close()
                return
            threading.Thread(target=self._pass_requests, args=(client, upstream), daemon=True).start()
            reader = upstream.makefile("rb")
            try:
                while self._pass_response(client, reader):
                    pass
            finally:
                for end in (client, upstream):
                    if end not in self.frozen:
                        with contextlib.suppress(OSError):
                            end.shutdown(socket.SHUT_RDWR)
                        end.close()

    def _pass_requests(self, client, upstream):
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self.is_away:
                    break
                if b" HTTP/1.1\r\n" in data:
                    self.heads.append(data.decode("latin-1"))
                upstream.sendall(data)
            upstream.shutdown(socket.SHUT_RDWR if self.is_away else socket.SHUT_WR)

    def _pass_response(self, client, reader):
        """Forwards one response. Returns false if the connection has ended."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = reader.readline()
            if not line:
                return False
            head += line
        fields = head.lower()
        if (b"text/event-stream" in fields or b"application/x-ndjson" in fields) and b"transfer-encoding: chunked" in fields:
            with self.lock:
                step = self.plan.pop(0) if self.plan else ("pass",)
                self.done.append(step)
            return self._pass_stream(client, head, reader, *step)
        client.sendall(head)
        if b"content-length: " in fields:
            left = int(fields.split(b"content-length: ")[1].split(b"\r\n")[0])
            client.sendall(reader.read(left))
        elif b"transfer-encoding: chunked" in fields:
            for chunk in chunks(reader):
                client.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            client.sendall(b"0\r\n\r\n")
        return True

    def _pass_stream(self, client, head, reader, action, count=0):
        if action == "refuse":
            client.sendall(b"HTTP/1.1 %d Refused\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % count)
            return False
        client.sendall(head)
        events, rest = 0, b""
        separator = b"\n\n" if b"text/event-stream" in head else b"\n"
        for chunk in chunks(reader):
            rest += chunk
            while separator in rest:
                block, rest = rest.split(separator, 1)
                block += separator
                events += is_logged(block)
                if action != "pass" and events > count:
                    return self._disturb(client, action, block)
                client.sendall(b"%x\r\n%s\r\n" % (len(block), block))
        client.sendall(b"0\r\n\r\n")
        return True

    def _disturb(self, client, action, block):
        if action == "cut":
            client.sendall(b"%x\r\n%s" % (len(block), block[: len(block) // 2]))
        elif action == "half":
            half = block[: len(block) // 2]
            client.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(half), half))
        elif action == "end":
            client.sendall(b"0\r\n\r\n")
        elif action == "freeze":
            self.frozen.append(client)
        elif action == "restart":
            # The client reconnects while the daemon is down.
            self.daemon.kill()
            threading.Timer(1, self.daemon.start).start()
        elif action == "restore":
            self.is_away = True
            threading.Thread(target=self._restore, daemon=True).start()
        return False

    def _restore(self):
        self.daemon.restore()
        self.is_away = False


def is_logged(block):
    """Whether this is an event of the event log. Control events such as stream.hello have no number."""
    return b'"seq":' in block


def chunks(reader):
    while True:
        line = reader.readline()
        if not line:
            raise EOFError
        length = int(line, 16)
        data = reader.read(length)
        if len(data) < length or len(reader.readline()) < 2:
            raise EOFError
        if length == 0:
            return
        yield data

"""Owns the other end of serve.ts: the process that the ported servers run in, and Python objects that stand for them.

Knows no test. What a test reads from and sets on a server object goes to the process, name by name: snake_case here
is camelCase there.
"""

import base64
import json
import os
import re
import select
import subprocess
import sys
import threading
import time

# Longer than any answer takes.
PATIENCE_S = 30


class RemoteError(Exception):
    """The process of the ported servers answered with an error, or is gone."""


class Process:
    """The process. One request at a time, whichever thread it comes from."""

    def __init__(self, node, script):
        self._child = subprocess.Popen([node, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._lock = threading.Lock()
        self._buffer = b""
        self.starts = 0

    def ask(self, op, **parameters):
        with self._lock:
            self.starts += op == "start"
            try:
                self._child.stdin.write(json.dumps({"op": op, **parameters}).encode() + b"\n")
                self._child.stdin.flush()
                reply = self._reply()
            except (BrokenPipeError, EOFError):
                raise RemoteError(f"the process of the servers has ended ({self._child.wait()})") from None
        if "error" not in reply:
            return reply
        if reply["error"] == "AttributeError":
            raise AttributeError(reply["message"])
        raise RemoteError(f"{reply['error']}: {reply['message']}")

    def end(self):
        """Its input ends, and so does it; a process that does not is killed."""
        self._child.stdin.close()
        try:
            return self._child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()
        finally:
            self._child.stdout.close()

    def _reply(self):
        while True:
            line = self._line()
            if line.startswith(b"@ "):
                return json.loads(line[2:])
            print("server:", line.decode(errors="replace"), file=sys.stderr)

    def _line(self):
        deadline = time.monotonic() + PATIENCE_S
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._child.stdout], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise RemoteError(f"no answer within {PATIENCE_S} s")
            data = os.read(self._child.stdout.fileno(), 65536)
            if not data:
                raise EOFError
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line


def camel(name):
    """last_received_cmd -> lastReceivedCmd; what begins with an underscore keeps it."""
    return re.sub(r"(?<=[A-Za-z0-9])_([A-Za-z])", lambda match: match[1].upper(), name)


class Remote:
    """An object in the process, by the way to it from the server. Attributes are read and set there."""

    process = None

    def __init__(self, server_id, path=()):
        object.__setattr__(self, "_id", server_id)
        object.__setattr__(self, "_path", path)

    def __getattr__(self, name):
        path = (*self._path, camel(name))
        return self._decoded(self.process.ask("get", id=self._id, path=path)["value"], path)

    def __setattr__(self, name, value):
        self.process.ask("set", id=self._id, path=(*self._path, camel(name)), value=value)

    def call(self, name, *parameters):
        path = (*self._path, camel(name))
        return self._decoded(self.process.ask("call", id=self._id, path=path, parameters=parameters)["value"], path)

    def _decoded(self, value, path):
        """A value of the protocol as Python has it."""
        if isinstance(value, list):
            return [self._decoded(each, path) for each in value]
        if not isinstance(value, dict):
            return value
        if "$bytes" in value:
            return base64.b64decode(value["$bytes"])
        if "$object" in value:
            return Remote(self._id, path)
        return {name: self._decoded(each, path) for name, each in value.items()}


class RemoteServer(Remote):
    """A server in the process. A class attribute `kind` names it; attributes that are not here are there."""

    kind = None
    host = port = None
    HERE = frozenset({"host", "port", "active", "encoding"})

    def __init__(self, address, **options):
        where = self.process.ask("start", kind=self.kind, host=address[0], port=address[1], **options)
        super().__init__(where["id"])
        self.host, self.port = where["host"], where["port"]

    def __setattr__(self, name, value):
        if name in self.HERE:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


class ThreadedServer(RemoteServer):
    """What test_poplib and test_ftplib do with their servers. Here both ends of a thread are those of the process.

    A class attribute `certfile` names the certificate of the test module.
    """

    certfile = None

    def __init__(self, address, af=None, encoding=None):
        super().__init__(address, encoding=encoding, certfile=self.certfile)
        self.encoding = encoding
        self.active = False

    def start(self):
        assert not self.active
        self.active = True

    def stop(self):
        assert self.active
        self.active = False
        self.process.ask("stop", id=self._id)

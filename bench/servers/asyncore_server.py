"""Owns the server on CPython's asyncore and asynchat, over poll(2). Knows nothing of who measures it.

usage: python3.11 asyncore_server.py ROLE [READ_SIZE [TARGET_PORT]]      listens on a free port; the line on stdout names it
"""

import socket
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
import asynchat  # noqa: E402
import asyncore  # noqa: E402

BACKLOG = 4096
PUSHED = bytes(range(256)) * 4096
ROLE = sys.argv[1]
READ_SIZE = int(sys.argv[2]) if len(sys.argv) > 2 else 8192
TARGET_PORT = int(sys.argv[3]) if len(sys.argv) > 3 else 0


class Echo(asyncore.dispatcher_with_send):
    """Its initiate_send takes 64 KiB at most; asyncore's own takes 512 bytes."""

    def handle_read(self):
        data = self.recv(READ_SIZE)
        if data:
            self.send(data)

    def initiate_send(self):
        sent = asyncore.dispatcher.send(self, self.out_buffer[:65536])
        self.out_buffer = self.out_buffer[sent:]

    def handle_close(self):
        self.close()


class BufferedEcho(asyncore.dispatcher):
    """As asyncore's documentation writes it."""

    def __init__(self, sock):
        super().__init__(sock)
        self.buffer = b""

    def writable(self):
        return len(self.buffer) > 0

    def handle_read(self):
        self.buffer += self.recv(READ_SIZE)

    def handle_write(self):
        sent = self.send(self.buffer)
        self.buffer = self.buffer[sent:]

    def handle_close(self):
        self.close()


class Push(asynchat.async_chat):
    def __init__(self, sock):
        super().__init__(sock)
        self.set_terminator(b"\n")

    def collect_incoming_data(self, data):
        pass

    def found_terminator(self):
        self.push(PUSHED)


class Side(Echo):
    other = None

    def readable(self):
        return self.other is not None and not self.other.out_buffer

    def handle_connect(self):
        pass

    def handle_read(self):
        data = self.recv(65536)
        if data:
            self.other.send(data)

    def handle_close(self):
        other, self.other = self.other, None
        self.close()
        if other is not None:
            other.handle_close()


class FanOut(Echo):
    clients = set()

    def __init__(self, sock):
        super().__init__(sock)
        self.clients.add(self)

    def handle_read(self):
        data = self.recv(READ_SIZE)
        if data:
            for client in self.clients:
                if client is not self:
                    client.send(data)

    def handle_close(self):
        self.clients.discard(self)
        self.close()


def proxy(sock):
    near, far = Side(sock), Side()
    near.other, far.other = far, near
    far.create_socket()
    far.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    far.connect(("127.0.0.1", TARGET_PORT))


MAKE = {"echo": Echo, "buffered": BufferedEcho, "push": Push, "proxy": proxy, "fanout": FanOut}[ROLE]


class Server(asyncore.dispatcher):
    def __init__(self):
        super().__init__()
        self.create_socket()
        # Connections that it accepts inherit it.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bind(("127.0.0.1", 0))
        self.listen(BACKLOG)

    def handle_accepted(self, sock, address):
        MAKE(sock)


print("listening on 127.0.0.1:%d" % Server().socket.getsockname()[1], flush=True)
asyncore.loop(use_poll=True)

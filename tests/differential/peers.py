"""Owns the outside of a scenario: sockets and pipe ends that are driven by hand. Knows no asyncore. Twin of peers.ts."""

import fcntl
import os
import select
import socket
import struct
import termios

from errno import errorcode

FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6, "unix": socket.AF_UNIX}
ANY_ADDRESS = {"IPv4": ("127.0.0.1", 0), "IPv6": ("::1", 0), "unix": ""}
PATIENCE_S = 5.0
POLLRDHUP = getattr(select, "POLLRDHUP", 0x2000)
CONDITIONS = {
    "readable": select.POLLIN,
    "writable": select.POLLOUT,
    "urgent": select.POLLPRI,
    "end": POLLRDHUP | select.POLLHUP,
    "hangup": select.POLLHUP,
    "error": select.POLLERR,
}


def wait_for(fd, condition):
    """Waits until poll(2) says so of a descriptor, or until so many bytes can be read; takes nothing from it."""
    poller = select.poll()
    if isinstance(condition, int):
        poller.register(fd, 0)
        for _ in range(int(PATIENCE_S * 1000)):
            if struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0] >= condition:
                return
            poller.poll(1)
    else:
        wanted = CONDITIONS[condition]
        poller.register(fd, wanted)
        for _, found in poller.poll(PATIENCE_S * 1000):
            if found & wanted:
                return
    raise AssertionError("never so: %s" % condition)


class Peer:
    """A socket, or an end of a pipe; never blocks."""

    def __init__(self, sock=None, pipe_fd=-1):
        self.sock = sock
        self.pipe_fd = pipe_fd
        self.address = None
        self.ended = None
        if sock is not None:
            sock.setblocking(False)
            self.address = sock.getsockname()

    @property
    def fd(self):
        return self.pipe_fd if self.sock is None else self.sock.fileno()

    def send(self, data):
        sent = os.write(self.pipe_fd, data) if self.sock is None else self.sock.send(data)
        if sent != len(data):
            raise AssertionError("only %d of %d bytes could be sent" % (sent, len(data)))

    def send_urgent(self, data):
        self.sock.send(data, socket.MSG_OOB)

    def send_to(self, data, address):
        self.sock.sendto(data, address)

    def shutdown(self, how):
        self.sock.shutdown({"read": socket.SHUT_RD, "write": socket.SHUT_WR, "both": socket.SHUT_RDWR}[how])

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def take(self):
        """Everything that can be read now; `ended` says afterwards whether that was all."""
        taken = b""
        while self.ended is None and self.fd >= 0:
            try:
                data = os.read(self.pipe_fd, 65536) if self.sock is None else self.sock.recv(65536)
            except BlockingIOError:
                break
            except OSError as error:
                self.ended = errorcode[error.errno]
                break
            if self.sock is not None and self.sock.type == socket.SOCK_DGRAM:
                return data
            if not data:
                self.ended = "end"
            taken += data
        return taken

    def close(self):
        if self.sock is not None:
            self.sock.close()
        elif self.pipe_fd >= 0:
            os.close(self.pipe_fd)
            self.pipe_fd = -1


def make_socket(family, kind=socket.SOCK_STREAM, bound=True):
    sock = socket.socket(FAMILIES[family], kind)
    if bound:
        sock.bind(ANY_ADDRESS[family])
    return sock


def connect(family, address):
    """A socket that is connected, or has seen its connect refused."""
    sock = make_socket(family, bound=False)
    sock.setblocking(False)
    sock.connect_ex(address)
    wait_for(sock.fileno(), "writable")
    return sock


def connected_pair(family):
    """The one that was accepted, and the one that connected."""
    if family == "unix":
        return socket.socketpair()
    with make_socket(family) as listener:
        listener.listen(1)
        far = connect(family, listener.getsockname())
        wait_for(listener.fileno(), "readable")
        return listener.accept()[0], far

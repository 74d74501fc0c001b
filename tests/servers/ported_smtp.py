"""Owns Python's side of the SMTP servers: what test_smtplib and test_smtpd see of them. Knows no test by name.

test_smtpd makes channels itself, over mocks of sockets. Here each of them is a connection to the ported server: what
is queued for the mock is sent, and what the channel sends in return is read before the call returns.
"""

import asyncore
import smtpd
import socket
import sys

from ported import Remote, RemoteError, RemoteServer

# The tests mock the module's functions.
REAL_SOCKET = socket.socket

# What a port throws under the name that Python has for it.
EXCEPTIONS = {"ValueError": ValueError, "NotImplementedError": NotImplementedError}


def raised(name, message):
    return EXCEPTIONS.get(name, RemoteError)(message)


class SocketOf:
    """What tests ask of a server's socket."""

    def __init__(self, server):
        self.family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
        self._name = server.host, server.port

    def getsockname(self):
        return self._name


class PortedSMTPServer(RemoteServer):
    HERE = RemoteServer.HERE | {"socket"}

    def __init__(self, localaddr, remoteaddr, decode_data=False, enable_SMTPUTF8=False):
        try:
            super().__init__(localaddr, fqdn=smtpd.socket.getfqdn(), decodeData=decode_data,
                             enableSMTPUTF8=enable_SMTPUTF8)
        except RemoteError as error:
            raise raised(*str(error).split(": ", 1)) from None
        self.socket = SocketOf(self)

    def take_output(self):
        """What the server has printed is printed here."""
        taken = self.call("take_output")
        for line in taken["output"]:
            print(line)
        for line in taken["debug"]:
            print(line, file=smtpd.DEBUGSTREAM)

    def close(self):
        self.take_output()
        self.process.ask("stop", id=self._id)


class DebuggingServer(PortedSMTPServer):
    kind = "debugging"


class SimSMTPServer(PortedSMTPServer):
    kind = "sim"

    def add_feature(self, feature):
        self.call("add_feature", feature)

    def __setattr__(self, name, value):
        super().__setattr__(name, value.__name__ if name == "channel_class" else value)


class SimSMTPUTF8Server(SimSMTPServer):
    kind = "simUtf8"


class SimSMTPAUTHInitialResponseServer(SimSMTPServer):
    kind = "simAuth"


def debugging_server(server, server_event, client_event):
    """test_smtplib's thread for a server, which runs elsewhere: the thread closes it when the client is done."""
    server_event.set()
    client_event.wait()
    server.close()
    server_event.set()


class DirectSMTPServer(PortedSMTPServer):
    """A server whose channels are made by the test."""

    kind = "directSmtpd"
    HERE = PortedSMTPServer.HERE | {"clients"}

    def __init__(self, localaddr, remoteaddr, decode_data=False, enable_SMTPUTF8=False):
        super().__init__(localaddr, remoteaddr, decode_data, enable_SMTPUTF8)
        self.clients = []
        # So that asyncore.close_all closes it, as it closes the original.
        asyncore.socket_map[self.port] = self

    def accept(self):
        return None, None

    def handle_accept(self):
        DirectChannel(self, None, None)

    @property
    def messages(self):
        return [(tuple(peer), *rest) for peer, *rest in self.__getattr__("messages")]

    def check(self):
        """Raises what the server has raised."""
        direct = self.__getattr__("direct")
        failure = direct.raised
        if failure is not None:
            direct.raised = None
            raise raised(failure["name"], failure["message"])

    def close(self):
        for client in self.clients:
            client.close()
        super().close()


class DirectDebuggingServer(DirectSMTPServer):
    kind = "directDebugging"


class DirectDummyServer(DirectSMTPServer):
    kind = "directDummy"


class DirectBrokenServer(DirectSMTPServer):
    kind = "directBroken"


class DirectChannel(Remote):
    """A channel of such a server: a connection to it."""

    HERE = frozenset({"conn", "addr", "socket", "_server"})

    def __init__(self, server, conn, addr, data_size_limit=smtpd.DATA_SIZE_DEFAULT, map=None,
                 enable_SMTPUTF8=False, decode_data=False):
        super().__init__(server._id, ("direct", "channel"))
        self.conn, self.addr, self._server = conn, addr, server
        options = {"dataSizeLimit": data_size_limit, "enableSMTPUTF8": enable_SMTPUTF8, "decodeData": decode_data}
        Remote(server._id, ("direct",)).next_options = options
        self.socket = Client(server)
        server.clients.append(self.socket)
        if not self.socket.greeting:
            server.check()
            raise RemoteError("the connection was closed")

    def __setattr__(self, name, value):
        if name in self.HERE:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def handle_read(self):
        self.socket.exchange(Remote(self._id, (*self._path, "socket")))
        self._server.take_output()
        self._server.check()


class Client:
    """The mock of a socket that tests use, as a real one."""

    def __init__(self, server):
        family = server.socket.family
        self._socket = REAL_SOCKET(family)
        self._socket.settimeout(10)
        self._socket.connect((server.host, server.port))
        self._queued = b""
        self._sent = 0
        self.greeting = self._socket.recv(65536)
        self._received = len(self.greeting)
        self.last = b""

    def queue_recv(self, line):
        self._queued += line + b"\r\n"

    def exchange(self, other_end):
        """Sends what is queued, and reads what comes until the server has read and answered all of it."""
        self._socket.sendall(self._queued)
        self._sent += len(self._queued)
        self._queued = b""
        while other_end.bytes_in < self._sent:
            pass
        expected = other_end.bytes_out
        answer = b""
        while self._received < expected:
            data = self._socket.recv(65536)
            if not data:
                raise RemoteError("the connection was closed")
            self._received += len(data)
            answer += data
        if answer:
            self.last = answer.splitlines(keepends=True)[-1]

    def close(self):
        self._socket.close()

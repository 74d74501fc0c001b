"""Runs a program of docs/from-python.md on the loopback.

The program runs as the page shows it. Its channels bind to free ports of 127.0.0.1, which are written to descriptor 3 once
clients can reach them, and connect to the port in PEER_PORT.
"""

import asyncore
import os
import runpy
import socket
import sys

bind = asyncore.dispatcher.bind
listen = asyncore.dispatcher.listen
connect = asyncore.dispatcher.connect


def bind_to_free_port(self, address):
    bind(self, ("127.0.0.1", 0))
    if self.socket.type == socket.SOCK_DGRAM:
        report_port(self)


def listen_and_report(self, backlog):
    listen(self, backlog)
    report_port(self)


def report_port(self):
    os.write(3, b"%d\n" % self.socket.getsockname()[1])


def connect_to_peer(self, address):
    connect(self, ("127.0.0.1", int(os.environ["PEER_PORT"])))


asyncore.dispatcher.bind = bind_to_free_port
asyncore.dispatcher.listen = listen_and_report
asyncore.dispatcher.connect = connect_to_peer
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")

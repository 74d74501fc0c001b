"""Owns the handlers of a scenario on CPython's asyncore: they write down what they are told and do what the scenario
says. Knows nothing of steps. Twin of handlers.ts."""

import asynchat
import asyncore
import json
import socket
import sys
import zlib

from errno import errorcode
from peers import FAMILIES

BASES = {
    "dispatcher": asyncore.dispatcher,
    "withSend": asyncore.dispatcher_with_send,
    "file": asyncore.file_dispatcher,
    "chat": asynchat.async_chat,
}
# Told in any case; what is done then is asyncore's own unless the scenario says otherwise.
ALWAYS = ("accepted", "connect", "expt", "close", "error")
IF_SCRIPTED = ("accept", "read", "write")
SHOWN_BYTES = 48


class Scripted(Exception):
    """Raised by a handler because its scenario says so."""


class Pieces:
    """A producer that gives pieces, and says so."""

    def __init__(self, player, name, pieces):
        self.player = player
        self.name = name
        self.pieces = list(pieces)

    def more(self):
        piece = self.pieces.pop(0) if self.pieces else ""
        if piece is None:
            self.player.log("%s more raises" % self.name)
            raise Scripted
        self.player.log("%s more %s" % (self.name, show(read_data(piece))))
        return read_data(piece)


def read_data(data):
    """The bytes that a scenario means: a text of Latin-1, or a pattern that shows where a byte is missing."""
    if isinstance(data, str):
        return data.encode("latin-1")
    return bytes((i * 7 + (i >> 8)) & 0xFF for i in range(data["pattern"]))


def show(data):
    if len(data) <= SHOWN_BYTES:
        return json.dumps(data.decode("latin-1"))
    return "%d bytes, CRC %08x" % (len(data), zlib.crc32(data))


def name_of(error):
    """An error by what it means, in no language."""
    if isinstance(error, OSError):
        return errorcode.get(error.errno, "OSError")
    names = {Scripted: "scripted", NotImplementedError: "not implemented"}
    return names.get(type(error), type(error).__name__)


def flags_of(handler):
    return "".join(
        letter if on else "-"
        for letter, on in (("c", handler.connected), ("o", handler.connecting), ("a", handler.accepting))
    )


def make_handler(player, name, spec, sock, pipe_fd):
    base = BASES[spec.get("kind", "dispatcher")]
    members = {"wants": {way: spec[way] for way in ("readable", "writable") if way in spec}}
    script = spec.get("on", {})
    for callback in ALWAYS + IF_SCRIPTED:
        if callback in script or callback in ALWAYS:
            members["handle_" + callback] = told(player, name, base, callback, script.get(callback, [["super"]]))
    for way in ("readable", "writable"):
        if way in members["wants"]:
            members[way] = asked(player, name, way, script.get(way))
    if base is asynchat.async_chat:
        members["collect_incoming_data"] = collect(player, name, script.get("collect", [["keep"]]))
        members["found_terminator"] = found(player, name, script.get("found", [["take"]]))
    members["log_info"] = log_info(player, name)
    handler_class = type("Handler", (base,), members)
    if pipe_fd >= 0:
        return handler_class(pipe_fd, player.map)
    handler = handler_class(sock, player.map)
    if base is asynchat.async_chat:
        # asynchat has no terminator before one is set, and fails without.
        handler.set_terminator(read_terminator(spec.get("terminator")))
        handler.terminators = list(spec.get("terminators", []))
        handler.ac_in_buffer_size = spec.get("in", 65536)
        handler.ac_out_buffer_size = spec.get("out", 65536)
    return handler


def told(player, name, base, callback, actions):
    method = "handle_" + callback

    def handle(self, *values):
        detail = ""
        if callback == "error":
            detail = " " + name_of(sys.exc_info()[1])
        elif callback == "accepted":
            detail = " " + player.owner_of(values[1])
        player.log("%s %s%s %s" % (name, callback, detail, flags_of(self)))
        perform(player, self, name, actions, lambda: getattr(base, method)(self, *values), values)

    return handle


def asked(player, name, way, actions):
    todo = list(actions or [])

    def ask(self):
        # Asked every turn, and how many turns there are is nobody's business: only the first time is told.
        if todo:
            doing = todo[:]
            del todo[:]
            player.log("%s %s %s" % (name, way, flags_of(self)))
            perform(player, self, name, doing)
        return self.wants[way]

    return ask


def collect(player, name, actions):
    def collect_incoming_data(self, data):
        player.log("%s collect %s" % (name, show(data)))
        perform(player, self, name, actions, None, (data,))

    return collect_incoming_data


def found(player, name, actions):
    def found_terminator(self):
        player.log("%s found %s" % (name, flags_of(self)))
        perform(player, self, name, actions)

    return found_terminator


def log_info(player, name):
    def log(self, message, type="info"):
        # What is said of an error names a traceback.
        player.log("%s log %s%s" % (name, type, "" if type == "error" else ": " + message))

    return log


def read_terminator(terminator):
    return terminator.encode("latin-1") if isinstance(terminator, str) else terminator


def perform(player, handler, name, actions, base=None, values=()):
    for action, *operands in actions:
        ACTIONS[action](player, handler, name, base, values, *operands)


def act_recv(player, handler, name, base, values, size):
    data = handler.recv(size)
    player.log("%s recv %s" % (name, show(data)))
    return data


def act_echo(player, handler, name, base, values, size):
    data = act_recv(player, handler, name, base, values, size)
    if data:
        handler.send(data)


def act_send(player, handler, name, base, values, data):
    sent = handler.send(read_data(data))
    # What dispatcher_with_send returns is no part of its contract.
    if not isinstance(handler, asyncore.dispatcher_with_send):
        player.log("%s sent %d" % (name, sent))


def act_recv_from(player, handler, name, base, values, size):
    data, address = handler.socket.recvfrom(size)
    player.log("%s recvFrom %s %s" % (name, show(data), player.owner_of(address)))


def act_recv_urgent(player, handler, name, base, values):
    player.log("%s recvUrgent %s" % (name, show(handler.socket.recv(1, socket.MSG_OOB))))


def act_raise(player, handler, name, base, values, what):
    if what == "ExitNow":
        raise asyncore.ExitNow
    if what == "scripted":
        raise Scripted
    raise OSError({text: number for number, text in errorcode.items()}[what], what)


def act_take(player, handler, name, base, values):
    player.log("%s took %s" % (name, show(handler._get_data())))


def act_terminator(player, handler, name, base, values):
    terminator = handler.get_terminator()
    player.log("%s terminator %s" % (name, show(terminator) if isinstance(terminator, bytes) else json.dumps(terminator)))


def act_accept_one(player, handler, name, base, values, spec):
    pair = handler.accept()
    if pair is not None:
        player.make_child(spec, pair[0])


def act_next_terminator(player, handler, name, base, values):
    if handler.terminators:
        handler.set_terminator(read_terminator(handler.terminators.pop(0)))


def act_want(player, handler, name, base, values, way, on):
    handler.wants[way] = on


ACTIONS = {
    "super": lambda player, handler, name, base, values: base(),
    "close": lambda player, handler, name, base, values: handler.close(),
    "closeOther": lambda player, handler, name, base, values, other: player.handlers[other].close(),
    "adopt": lambda player, handler, name, base, values, spec: player.make_child(spec, values[0]),
    "connect": lambda player, handler, name, base, values, to: handler.connect(player.address_of(to)),
    "acceptOne": act_accept_one,
    "create": lambda player, handler, name, base, values, family: handler.create_socket(FAMILIES[family]),
    "shutdown": lambda player, handler, name, base, values: handler.socket.shutdown(socket.SHUT_WR),
    "sendTo": lambda player, handler, name, base, values, to, data: handler.socket.sendto(
        read_data(data), player.address_of(to)
    ),
    "recv": act_recv,
    "echo": act_echo,
    "send": act_send,
    "recvFrom": act_recv_from,
    "recvUrgent": act_recv_urgent,
    "raise": act_raise,
    "want": act_want,
    "keep": lambda player, handler, name, base, values: handler._collect_incoming_data(values[0]),
    "take": act_take,
    "getTerminator": act_terminator,
    "setTerminator": lambda player, handler, name, base, values, to: handler.set_terminator(read_terminator(to)),
    "nextTerminator": act_next_terminator,
    "push": lambda player, handler, name, base, values, data: handler.push(read_data(data)),
    "pushTaken": lambda player, handler, name, base, values: handler.push(handler._get_data()),
    "produce": lambda player, handler, name, base, values, pieces: handler.push_with_producer(
        Pieces(player, name, pieces)
    ),
    "produceSimple": lambda player, handler, name, base, values, data, size: handler.push_with_producer(
        asynchat.simple_producer(read_data(data), size)
    ),
    "closeWhenDone": lambda player, handler, name, base, values: handler.close_when_done(),
    "discard": lambda player, handler, name, base, values: handler.discard_buffers(),
}

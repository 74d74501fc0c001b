"""Owns the playing of one scenario on CPython's asyncore, and the trace of it. README.md says what a scenario is.
Knows nothing of files or of recordings. Twin of player.ts."""

import asyncore
import os
import select
import socket
import time

from handlers import flags_of, make_handler, name_of, perform, read_data, show
from peers import ANY_ADDRESS, FAMILIES, PATIENCE_S, Peer, connect, connected_pair, make_socket, wait_for

# Without a recording to go by, so long a silence means that no more will come.
SILENCE_S = 0.03


class Player:
    """Plays one scenario once: `segments` is what came of it, a list of lines for each step that ran the loop."""

    def __init__(self, scenario, use_poll, expected=None):
        self.scenario = scenario
        self.family = scenario.get("family", "IPv4")
        self.use_poll = use_poll
        self.expected = expected
        self.map = {}
        self.handlers = {}
        self.peers = {}
        self.addresses = {}
        self.made = {}
        self.segments = []
        self.lines = []

    def play(self):
        try:
            for step, *values in self.scenario["steps"]:
                getattr(self, "step_" + step)(*values)
            for name, handler in self.handlers.items():
                place = "in the map" if handler in self.map.values() else "gone"
                self.log("%s is %s %s" % (name, flags_of(handler), place))
            self.end_segment()
            return self.segments
        finally:
            asyncore.close_all(self.map, ignore_all=True)
            for handler in self.handlers.values():
                if handler.socket is not None:
                    handler.socket.close()
            for peer in self.peers.values():
                peer.close()

    def log(self, line):
        self.lines.append(line)

    def end_segment(self):
        self.segments.append(self.lines)
        self.lines = []

    def make(self, name, spec_name=None, sock=None, pipe_fd=-1):
        spec = self.scenario["handlers"][spec_name or name]
        handler = make_handler(self, name, spec, sock, pipe_fd)
        self.handlers[name] = handler
        return handler

    def make_child(self, spec_name, sock):
        count = self.made[spec_name] = self.made.get(spec_name, 0) + 1
        self.make("%s%d" % (spec_name, count), spec_name, sock)

    def address_of(self, name):
        return self.peers[name].address if name in self.peers else self.addresses[name]

    def bind(self, name):
        handler = self.handlers[name]
        handler.bind(ANY_ADDRESS[self.family])
        self.addresses[name] = handler.socket.getsockname()

    def owner_of(self, address):
        """The peer that an address is of."""
        for name, peer in self.peers.items():
            if address and peer.address == address:
                return name
        return "somebody"

    # The loop.

    def turn(self, timeout_s):
        """One turn. Says whether the loop went on."""
        try:
            asyncore.loop(timeout_s, self.use_poll, self.map, count=1)
            return True
        except Exception as error:
            self.log("the loop raised %s" % name_of(error))
            return False

    def run(self, is_done=lambda: True, later=0, peer=None):
        """Turns until what is expected has come and then nothing more; `later` lines are still to be added. With an empty
        map there is only `peer` left to wait for."""
        index = len(self.segments)
        known = self.expected is not None and index < len(self.expected)
        wanted = self.expected[index] - later if known else 0
        deadline = time.monotonic() + PATIENCE_S
        silent = 0
        while silent < 2:
            count = len(self.lines)
            done = is_done()
            waiting = not done or (count < wanted and bool(self.map))
            if not self.turn(0.02 if waiting else 0 if known else SILENCE_S):
                return
            if time.monotonic() > deadline:
                if waiting:
                    return
                raise AssertionError("%s does not come to rest" % self.scenario["id"])
            if not done and not self.map:
                select.select([peer.fd], [], [], max(0, deadline - time.monotonic()))
            silent = 0 if waiting or len(self.lines) > count else silent + 1

    def step_run(self):
        self.run()
        self.end_segment()

    def step_turns(self, count):
        for _ in range(count):
            if not self.turn(0):
                break
        self.end_segment()

    def step_expect(self, name, wanted):
        """Runs until a peer has so many bytes, or has come to the end of its input."""
        peer = self.peers[name]
        taken = bytearray()

        def is_done():
            taken.extend(peer.take())
            return peer.ended is not None or (wanted != "end" and len(taken) >= wanted)

        self.run(is_done, later=1, peer=peer)
        self.log("%s got %s%s" % (name, show(bytes(taken)), "" if peer.ended is None else ", " + peer.ended))
        self.end_segment()

    # Handlers.

    def step_listen(self, name):
        handler = self.make(name)
        handler.create_socket(FAMILIES[self.family])
        self.bind(name)
        handler.listen(5)

    def step_make(self, name):
        self.make(name).create_socket(FAMILIES[self.family])

    def step_open(self, name, peer):
        near, far = connected_pair(self.family)
        self.peers[peer] = Peer(far)
        self.make(name, sock=near)

    def step_pipe(self, name, peer, end):
        read_fd, write_fd = os.pipe()
        near, far = (read_fd, write_fd) if end == "read" else (write_fd, read_fd)
        os.set_blocking(far, False)
        self.peers[peer] = Peer(pipe_fd=far)
        self.make(name, pipe_fd=near)
        os.close(near)

    def step_datagram(self, name):
        handler = self.make(name)
        handler.create_socket(FAMILIES[self.family], socket.SOCK_DGRAM)
        self.bind(name)

    def step_do(self, name, actions):
        try:
            perform(self, self.handlers[name], name, actions)
        except Exception as error:
            self.log("%s raised %s" % (name, name_of(error)))

    # Peers.

    def step_peerBind(self, name):
        self.peers[name] = Peer(make_socket(self.family))

    def step_peerListen(self, name):
        self.step_peerBind(name)
        self.peers[name].sock.listen(5)

    def step_peerAccept(self, name, listener):
        wait_for(self.peers[listener].fd, "readable")
        self.peers[name] = Peer(self.peers[listener].sock.accept()[0])

    def step_peerConnect(self, name, target):
        self.peers[name] = Peer(connect(self.family, self.address_of(target)))

    def step_peerDatagram(self, name):
        self.peers[name] = Peer(make_socket(self.family, socket.SOCK_DGRAM))

    def step_send(self, name, data, start=0, end=None):
        self.peers[name].send(read_data(data)[start:end])

    def step_sendCut(self, name, data, places):
        """What lies between these places, piece by piece, and the rest."""
        for start, end in zip(places, places[1:] + [None]):
            self.step_send(name, data, start, end)
            self.step_run()

    def step_sendEach(self, name, data):
        """Byte by byte."""
        for byte in read_data(data):
            self.peers[name].send(bytes([byte]))
            self.step_run()

    def step_sendTo(self, name, target, data):
        self.peers[name].send_to(read_data(data), self.address_of(target))

    def step_urgent(self, name, data):
        self.peers[name].send_urgent(read_data(data))

    def step_shutdown(self, name, how):
        self.peers[name].shutdown(how)

    def step_reset(self, name):
        self.peers[name].reset()

    def step_close(self, name):
        self.peers[name].close()

    def step_wait(self, name, condition):
        """Until the kernel says so of a handler's or a peer's descriptor: what was sent has arrived."""
        owner = self.handlers.get(name)
        wait_for(self.peers[name].fd if owner is None else owner.socket.fileno(), condition)


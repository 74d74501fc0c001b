"""
Embeds a guest in wasmtime: python embed.py GUEST.WASM HOST:PORT    (pip install wasmtime)

A command (_start) is run to its end. A guest built with --reactor takes turns in asyncio's loop, beside standard input:
a line on it asks for the number of turns, its end ends the program.

wasmtime serves the guest's clocks, environment and standard output. It has no sockets for preview 1: those calls are here.
"""

import asyncio
import errno
import select
import socket
import struct
import sys

from wasmtime import Engine, ExitTrap, FuncType, Linker, Module, Store, ValType, WasiConfig

WASI = "wasi_snapshot_preview1"
AGAIN, BADF, INVAL, IO = 6, 8, 28, 29  # WASI's numbers
ERRNOS = {errno.EAGAIN: AGAIN, errno.ECONNABORTED: 13, errno.ECONNRESET: 15, errno.EMFILE: 33, errno.ENOTCONN: 53, errno.EPIPE: 64}
NONBLOCK, SOCKET_STREAM = 4, 6
RECV_BYTES = 65536
FOREVER_NS = 2**63 - 1
TURNS = 8  # without a look at the rest of the program
INTEREST = {1: select.POLLIN, 2: select.POLLOUT}
# The calls that are here, by how many parameters each has.
CALLS = {
    "sock_accept": 3, "sock_recv": 6, "sock_send": 5, "sock_shutdown": 2,
    "fd_close": 1, "fd_fdstat_get": 2, "fd_fdstat_set_flags": 2, "poll_oneoff": 4,
}  # fmt: skip


class Sockets:
    """What the guest has: sockets from descriptor 3 on. And what its last poll was for."""

    def __init__(self, listener, waits):
        self.open = {3: listener}
        self.waits = waits  # in poll_oneoff; where it does not, the host waits after the turn, for what is noted here
        self.interest = {}  # by descriptor of this process
        self.timeout_s = 0.0
        self.before_close = lambda fd: None

    def link(self, linker):
        for name, count in CALLS.items():
            kind = FuncType([ValType.i32()] * count, [ValType.i32()])
            linker.define_func(WASI, name, kind, self.served(getattr(self, name)), access_caller=True)

    def served(self, call):
        def serve(caller, *parameters):
            memory = Memory(caller)
            try:
                return call(memory, *(each & 0xFFFFFFFF for each in parameters)) or 0
            except KeyError:
                return BADF
            except OSError as error:
                return ERRNOS.get(error.errno, IO)

        return serve

    def sock_accept(self, memory, fd, _flags, accepted_at):
        accepted, _ = self.open[fd].accept()
        accepted.setblocking(False)
        number = next(number for number in range(3, len(self.open) + 4) if number not in self.open)
        self.open[number] = accepted
        memory.pack("<I", accepted_at, number)

    def sock_recv(self, memory, fd, iovecs, _n, _flags, length_at, flags_at):
        at, length = memory.unpack("<II", iovecs)
        data = self.open[fd].recv(min(length, RECV_BYTES))
        memory.write(at, data)
        memory.pack("<I", length_at, len(data))
        memory.pack("<H", flags_at, 0)

    def sock_send(self, memory, fd, iovecs, _n, _flags, length_at):
        memory.pack("<I", length_at, self.open[fd].send(memory.read(*memory.unpack("<II", iovecs))))

    def sock_shutdown(self, _memory, fd, how):
        if how not in (1, 2, 3):
            return INVAL
        self.open[fd].shutdown((socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR)[how - 1])

    def fd_close(self, _memory, fd):
        closing = self.open.pop(fd)
        self.interest.pop(closing.fileno(), None)
        self.before_close(closing.fileno())
        closing.close()

    def fd_fdstat_get(self, memory, fd, fdstat_at):
        is_socket = fd in self.open
        if not is_socket and fd > 2:
            return BADF
        memory.pack("<BxHxxxxQQ", fdstat_at, SOCKET_STREAM if is_socket else 0, NONBLOCK if is_socket else 0, 0, 0)

    def fd_fdstat_set_flags(self, _memory, fd, _flags):
        self.open[fd]  # is non-blocking from the beginning

    def poll_oneoff(self, memory, subscriptions_at, events_at, count, count_at):
        """Subscriptions are 48 bytes, events 32. Clocks are relative in wasyncore's guests, and the monotonic one."""
        poller, interest, waiting, events, clock, timeout_ns = select.poll(), {}, [], [], None, FOREVER_NS
        for at in range(subscriptions_at, subscriptions_at + 48 * count, 48):
            userdata, tag, number = memory.unpack("<QB7xI", at)
            if tag == 0:
                clock, timeout_ns = userdata, min(timeout_ns, memory.unpack("<Q", at + 24)[0])
            elif tag not in INTEREST or number not in self.open:
                events.append((userdata, BADF, tag))
            else:
                fd = self.open[number].fileno()
                interest[fd] = interest.get(fd, 0) | INTEREST[tag]
                waiting.append((userdata, tag, fd))
        for fd, bits in interest.items():
            poller.register(fd, bits)
        self.interest, self.timeout_s = interest, timeout_ns / 1e9
        # Rounded up: a timer that is not due yet would be polled for again and again.
        wait_ms = min(-(-timeout_ns // 1_000_000), 2**31 - 1) if self.waits and not events else 0
        ready = dict(poller.poll(wait_ms))
        for userdata, tag, fd in waiting:
            # Errors and hang-ups are for both directions.
            if ready.get(fd, 0) & ~INTEREST[3 - tag]:
                events.append((userdata, 0, tag))
        if not events and clock is not None:
            events.append((clock, 0, 0))
        for index, event in enumerate(events):
            memory.pack("<QHB21x", events_at + 32 * index, *event)
        memory.pack("<I", count_at, len(events))


class Memory:
    """The guest's memory, during a call of the guest's."""

    def __init__(self, caller):
        self.caller, self.memory = caller, caller["memory"]
        self.size = self.memory.data_len(caller)

    def read(self, at, length):
        if at + length > self.size:
            raise IndexError("the guest points outside of its memory")
        return self.memory.read(self.caller, at, at + length)

    def write(self, at, data):
        self.memory.write(self.caller, data, at)

    def unpack(self, layout, at):
        return struct.unpack(layout, self.read(at, struct.calcsize(layout)))

    def pack(self, layout, at, *values):
        self.write(at, struct.pack(layout, *values))


class TurnByTurn:
    """Has a guest take turns in asyncio's loop."""

    def __init__(self, store, exports, sockets):
        self.turn = lambda: exports["turn"](store, FOREVER_NS)
        self.pending = lambda: exports["pending"](store)
        self.sockets = sockets
        self.turns = 0
        self.loop = asyncio.get_running_loop()
        self.wake = asyncio.Event()
        self.watched = {}
        sockets.before_close = self.unwatch

    async def run(self):
        """Returns when the guest has nothing left to wait for."""
        while self.pending() > 0:
            # As long as a turn finds something, the next may as well. It does not wait, so "forever" costs nothing.
            ready = 1
            for _ in range(TURNS):
                self.turns += 1
                ready = self.turn()
                if ready <= 0:
                    break
            self.watch(self.sockets.interest)
            self.wake.clear()
            try:
                await asyncio.wait_for(self.wake.wait(), 0 if ready > 0 else self.sockets.timeout_s)
            except asyncio.TimeoutError:
                pass

    def watch(self, interest):
        for fd in [fd for fd in self.watched if self.watched[fd] != interest.get(fd)]:
            self.unwatch(fd)
        for fd, bits in interest.items():
            if fd in self.watched:
                continue
            if bits & select.POLLIN:
                self.loop.add_reader(fd, self.wake.set)
            if bits & select.POLLOUT:
                self.loop.add_writer(fd, self.wake.set)
            self.watched[fd] = bits

    def unwatch(self, fd):
        if self.watched.pop(fd, None) is not None:
            self.loop.remove_reader(fd)
            self.loop.remove_writer(fd)


async def drive(store, exports, sockets):
    guest = TurnByTurn(store, exports, sockets)
    running = asyncio.ensure_future(guest.run())

    def on_input():
        line = sys.stdin.buffer.raw.read(256)
        if not line:
            running.cancel()
        for _ in range(line.count(b"\n")):
            print(f"turns: {guest.turns}", flush=True)

    guest.loop.add_reader(sys.stdin.fileno(), on_input)
    await asyncio.wait([running])
    if not running.cancelled():
        running.result()  # or what it was ended by


def main(path, address):
    host, _, port = address.rpartition(":")
    listener = socket.create_server((host, int(port)))
    listener.setblocking(False)
    print("listening on {}:{}".format(*listener.getsockname()[:2]), flush=True)

    engine = Engine()
    module = Module.from_file(engine, path)
    is_command = any(export.name == "_start" for export in module.exports)
    sockets = Sockets(listener, waits=is_command)
    wasi = WasiConfig()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    store = Store(engine)
    store.set_wasi(wasi)
    linker = Linker(engine)
    linker.define_wasi()
    linker.allow_shadowing = True
    sockets.link(linker)
    exports = linker.instantiate(store, module).exports(store)
    try:
        exports["_start" if is_command else "_initialize"](store)
        if not is_command:
            asyncio.run(drive(store, exports, sockets))
    except ExitTrap as exit:
        sys.exit(exit.code)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: embed.py GUEST.WASM HOST:PORT")
    main(*sys.argv[1:])

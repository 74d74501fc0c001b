/** What `send` has taken arrives whole, whatever the program does next: in batches as without. */

import { expect, test } from "vitest";
import { createNodeBackend, Dispatcher } from "wasyncore";
import { drain, served, waitForEnd } from "../../support/batches.js";
import { startScript } from "../../support/processes.js";
import { bytes, pattern } from "../../support/sockets.js";

/** Sends until nothing more is taken, in large pieces and then in small ones, and closes: all was taken. */
class Filling extends Dispatcher {
  isLast = false;
  taken = 0;
  override handleRead(): void {
    this.recv(100);
    if (!this.isLast) {
      this.send(bytes("."));
      return;
    }
    for (const piece of [pattern(50_000), pattern(2049), pattern(2048), pattern(100)]) {
      let sent: number;
      do {
        sent = this.send(piece);
        this.taken += sent;
      } while (sent === piece.length);
    }
    this.close();
  }
  override handleError(error: unknown): void {
    throw error;
  }
}

test.each([
  ["in batches", 2],
  ["without", Infinity],
])("a response that fills the connection is whole, %s", (_name, batchMin) => {
  const backend = createNodeBackend({ batchMin });
  for (let rounds = 0; rounds < 5; rounds++) {
    const { tell, turn, handlers, peers } = served(6, (socket, map) => new Filling(socket, map), backend);
    for (const handler of handlers) handler.isLast = true;
    tell(...peers.map(() => "!"));
    turn();
    expect(handlers.every(({ taken }) => taken > 0)).toBe(true);
    // Readers are slow: none has read before the last has been closed.
    for (const [index, peer] of peers.entries()) {
      const taken = handlers[index]?.taken ?? 0;
      expect(drain(peer, taken)).toHaveLength(taken);
      waitForEnd(peer);
    }
  }
});

test("a batch raises no SIGPIPE where the process does not ignore it", async () => {
  const running = startScript(`
    import { ChannelMap, createNodeBackend, Dispatcher, loopSync, Ready, Socket } from "wasyncore";
    const listener = () => {};
    // Adding and removing a listener leaves the signal with its default: it ends the process.
    process.on("SIGPIPE", listener);
    process.removeListener("SIGPIPE", listener);
    const backend = createNodeBackend({ batchMin: 2, batchAfterReads: 0 });
    const map = new ChannelMap({ backend });
    const server = Socket.create({}, backend);
    server.bind({ host: "127.0.0.1", port: 0 });
    server.listen(8);
    const peers = [];
    let closes = 0;
    class Handler extends Dispatcher {
      handleRead() {
        if (this.recv(100).length === 0) return;
        // All before the first of them sends: a call on a peer would send alone what was sent before it.
        for (const peer of peers.splice(0)) {
          peer.setOption("SO_LINGER", 0);
          peer.close();
        }
        this.send(Buffer.from("nobody reads it"));
      }
      handleError(error) { if (error.code !== "EPIPE") throw error; this.handleClose(); }
      handleClose() { closes++; this.close(); }
    }
    for (let index = 0; index < 5; index++) {
      const peer = Socket.create({}, backend);
      peer.connect(server.localAddress());
      peers.push(peer);
      let accepted;
      while ((accepted = server.accept()) === undefined);
      new Handler(accepted[0], map);
      peer.send(Buffer.from("x"));
      // After its end a reset is EPIPE.
      peer.shutdown("write");
      const set = backend.createPollSet();
      set.update(accepted[0].fd, Ready.READ);
      while (set.wait(10_000) === 0);
      set.close();
    }
    while (closes < 5) loopSync({ map, count: 1 });
    console.log("alive");
    process.exit(0);`);
  const { code, signal, stdout, stderr } = await running.ended;
  expect({ code, signal, stdout, stderr }).toEqual({ code: 0, signal: null, stdout: "alive\n", stderr: "" });
});

/** A connection that is reset while input is unread: over TLS it ends as it does over TCP. */

import { describe, expect, test } from "vitest";
import { type ChannelMap, DispatcherWithSend, type Socket, wrapTls } from "wasyncore";
import { newMap, run } from "../support/runs.js";
import { connectedPair, owned, reset } from "../support/sockets.js";
import { clientOptions, serverOptions, TLS_MODES, useTransport } from "../support/tls.js";

const SENT = 60_000;
/** More than the kernel and TLS hold together: some of it stays pending in the channel. */
const PENDING = 30_000_000;

/** Reads in small pieces, while it wants to. */
class Reader extends DispatcherWithSend {
  readonly told: string[] = [];
  length = 0;
  reads = true;
  isSecure = false;

  override readable(): boolean {
    return this.reads;
  }

  override handleSecure(): void {
    this.isSecure = true;
  }

  override handleRead(): void {
    this.length += this.recv(1000).length;
  }

  override handleEof(): void {
    this.told.push("eof");
    this.close();
  }

  override handleClose(): void {
    this.told.push("close");
    this.close();
  }

  override handleError(error: unknown): void {
    this.told.push(`error ${(error as NodeJS.ErrnoException).code}`);
    this.close();
  }
}

interface Kind {
  readonly name: string;
  readonly connect: (map: ChannelMap) => [near: Reader, far: Reader, farSocket: Socket];
}

const KINDS: readonly Kind[] = [
  {
    name: "TCP",
    connect(map) {
      const [near, far] = connectedPair();
      return [new Reader(near, map), new Reader(far, map), far];
    },
  },
  {
    name: "TLS",
    connect(map) {
      const [near, far] = connectedPair();
      return [new Reader(wrapTls(near, serverOptions), map), new Reader(wrapTls(far, clientOptions), map), far];
    },
  },
];

describe.each(TLS_MODES)("$name", (mode) => {
  useTransport(mode);

  describe.each(KINDS)("$name", ({ name, connect }) => {
    /** A connection on which `SENT` bytes wait in the kernel, and whose peer reads nothing from here on. */
    async function begun(map: ChannelMap): Promise<[near: Reader, resets: () => void]> {
      const [near, far, socket] = connect(map);
      owned(near);
      if (name === "TLS") await run(mode, map, () => near.isSecure && far.isSecure);
      near.reads = false;
      far.send(new Uint8Array(SENT));
      await run(mode, map, () => far.outBufferLength === 0 && far.socket.bytesOut >= SENT);
      far.delChannel();
      return [near, () => reset(socket)];
    }

    test("a channel that reads gets all of it, then handleClose", async () => {
      const map = newMap();
      const [near, resets] = await begun(map);
      near.reads = true;
      resets();
      await run(mode, map, () => near.fd < 0);
      expect([near.told, near.length]).toEqual([["close"], SENT]);
    });

    test("a channel that stops reading in the middle gets all of it when it goes on, then handleClose", async () => {
      const map = newMap();
      const [near, resets] = await begun(map);
      near.reads = true;
      await run(mode, map, () => near.length > 0);
      near.reads = false;
      resets();
      map.callLater(20, () => {
        near.reads = true;
        map.wake();
      });
      await run(mode, map, () => near.fd < 0);
      expect([near.told, near.length]).toEqual([["close"], SENT]);
    });

    test("a channel that only writes is notified by handleClose alone", async () => {
      const map = newMap();
      const [near, resets] = await begun(map);
      near.send(new Uint8Array(PENDING));
      expect(near.outBufferLength).toBeGreaterThan(0);
      resets();
      await run(mode, map, () => near.fd < 0);
      expect([near.told, near.length]).toEqual([["close"], 0]);
    });
  });
});

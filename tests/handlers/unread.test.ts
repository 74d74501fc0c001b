/** Input that nobody reads: it neither uses up the processor nor is lost. */

import { describe, expect, test, vi } from "vitest";
import { Dispatcher, DispatcherWithSend, events, type Socket } from "wasyncore";
import { Quiet } from "../support/handlers.js";
import { MODES, newMap, turns } from "../support/runs.js";
import { bytes, connectedPair, text } from "../support/sockets.js";

/** Counts its read events. */
class Counting extends Quiet {
  override ignoreLogTypes = new Set<string>();
  reads = 0;

  override handleReadEvent(): void | Promise<void> {
    this.reads += 1;
    return super.handleReadEvent();
  }
}

describe.each(MODES)("a class without handleRead, $name", (mode) => {
  test("is not watched for input that it has left unread twice", async () => {
    const [near, far] = connectedPair();
    const map = newMap();
    const channel = new Counting(near, map);
    far.send(bytes("unread"));
    await turns(mode, map, 10);
    expect(channel.reads).toBe(2);
    expect(channel.logged).toEqual(["warning: unhandled read event"]);
    expect(channel.readable()).toBe(false);
    expect(text(channel.recv(100))).toBe("unread");
  });

  test("does not spin when the peer has gone, and finds that out by sending", async () => {
    const [near, far] = connectedPair();
    const map = newMap();
    class Sending extends DispatcherWithSend {
      reads = 0;
      override handleReadEvent(): void | Promise<void> {
        this.reads += 1;
        return super.handleReadEvent();
      }
      override handleEof = vi.fn();
      override handleClose = vi.fn(() => this.close());
    }
    const channel = new Sending(near, map);
    far.close();
    await turns(mode, map, 10);
    if (channel.fd >= 0) {
      expect(channel.reads).toBe(2);
      for (let i = 0; i < 10 && channel.fd >= 0; i++) {
        channel.send(bytes("x"));
        await turns(mode, map, 1);
      }
    }
    expect(channel.handleEof).not.toHaveBeenCalled();
    expect(channel.handleClose).toHaveBeenCalledTimes(1);
    expect(near.closed).toBe(true);
  });

  test("is watched again after addChannel", async () => {
    const [near, far] = connectedPair();
    const map = newMap();
    const channel = new Counting(near, map);
    far.send(bytes("unread"));
    await turns(mode, map, 5);
    channel.addChannel();
    await turns(mode, map, 5);
    expect(channel.reads).toBe(4);
    const got: string[] = [];
    channel.handleRead = () => void got.push(text(channel.recv(100)));
    channel.addChannel();
    await turns(mode, map, 1);
    expect(got).toEqual(["unread"]);
  });

  test("is watched again in a new life", async () => {
    const map = newMap();
    const channel = new Counting(undefined, map);
    const kept: Socket[] = [];
    for (let i = 1; i <= 2; i++) {
      const [near, far] = connectedPair();
      kept.push(far);
      channel.setSocket(near);
      far.send(bytes("unread"));
      await turns(mode, map, 5);
      expect(channel.reads).toBe(2 * i);
      channel.close();
    }
  });

  test('is watched again when a listener of "data" comes', async () => {
    const [near, far] = connectedPair();
    const map = newMap();
    const channel = new Dispatcher(near, map);
    const emitter = events(channel);
    far.send(bytes("early"));
    await turns(mode, map, 5);
    const got: string[] = [];
    emitter.on("data", (chunk) => got.push(String(chunk)));
    await turns(mode, map, 1);
    expect(got).toEqual(["early"]);
  });
});

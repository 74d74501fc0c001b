/**
 * Owns what the portable guests do on each runtime, seen from outside: echo, chat room and HTTP hello. docs/runtimes.md
 * has a row for each of these tests.
 */

import { beforeAll, describe, expect, test } from "vitest";
import { Peer } from "../support/peers.js";
import { pattern } from "../support/sockets.js";
import { buildGuest, NODE_HOST, Program, RUNTIMES, serveGuest, WAZERO } from "./support.js";

const BUILD_LIMIT_MS = 120_000;
let echo = "";
let chatRoom = "";
let http = "";

beforeAll(async () => {
  [echo, chatRoom, http] = await Promise.all([
    buildGuest("examples/portable/echo-guest.ts"),
    buildGuest("examples/portable/chat-room-guest.ts"),
    buildGuest("examples/portable/http-hello-guest.ts"),
  ]);
}, BUILD_LIMIT_MS);

/** Sends a request to the HTTP guest on a connection that stays open. @returns the response, when all of it has come */
async function request(peer: Peer, target: string): Promise<string> {
  const before = peer.received.length;
  peer.write(`GET ${target} HTTP/1.1\r\n\r\n`);
  return response(peer, before);
}

/** The response that begins behind `before` bytes. */
async function response(peer: Peer, before: number): Promise<string> {
  const text = (await peer.until(/\r\n\r\n/, before)).subarray(before).toString("latin1");
  const head = text.slice(0, text.indexOf("\r\n\r\n") + 4);
  const length = Number(/^Content-Length: (\d+)/m.exec(head)?.[1]);
  return (await peer.atLeast(before + head.length + length)).subarray(before).toString("latin1");
}

/** Owns what the player and the handlers in a component say to each other, as JSON. */

import type { Family, SocketAddress } from "wasyncore";
import type { Action, HandlerSpec } from "../scenario.js";

export type InetFamily = Exclude<Family, "unix">;

type Order =
  /** Answered with the address to which connections are made for `open`. */
  | {
      readonly do: "begin";
      readonly handlers: Readonly<Record<string, HandlerSpec>>;
      readonly family: InetFamily;
    }
  /** Of a connection that has been made. */
  | { readonly do: "open"; readonly name: string; readonly family: InetFamily }
  | { readonly do: "listen" | "make" | "datagram"; readonly name: string }
  | { readonly do: "perform"; readonly name: string; readonly actions: readonly Action[] }
  | { readonly do: "turn"; readonly timeoutMs: number; readonly usePoll: boolean }
  | { readonly do: "describe" | "close" };

/** What is to be done, and the addresses of the peers by then. */
export type Command = Order & { readonly peers: Readonly<Record<string, SocketAddress>> };

export type { Order };

export interface Answer {
  /** What was written down since the last answer. */
  readonly lines: readonly string[];
  readonly isEmpty: boolean;
  readonly address?: SocketAddress;
  /** Did the loop go on? */
  readonly goesOn?: boolean;
  /** What is wrong with the command. */
  readonly error?: string;
}

/** An address of `family` that nobody else has. */
export function loopbackAddress(family: InetFamily): SocketAddress {
  return { host: family === "IPv4" ? "127.0.0.1" : "::1", port: 0 };
}

/**
 * Owns `serveMetrics`: a page for Prometheus and a health page of a plugin host, by HTTP. Knows the host's snapshots; leaves
 * how they are written to metrics-text.ts.
 *
 * A peer costs little, whatever it does: few are served at a time, a page is made anew only every {@link PAGE_MS}, and
 * connections on which nothing moves are closed.
 */

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { performance } from "node:perf_hooks";
import type { SocketAddress } from "../backend/backend.js";
import { checkInstance } from "../backend/check.js";
import { logThrown } from "../backend/log.js";
import { addressText, parseAddress } from "../net/listen.js";
import { PluginError } from "./errors.js";
import { PluginHost } from "./host.js";
import { metricsText } from "./metrics-text.js";

const LOOPBACK = "127.0.0.1";
const PORT_MAX = 65_535;
const CONNECTIONS_MAX = 32;
/** A request must be complete, and an answer read on, within this time. */
const IDLE_MS = 10_000;
const HEADER_BYTES = 8192;
/** A page is repeated to everybody who asks within this time. */
const PAGE_MS = 100;
const TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const JSON_TYPE = "application/json; charset=utf-8";

/** What {@link serveMetrics} returns. */
export interface MetricsServer extends AsyncDisposable {
  /** With the port, where 0 was requested. */
  readonly address: SocketAddress;
  /** Stops serving. Resolves when no connection is left. Safe to call again. */
  close(): Promise<void>;
}

/** A port of 127.0.0.1, "HOST:PORT", "[IPV6]:PORT", the path of a Unix socket with a slash in it, or an object. */
export type MetricsAddress = number | string | SocketAddress;

/**
 * Serves `/metrics` for Prometheus (text format 0.0.4), and `/healthz`: 200 when every plugin is running, otherwise 503, with
 * the names of those that are not. It ends with the host.
 *
 * The pages are for whoever can connect: leave the address on loopback, or see to it that only those can who may.
 * @param address default: a free port of 127.0.0.1
 * @throws PluginError ERR_PLUGIN_HOST_CLOSED; Error EADDRINUSE, EACCES, ...
 *
 * ```ts
 * import { PluginHost, serveMetrics } from "wasyncore/plugin";
 *
 * await using host = new PluginHost();
 * const { address } = await serveMetrics(host, "127.0.0.1:0");
 * console.log(`http://127.0.0.1:${address.port}/metrics`);
 * ```
 */
export async function serveMetrics(host: PluginHost, address: MetricsAddress = 0): Promise<MetricsServer> {
  checkInstance("host", host, PluginHost);
  const requested = readAddress(address);
  if (host.isClosed) throw new PluginError("ERR_PLUGIN_HOST_CLOSED", "the plugin host is closed");
  const pages = new Pages(host);
  const server = createServer(
    { maxHeaderSize: HEADER_BYTES, requestTimeout: IDLE_MS, headersTimeout: IDLE_MS },
    (request, response) => pages.answer(request, response),
  );
  server.maxConnections = CONNECTIONS_MAX;
  // Requests that are sent ahead would each cost a page, read or not.
  server.maxRequestsPerSocket = 1;
  server.on("dropRequest", (_request, socket) => socket.destroy());
  server.setTimeout(IDLE_MS, (socket) => socket.destroy());
  server.listen(requested.path === undefined ? requested : { path: requested.path });
  await once(server, "listening");
  server.on("error", (error) => logThrown("the server of metrics", error));
  const made = new HttpServer(server, host);
  if (host.isClosed) await made.close();
  return made;
}

class HttpServer implements MetricsServer {
  readonly address: SocketAddress;
  readonly #server: Server;
  readonly #host: PluginHost;
  #closed: Promise<void> | undefined;

  constructor(server: Server, host: PluginHost) {
    const address = server.address();
    if (address === null) throw new Error("a server that listens has an address");
    this.address = typeof address === "string" ? { path: address } : { host: address.address, port: address.port };
    this.#server = server;
    this.#host = host;
    host.once("close", this.#onClose);
  }

  close(): Promise<void> {
    this.#host.off("close", this.#onClose);
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #onClose = (): void => void this.close();
}

/** The pages. */
class Pages {
  readonly #host: PluginHost;
  #metrics = Buffer.alloc(0);
  #madeMs = -Infinity;

  constructor(host: PluginHost) {
    this.#host = host;
  }

  answer({ method = "", url = "" }: IncomingMessage, response: ServerResponse): void {
    const [path] = url.split("?", 1);
    if (path !== "/metrics" && path !== "/healthz") {
      return send(response, 404, "text/plain; charset=utf-8", "There are /metrics and /healthz.\n");
    }
    if (method !== "GET" && method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      return send(response, 405, "text/plain; charset=utf-8", "This page can be read only.\n");
    }
    if (path === "/metrics") return send(response, 200, TEXT_TYPE, this.#metricsPage());
    const failing = this.#host.states.filter(({ state }) => state !== "running");
    const status = failing.length === 0 ? "ok" : "unavailable";
    const body = JSON.stringify({ status, plugins: failing });
    send(response, failing.length === 0 ? 200 : 503, JSON_TYPE, `${body}\n`);
  }

  #metricsPage(): Buffer {
    const nowMs = performance.now();
    if (nowMs - this.#madeMs >= PAGE_MS) {
      this.#metrics = Buffer.from(metricsText(this.#host.snapshot()));
      this.#madeMs = nowMs;
    }
    return this.#metrics;
  }
}

function send(response: ServerResponse, status: number, type: string, page: string | Buffer): void {
  const body = typeof page === "string" ? Buffer.from(page) : page;
  response.writeHead(status, {
    "Content-Type": type,
    "Content-Length": body.length,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  });
  // Of the answer to HEAD the body is left out by the server.
  response.end(body);
}

function readAddress(address: unknown): SocketAddress {
  const found = typeof address === "number" ? { host: LOOPBACK, port: address } : address;
  const parsed = typeof found === "string" ? parseAddress(found) : found;
  if (isAddress(parsed)) return parsed;
  const expected = 'a port, "HOST:PORT", "[IPV6]:PORT", the path of a Unix socket with a slash in it, or an object';
  const message = `"address" must be ${expected}, got ${textOf(address)}`;
  throw Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_VALUE" });
}

function isAddress(value: unknown): value is SocketAddress {
  if (typeof value !== "object" || value === null) return false;
  const { host, port, path } = value as { host?: unknown; port?: unknown; path?: unknown };
  if (path !== undefined) return typeof path === "string" && path !== "" && !path.includes("\0");
  const isPort = typeof port === "number" && Number.isInteger(port) && port >= 0 && port <= PORT_MAX;
  return isPort && typeof host === "string" && host !== "";
}

function textOf(value: unknown): string {
  if (isAddress(value)) return addressText(value);
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

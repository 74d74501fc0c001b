/**
 * An echo server with metrics for Prometheus, at http://HOST:PORT/metrics. They come from diagnostics_channel and
 * `map.stats()` alone. The text format is printed by hand, as this needs no library; prom-client takes the same numbers.
 */

import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { type DiagnosticMessages, Dispatcher, DispatcherWithSend, loop, type Socket, socketMap } from "wasyncore";
import { parsePort, run } from "./program.js";

const USAGE = "usage: metrics [--port PORT] [--metrics-port PORT]";

class Echo extends DispatcherWithSend {
  override handleRead(): void {
    const data = this.recv(65536);
    if (data.length > 0) this.send(data);
  }

  override handleClose(): void {
    this.close();
  }
}

class EchoServer extends Dispatcher {
  constructor(port: number) {
    super();
    this.createSocket();
    this.setReuseAddr();
    this.bind({ host: "127.0.0.1", port });
    this.listen(128);
  }

  override handleAccepted(socket: Socket): void {
    new Echo(socket);
  }
}

/** What has been published since the program began. */
const totals = { accepted: 0, closed: 0, errors: 0, bytesIn: 0, bytesOut: 0 };

function on<Name extends keyof DiagnosticMessages>(
  name: Name,
  listener: (message: DiagnosticMessages[Name]) => void,
): void {
  subscribe(name, (message) => listener(message as DiagnosticMessages[Name]));
}

on("wasyncore:accept", () => (totals.accepted += 1));
on("wasyncore:error", () => (totals.errors += 1));
on("wasyncore:close", ({ bytesIn, bytesOut }) => {
  totals.closed += 1;
  totals.bytesIn += bytesIn;
  totals.bytesOut += bytesOut;
});

/** In Prometheus' text format. */
function metrics(): string {
  const { turns, reads, writes, timers, channelsNow, timersNow } = socketMap.stats();
  const lines: string[] = [];
  const metric = (type: "counter" | "gauge", name: string, value: number, help: string): void =>
    void lines.push(
      `# HELP wasyncore_${name} ${help}`,
      `# TYPE wasyncore_${name} ${type}`,
      `wasyncore_${name} ${value}`,
    );
  metric("gauge", "channels", channelsNow, "Channels in the map.");
  metric("gauge", "timers", timersNow, "Timers running.");
  metric("counter", "turns_total", turns, "Turns of the loop.");
  metric("counter", "reads_total", reads, "Read events.");
  metric("counter", "writes_total", writes, "Write events.");
  metric("counter", "timers_fired_total", timers, "Timers fired.");
  metric("counter", "accepted_total", totals.accepted, "Connections accepted.");
  metric("counter", "closed_total", totals.closed, "Channels closed.");
  metric("counter", "errors_total", totals.errors, "Callbacks that failed, and socket errors.");
  metric("counter", "closed_received_bytes_total", totals.bytesIn, "Bytes received by channels that have closed.");
  metric("counter", "closed_sent_bytes_total", totals.bytesOut, "Bytes sent by channels that have closed.");
  return `${lines.join("\n")}\n`;
}

await run("metrics", async () => {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "7007" },
      "metrics-port": { type: "string", default: "9464" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const server = createServer((request, response) => {
    response.statusCode = request.url === "/metrics" ? 200 : 404;
    response.setHeader("Content-Type", "text/plain; version=0.0.4");
    response.end(request.url === "/metrics" ? metrics() : "not found\n");
  });
  const echo = new EchoServer(parsePort(values.port));
  server.listen(parsePort(values["metrics-port"]), "127.0.0.1");
  await once(server, "listening");
  const { host, port } = echo.socket.localAddress();
  console.log(`listening on ${host}:${port}`);
  console.log(`metrics on http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`);
  await loop();
});

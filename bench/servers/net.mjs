// Owns the server on Node's net and node:http. Knows nothing of who measures it.
//
// usage: node bench/servers/net.mjs ROLE [READ_SIZE [TARGET_PORT]]      listens on a free port; the line on stdout names it

import { createServer as createHttpServer } from "node:http";
import { connect, createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { certificate } from "./certificate.mjs";

const BACKLOG = 4096;
const GC_PERIOD_MS = 150;
const options = { noDelay: true };
const [role, , targetPort] = process.argv.slice(2);

/** A peer that resets the connection ends it, and is no reason to end the server. */
const endOnError = (socket) => socket.on("error", () => socket.destroy());

const roles = {
  echo: () =>
    createServer(options, (socket) => {
      socket.on("data", (data) => {
        if (socket.write(data)) return;
        socket.pause();
        socket.once("drain", () => socket.resume());
      });
      endOnError(socket);
    }),

  tls() {
    const server = createTlsServer({ ...options, ...certificate() }, (socket) => {
      socket.on("data", (data) => socket.write(data));
      endOnError(socket);
    });
    return server.on("tlsClientError", () => {});
  },

  push() {
    const pushed = Buffer.alloc(1 << 20).map((_, i) => i);
    return createServer(options, (socket) => {
      socket.on("data", () => socket.write(pushed));
      endOnError(socket);
    });
  },

  proxy: () =>
    createServer(options, (near) => {
      const far = connect({ host: "127.0.0.1", port: Number(targetPort), noDelay: true });
      near.pipe(far).pipe(near);
      near.on("error", () => far.destroy());
      far.on("error", () => near.destroy());
    }),

  http: () =>
    createHttpServer(options, (_, response) => {
      response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": 22 });
      response.end("Hello from wasyncore.\n");
    }),

  fanout() {
    const clients = new Set();
    return createServer(options, (socket) => {
      clients.add(socket);
      socket.on("data", (data) => {
        for (const client of clients) if (client !== socket) client.write(data);
      });
      socket.on("close", () => clients.delete(socket));
      endOnError(socket);
    });
  },
};

const server = roles[role]();
server.listen({ host: "127.0.0.1", port: 0, backlog: BACKLOG }, () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});
// Where memory is measured, what is no longer used does not count: node --expose-gc
if (globalThis.gc !== undefined) setInterval(globalThis.gc, GC_PERIOD_MS);

// Owns the echo server on Node's net module. Knows nothing of who measures it.
//
// usage: node bench/echo-net.mjs [PORT]      0, the default, takes a free port; the line on stdout tells which

import { createServer } from "node:net";

const server = createServer((socket) => {
  socket.on("data", (data) => socket.write(data));
  // A peer that resets the connection ends it, and is no reason to end the server.
  socket.on("error", () => socket.destroy());
});

server.listen({ host: "127.0.0.1", port: Number(process.argv[2] ?? 0), backlog: 1024 }, () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});

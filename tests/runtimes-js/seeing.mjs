/** Run by seeing.test.ts: prints what a program sees of itself, and what a client of its statistics does. */

import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect } from "node:net";
import { inspect } from "node:util";
import { ChannelMap, DispatcherWithSend, loop, serveStats, Socket } from "wasyncore";

const storage = new AsyncLocalStorage();
const map = new ChannelMap({ asyncContext: true });
const seen = [];
const note = (what) => seen.push(`${what} ${storage.getStore()}`);

class Echo extends DispatcherWithSend {
  handleRead() {
    const data = this.recv(10);
    if (data.length > 0) {
      note("read");
      this.send(data);
    }
  }

  handleClose() {
    note("close");
    this.close();
  }
}

const published = new Set();
for (const name of ["accept", "close", "event", "timer", "poll", "turn"]) {
  subscribe(`wasyncore:${name}`, () => published.add(name));
}

const [ours, theirs] = Socket.pair();
const echo = storage.run("channel", () => new Echo(ours, map));
console.log(inspect(echo).includes("state: 'connected'"), inspect(map, { depth: 0, breakLength: Infinity }));
storage.run("timer", () => map.callLater(0, () => note("timer")));
const server = serveStats({ map, path: process.argv[2] });
const ended = storage.run("loop", () => loop({ map }));

const client = connect(server.path);
await once(client, "connect");
client.write("\n");
let text = "";
client.on("data", (data) => {
  text += data;
  if (text.endsWith("\n")) client.destroy();
});
await once(client, "close");
console.log(
  JSON.parse(text)
    .maps[0].channels.map(({ name, state }) => `${name} ${state}`)
    .join(),
);

theirs.send(Buffer.from("hello"));
theirs.close();
await ended;
server.close();
console.log(seen.join());
console.log([...published].toSorted().join());

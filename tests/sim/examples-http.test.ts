/** The HTTP server and the HTTP client in a world: what each request is answered, request by request and pipelined. */

import { expect, test } from "vitest";
import { HttpClient } from "../../examples/http-client.js";
import { openListener } from "../../host/net/listen.js";
import { loop, OSError } from "../../host/index.js";
import type { Random } from "../../host/sim/random.js";
import { clientOn, expectRest, SERVER, SETTLED_MS, type Step, supervised, Talker, underFaults } from "./examples.js";

const PORT = 80;
const PIECE = 16_384;

interface HttpModule {
  readonly HttpServer: new (socket: ReturnType<typeof openListener>) => unknown;
}

const answer = (status: string, body: string, keepsAlive: boolean): string =>
  `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: ${keepsAlive ? "keep-alive" : "close"}\r\n\r\n${body}`;

const bytes = (count: number): string =>
  Array.from({ length: count }, (_, at) => String.fromCharCode((at % PIECE) & 255)).join("");

function request(random: Random, bytesMax: number, isLast: boolean): Step {
  const close = isLast
    ? ["Connection: close\r\n", "connection: CLOSE\r\n"][random.below(2)]
    : random.below(2) === 0
      ? "Host: a.test\r\n"
      : "";
  const ask = (target: string, status: string, body: string): Step => ({
    send: `GET ${target} HTTP/1.1\r\n${close}\r\n`,
    answer: answer(status, body, !isLast),
  });
  switch (random.below(isLast ? 5 : 4)) {
    case 0:
      return ask("/", "200 OK", "Hello from wasyncore.\n");
    case 1:
    case 2: {
      const count = random.below(2) === 0 ? random.below(100) : random.below(bytesMax);
      return ask(`/bytes/${count}`, "200 OK", bytes(count));
    }
    case 3:
      return ask("/nothing", "404 Not Found", "There is no such page.\n");
    default:
      return {
        send: "POST / HTTP/1.1\r\n\r\n",
        answer: answer("405 Method Not Allowed", "GET is all there is.\n", false),
      };
  }
}

/** Keeps what the example prints. */
class Client extends HttpClient {
  text = "";
  end = "open";

  override handleRead(): void {
    this.text += Buffer.from(this.recv(8192)).toString("latin1");
  }

  override handleClose(): void {
    this.end = "eof";
    super.handleClose();
  }
}

test("http", async () => {
  const { HttpServer } = (await import(
    /* @vite-ignore */ new URL("../../examples/portable/http-hello.ts", import.meta.url).href
  )) as HttpModule;
  await underFaults(
    async (world, size, { isGentle, bytesMax }, random) => {
      const server = world.host(SERVER);
      supervised(world, server, () => void new HttpServer(openListener({ host: "0.0.0.0", port: PORT })));
      const all = Array.from({ length: size }, (_, index) => {
        const steps = Array.from({ length: 1 + random.below(6) }, () => request(random, bytesMax, false));
        steps.push(request(random, bytesMax, true));
        const window = 1 + random.below(4);
        return clientOn(
          world,
          `10.0.1.${index + 1}`,
          random.below(3000),
          () => new Talker(steps, { port: PORT, window }),
        );
      });
      const clients: Client[] = [];
      const count = random.below(bytesMax);
      world.host("10.0.2.1").start(async () => {
        try {
          clients.push(new Client(SERVER, PORT, `/bytes/${count}`));
          await loop();
        } catch (error) {
          // What the example prints, and ends.
          if (!(error instanceof OSError)) throw error;
        }
      });
      await world.run({ untilMs: SETTLED_MS });
      for (const made of all) for (const talker of made) talker.expectAnswers(isGentle);
      const wanted = answer("200 OK", bytes(count), false);
      for (const { text, end } of clients) {
        expect(wanted.startsWith(text)).toBe(true);
        if (isGentle) expect({ end, length: text.length }).toEqual({ end: "eof", length: wanted.length });
      }
      const after = clientOn(world, "10.0.9.9", 0, () => new Talker([request(random, bytesMax, true)], { port: PORT }));
      await world.run({ untilMs: world.nowMs + 10_000 });
      expect(after).toHaveLength(1);
      for (const talker of after) talker.expectAnswers(true);
      await expectRest(world, server, 1);
    },
    { size: 3 },
  );
});

/** Owns the tests of a component that serves, whatever version of WASI it is for. Knows the echo server; knows no interface. */

import { expect, test } from "vitest";
import { client, exchange, runModule } from "../guest/command.js";

/** @param echo gives the echo server, once the tests run */
export function testServing(echo: () => Uint8Array): void {
  test("may open no socket of its own without --sockets", async () => {
    const { code, stderr } = await runModule(echo(), "--env", "LISTEN=127.0.0.1:0").ended;
    expect(stderr).toBe(
      "wasyncore: guest.wasm may not bind 127.0.0.1:0: --listen 127.0.0.1:0 opens one for it, --sockets lets it open sockets of its own\n" +
        "cannot listen on 127.0.0.1:0: OSError: bind EACCES\n",
    );
    expect(code).toBe(1);
  });

  test("has not more connections than its policy allows", async () => {
    const run = runModule(echo(), "--listen", "127.0.0.1:0", "--max-connections", "1");
    const port = await run.port();
    const first = await client(port);
    first.write("first");
    await new Promise((resolve) => first.once("data", resolve));
    const second = exchange(await client(port), "second");
    await run.stderr(/was refused by its policy \(--max-connections\): 2\n/);
    first.destroy();
    expect((await second).toString()).toBe("second");
  });
}

/** CPython's test_asyncore: DispatcherWithSendTests and FileWrapperTest, under their names. docs/conformance.md lists them. */

import { closeSync, constants, openSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DispatcherWithSend, FileDispatcher, FileWrapper } from "wasyncore";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { bytes, text } from "../support/sockets.js";
import { BaseServer, BaseTestHandler, KINDS, temporaryPath } from "./support.js";

/** CPython's capture_server, one connection of it: keeps what it gets until a newline comes. */
class Capture extends BaseTestHandler {
  captured = "";

  override handleRead(): void {
    this.captured += text(this.recv(10));
    if (!this.captured.endsWith("\n")) return;
    this.flag = true;
    this.close();
  }
}

/** CPython's dispatcherwithsend_noread. */
class NoRead extends DispatcherWithSend {
  override readable(): boolean {
    return false;
  }

  override handleConnect(): void {}
}

describe.each(KINDS)("DispatcherWithSendTests, $name", ({ family, mode }) => {
  test("testSend: what is sent at once, connected or not, arrives in order", async () => {
    const map = newMap();
    const server = new BaseServer(family, map, Capture);
    const data = "Suppose there isn't a 16-ton weight?";
    const client = new NoRead(undefined, map);
    client.createSocket({ family });
    client.connect(server.address);
    client.send(bytes(data));
    client.send(bytes(data));
    client.send(bytes("\n"));
    const captures = server.handlers as Capture[];
    await run(mode, map, () => captures[0]?.flag === true);
    expect(captures.map(({ captured }) => captured)).toEqual([`${data}${data}\n`]);
    expect(client.outBufferLength).toBe(0);
  });
});

describe("FileWrapperTest", () => {
  const content = "It's not dead, it's sleeping!";

  /** Makes something of an open file with the content above; what it was given is closed again. */
  function withFile<T>(flags: number, make: (fd: number) => T): { made: T; path: string; fd: number } {
    const path = temporaryPath();
    writeFileSync(path, content);
    const fd = openSync(path, flags);
    try {
      return { made: make(fd), path, fd };
    } finally {
      closeSync(fd);
    }
  }

  test("testRecv: reads from a duplicate of the descriptor, and not after close", () => {
    const { made: wrapper, fd } = withFile(constants.O_RDONLY, (fd) => new FileWrapper(fd));
    expect(wrapper.fd).not.toBe(fd);
    expect(text(wrapper.recv(13))).toBe("It's not dead");
    expect(text(wrapper.read(6))).toBe(", it's");
    wrapper.close();
    expect(() => wrapper.read(1)).toThrow(expect.objectContaining({ name: "OSError", code: "EBADF" }));
  });

  test("testSend: write and send are the same", () => {
    const { made: wrapper, path } = withFile(constants.O_WRONLY | constants.O_APPEND, (fd) => new FileWrapper(fd));
    expect(wrapper.write(bytes("Come again?"))).toBe(11);
    expect(wrapper.send(bytes("I want to buy some cheese."))).toBe(26);
    wrapper.close();
    expect(readFileSync(path, "utf8")).toBe(`${content}Come again?I want to buy some cheese.`);
  });

  test.each(MODES)("testDispatcher: reads a file, $name", async (mode) => {
    const data: Uint8Array[] = [];
    class Reader extends FileDispatcher {
      override handleRead(): void {
        data.push(this.recv(29));
      }
    }
    const map = newMap();
    withFile(constants.O_RDONLY, (fd) => new Reader(fd, map));
    await turns(mode, map, 2);
    expect(data.map(text)).toEqual([content, ""]);
  });

  test("testCloseTwice: a second close does nothing, though the first has failed", () => {
    const { made: wrapper } = withFile(constants.O_RDONLY, (fd) => new FileWrapper(fd));
    closeSync(wrapper.fd);
    expect(() => wrapper.close()).toThrow(expect.objectContaining({ name: "OSError", code: "EBADF" }));
    expect(wrapper.fd).toBe(-1);
    wrapper.close();
  });
});

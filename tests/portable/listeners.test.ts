/** The listening sockets of a program on Node: passed to it as sd_listen_fds(3) has it, or opened where it is told. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { Dispatcher, type Socket } from "wasyncore";
import { listeners, type PassedSocket, takeListener } from "../../host/portable/index.js";
import { Peer } from "../support/peers.js";
import { requireBuild, ROOT } from "../support/processes.js";
import { newMap } from "../support/runs.js";
import { listener, owned } from "../support/sockets.js";

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-program-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

describe("without sockets that were passed", () => {
  const written: string[] = [];

  afterEach(() => {
    vi.unstubAllEnvs();
    written.length = 0;
  });

  /** Takes a listener; what it says on standard error is written down. */
  function take(...parameters: Parameters<typeof takeListener>): PassedSocket {
    const write = vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
    try {
      return owned(takeListener(...parameters));
    } finally {
      write.mockRestore();
    }
  }

  test("takeListener listens on the address of the program, and says where", () => {
    const socket = take("web", "127.0.0.1:0");
    const { host, port } = socket.localAddress();
    expect([socket.name, host, socket.getOption("SO_ACCEPTCONN")]).toEqual(["web", "127.0.0.1", 1]);
    expect(written).toEqual([`listening on 127.0.0.1:${port}\n`]);
    expect(listeners()).toEqual([]);
    const dispatcher = owned(new Dispatcher(socket, newMap()));
    expect(dispatcher.accepting).toBe(true);
  });

  test("LISTEN counts more than the address of the program", () => {
    vi.stubEnv("LISTEN", "[::1]:0");
    expect(take("", "127.0.0.1:0").localAddress().host).toBe("::1");
    expect(written).toEqual([expect.stringMatching(/^listening on \[::1\]:\d+\n$/)]);
  });

  test("of several in LISTEN a name chooses, and an address without a name is anybody's", () => {
    const directory = temporary();
    vi.stubEnv("LISTEN", `web=127.0.0.1:0,admin=${directory}/a=b.sock,[::1]:0`);
    expect(take("web").family).toBe("IPv4");
    expect(take("admin").localAddress()).toEqual({ path: `${directory}/a=b.sock` });
    expect(take("other").family).toBe("IPv6");
    expect(take().family).toBe("IPv4");
    expect(written.at(1)).toBe(`listening on ${directory}/a=b.sock\n`);
  });

  test("a host name is looked up", () => {
    expect(take("", "localhost:0").localAddress().port).toBeGreaterThan(0);
  });

  test("where no address is given it says how to give one", () => {
    expect(() => take("web")).toThrow(
      expect.objectContaining({ code: "ERR_NO_LISTENER", message: expect.stringMatching(/named web: .*LISTEN=/) }),
    );
    vi.stubEnv("LISTEN", "admin=127.0.0.1:0");
    expect(() => take("web", "127.0.0.1:0")).toThrow(expect.objectContaining({ code: "ERR_NO_LISTENER" }));
    vi.stubEnv("LISTEN", "");
    expect(() => take("", "127.0.0.1:0")).toThrow(expect.objectContaining({ code: "ERR_NO_LISTENER" }));
  });

  test.each(["127.0.0.1", "127.0.0.1:", ":80", "::1:80", "127.0.0.1:65536", "127.0.0.1:8o"])(
    "%j is no address",
    (text) => {
      expect(() => take("", text)).toThrow(
        expect.objectContaining({
          name: "RangeError",
          code: "ERR_OUT_OF_RANGE",
          message: expect.stringMatching(/^"address" must be /),
        }),
      );
      vi.stubEnv("LISTEN", text);
      expect(() => take()).toThrow(/^the environment variable LISTEN must be /);
    },
  );

  test("an address that is in use is an OSError that names it", () => {
    const [, { port }] = listener();
    expect(() => take("", `127.0.0.1:${port}`)).toThrow(expect.objectContaining({ code: "EADDRINUSE", port }));
    expect(written).toEqual([]);
  });

  test("names and addresses are strings", () => {
    expect(() => takeListener(5 as unknown as string)).toThrow(/^"name" must be /);
    expect(() => takeListener("", null as unknown as string)).toThrow(/^"address" must be /);
  });
});

describe("with descriptors that were passed", () => {
  /** Tells what it finds, and what it takes. */
  const PROGRAM = `
    import { listeners, takeListener } from "wasyncore/guest";
    const tell = (sockets) => sockets.map(({ fd, name }) => \`\${fd}:\${name}\`);
    const found = tell(listeners());
    const taken = JSON.parse(process.argv[1]).map((name) => {
      try {
        const socket = takeListener(name);
        return \`\${socket.fd}:\${socket.localAddress().port}\`;
      } catch ({ code }) {
        return code;
      }
    });
    console.log(JSON.stringify({ found, taken, left: tell(listeners()) }));
  `;

  beforeAll(() => requireBuild("dist/portable/index.js"));

  /** Runs it with sockets, and one file, as descriptors from 3 on, and these variables. */
  async function tellOf(passed: readonly (Socket | "file")[], taking: string[], script: string): Promise<unknown> {
    const file = join(temporary(), "file");
    writeFileSync(file, "");
    const numbers = passed.map((each, index) => (each === "file" ? `${3 + index}<${file}` : ""));
    const child = spawn(
      "sh",
      [
        "-c",
        `${script} exec "$@" ${numbers.join(" ")}`,
        "sh",
        process.execPath,
        "--input-type=module",
        "--eval",
        PROGRAM,
        "--",
        JSON.stringify(taking),
      ],
      {
        cwd: ROOT,
        stdio: [
          "ignore",
          "pipe",
          "inherit",
          ...passed.map((each) => (each === "file" ? ("ignore" as const) : each.fd)),
        ],
      },
    );
    onTestFinished(() => void child.kill("SIGKILL"));
    let text = "";
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) text += String(chunk);
    return JSON.parse(text);
  }

  test("they are found in order, with their names, and taken by name or the first", async () => {
    const [one, { port: firstPort }] = listener();
    const [two, { port: secondPort }] = listener();
    expect(
      await tellOf([one, two], ["admin", "admin", "", ""], "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:admin"),
    ).toEqual({
      found: ["3:web", "4:admin"],
      taken: [`4:${secondPort}`, "ERR_NO_LISTENER", `3:${firstPort}`, "ERR_NO_LISTENER"],
      left: [],
    });
  });

  test("what is no socket is left alone, and keeps its name from the next", async () => {
    const [socket] = listener();
    expect(await tellOf(["file", socket], [], "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=log:web")).toMatchObject({
      found: ["4:web"],
    });
  });

  test("without names they have none", async () => {
    const [socket] = listener();
    expect(await tellOf([socket], [], "LISTEN_PID=$$ LISTEN_FDS=1")).toMatchObject({ found: ["3:"], left: ["3:"] });
  });

  test.each([
    "LISTEN_PID=1 LISTEN_FDS=1",
    "LISTEN_FDS=1",
    "LISTEN_PID=$$",
    "LISTEN_PID=$$ LISTEN_FDS=x",
    "LISTEN_PID=$$ LISTEN_FDS=0",
  ])("%s is not meant for this process", async (script) => {
    const [socket] = listener();
    expect(await tellOf([socket], [], script)).toMatchObject({ found: [] });
  });

  test("a program serves on what it was passed", async () => {
    const [socket, { port }] = listener();
    const script = `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" build/examples/portable/echo-guest.js`;
    const child = spawn("sh", ["-c", script, process.execPath], {
      cwd: ROOT,
      stdio: ["ignore", "inherit", "inherit", socket.fd],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const peer = await Peer.connect(port ?? 0);
    peer.write("hi");
    expect(String(await peer.atLeast(2))).toBe("hi");
  });
});

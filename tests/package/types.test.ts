/** The package's types as programs see them, under each TypeScript that docs/versions.md states, without skipLibCheck. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../support/processes.js";
import { missingProgram, programPath, programsNamed } from "../support/programs.js";
import { command, linkPackage, makeProject, pack, temporaryDirectory } from "./project.js";

/** The one of the checkout is the newest. */
const NEWEST = join(ROOT, "node_modules/typescript/bin/tsc");
const VERSIONS = [...programsNamed("typescript"), "typescript7"];

const PROGRAM = `
import { AsyncChat, Dispatcher, DispatcherWithSend, FileDispatcher, loop, setEngine, setLogSink, Socket, socketMap } from "wasyncore";
import type { Channel, SocketAddress, Timer } from "wasyncore";
import { takeListener } from "wasyncore/guest";

type Constructor<T> = new (...parameters: any[]) => T;

export function Counting<Base extends Constructor<Dispatcher>>(base: Base) {
  return class extends base {
    count = 0;
    override handleRead(): void {
      this.count += this.recv(100).length;
    }
  };
}
export class A extends Counting(Dispatcher) {}
export class B extends Counting(DispatcherWithSend) {}
export class C extends Counting(AsyncChat) {
  override collectIncomingData(data: Uint8Array): void {
    this._collectIncomingData(data);
  }
  override foundTerminator(): void {
    this.push(this._getData());
  }
}
export class D extends Counting(FileDispatcher) {}

export class Server extends Dispatcher {
  override handleAccepted(socket: Socket, address: SocketAddress): void {
    new A(socket).log(String(address.port));
  }
}
export const timer: Timer = socketMap.callLater(1, () => setEngine(new Uint8Array(8)));
export const channel: Channel | undefined = socketMap.get(3);
export const signal: AbortSignal | undefined = channel?.signal;
export const listener: Socket = takeListener("name", "127.0.0.1:0");
setLogSink(undefined);
{
  using pair = Socket.pair()[0];
  pair.recvInto(Buffer.alloc(1));
}
await loop();
`;

/** Names that only the package itself calls: completion must not offer them, and a program may use them as its own. */
const INTERNAL = [
  ["Dispatcher", "sampleInterest socketError follow noteAccepted noteAcceptFailed managesWriting setEndpoint"],
  ["Dispatcher", "setWriteInterest setReadInterest outputLost endOutput sendPieces"],
  ["Dispatcher", "plainOutputLength dropPlainInput outputDropped"],
  [
    "AsyncChat",
    "sampleInterest handleFailure touch continueSoon continueReading continueSending outputLost managesWriting",
  ],
  ["AsyncChat", "plainOutputLength dropPlainInput outputDropped"],
  ["DispatcherWithSend", "managesWriting outputLost"],
  ["Socket", "sendSome sendSomeOf isStream connectionState addresses"],
  ["FileWrapper", "sendSome sendSomeOf isStream connectionState addresses"],
  ["Channel", "sampleInterest socketError handleReadEvent handleSecureEvent"],
  ["Waker", "sampleInterest socketError handleReadEvent handleAcceptEvent handleErrorEvent handleSecureEvent"],
] as const;

const NO_INTERNALS = `
import type { AsyncChat, Channel, ChannelMap, Dispatcher, DispatcherWithSend, FileWrapper, Socket } from "wasyncore";
type Waker = ReturnType<ChannelMap["waker"]>;
declare const never: <T extends never>() => T;
${INTERNAL.map(([name, names]) => `never<keyof ${name} & ("${names.replaceAll(" ", '" | "')}")>();`).join("\n")}
`;

const COMMON_JS = `
import wasyncore = require("wasyncore");
export class A extends wasyncore.Dispatcher {}
`;

/** What declarations refer to is checked as well, also where no name of it is used. */
function entriesProgram(): string {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    exports: Record<string, { readonly types?: string } | string>;
  };
  return Object.entries(exports)
    .filter(([, entry]) => typeof entry === "object" && entry.types !== undefined)
    .map(([name]) => `export * as ${name.replaceAll(/\W/g, "_")} from "wasyncore${name.slice(1)}";\n`)
    .join("");
}

const directory = temporaryDirectory();
let project = "";

beforeAll(async () => {
  project = await makeProject(directory, await pack(directory), "undici-types");
  linkPackage(project, "@types/node");
  writeFileSync(join(project, "program.ts"), PROGRAM);
  writeFileSync(join(project, "internals.ts"), NO_INTERNALS);
  writeFileSync(join(project, "entries.ts"), entriesProgram());
  writeFileSync(join(project, "common.cts"), COMMON_JS);
}, 60_000);

const OPTIONS = {
  target: "ES2022",
  module: "NodeNext",
  strict: true,
  noImplicitOverride: true,
  exactOptionalPropertyTypes: true,
  declaration: true,
  skipLibCheck: false,
  outDir: "out",
  rootDir: ".",
};

/** Compiles files of the project. @returns what the compiler says */
async function compile(version: string, files: string[], options: object): Promise<string> {
  const tsc = version === "typescript7" ? NEWEST : programPath(version);
  const config = join(project, `tsconfig.${version}.json`);
  writeFileSync(config, JSON.stringify({ compilerOptions: { ...OPTIONS, ...options }, files }));
  try {
    const { stdout } = await command(process.execPath, [tsc, "-p", config], { cwd: project });
    return stdout;
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

test("the oldest and the newest TypeScript are those that docs/versions.md states", async () => {
  const text = readFileSync(join(ROOT, "docs/versions.md"), "utf8");
  expect(text).toContain(`TypeScript ${VERSIONS[0]?.slice("typescript".length)} to 7`);
  const { stdout } = await command(process.execPath, [NEWEST, "--version"]);
  expect(stdout).toMatch(/^Version 7\./);
});

for (const version of VERSIONS) {
  const missing = version === "typescript7" ? "" : missingProgram(version);
  describe.skipIf(missing !== "")(version, () => {
    /** TypeScript 5.8 is the first that lets a CommonJS module require an ES module. */
    const [, minor = "8"] = /5\.(\d)$/.exec(version) ?? [];
    const refused = Number(minor) < 8;

    test.each([
      ["set", { types: ["node"] }],
      ["not set", {}],
    ])(
      "programs with mixins and declarations pass, a CommonJS module too, with types %s",
      async (_which, types) => {
        const options = { ...types, lib: ["ES2022", "ESNext.Disposable"] };
        const messages = await compile(version, ["program.ts", "internals.ts", "entries.ts", "common.cts"], options);
        if (refused) expect(messages).toMatch(/^common\.cts\(2,28\): error TS1471: [^\n]*\n$/);
        else expect(messages).toBe("");
      },
      120_000,
    );
  });
}

/** The callbacks, by the declarations that have their text. */
const CALLBACKS = {
  "handlers/channel-handler.d.ts": [
    ...["readable", "writable", "handleRead", "handleWrite", "handleExpt", "handleConnect", "handleSecure"],
    ...["handleAccept", "handleAccepted", "handleEof", "handleClose", "handleError"],
  ],
  "handlers/chat/async-chat.d.ts": ["collectIncomingData", "foundTerminator", "handleLineTooLong"],
  "handlers/chat/queued-dispatcher.d.ts": ["handleDrain"],
  "handlers/chat/timed-dispatcher.d.ts": ["handleTimeout"],
};

test.each(Object.entries(CALLBACKS))("the callbacks in %s have an example in their text", (file, names) => {
  const text = readFileSync(join(project, "node_modules/wasyncore/dist", file), "utf8");
  const without = names.filter((name) => {
    const comment = new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\n +${name}\\(`).exec(text)?.[1] ?? "";
    return !/@example\s+(\* )?override /.test(comment);
  });
  expect(without).toEqual([]);
});

test("an internal name is found by the check for them", async () => {
  writeFileSync(
    join(project, "found.ts"),
    NO_INTERNALS.replace("outputLost endOutput", "recv").replace('"endOutput"', '"recv"'),
  );
  expect(await compile("typescript7", ["found.ts"], { types: ["node"] })).toMatch(/found\.ts.*TS2344/);
}, 60_000);

/** Owns the files of a starting project. Knows no command line. */

/** The packages that a project is made with, and their versions. */
export type ProjectPackages = Readonly<
  Record<"@types/node" | "assemblyscript" | "componentize-qjs" | "esbuild" | "typescript" | "wasyncore", string>
>;

/** What is written, by path in the project. */
export function projectFiles(
  name: string,
  { "@types/node": node, assemblyscript, typescript, wasyncore }: ProjectPackages,
): ReadonlyMap<string, string> {
  const manifest = {
    name,
    version: "0.1.0",
    private: true,
    type: "module",
    scripts: {
      build: "wasyncore build server.ts -o server.wasm",
      start: "wasyncore run server.wasm --listen 127.0.0.1:7007",
      check: "tsc --noEmit",
      "start:node": "tsc && node build/server.js",
    },
    devDependencies: { "@types/node": node, assemblyscript, typescript, wasyncore },
  };
  return new Map([
    ["package.json", `${JSON.stringify(manifest, null, 2)}\n`],
    ["server.ts", SERVER],
    ["tsconfig.json", tsconfigOf("node", PORTABLE_TYPES)],
    [".gitignore", "node_modules/\nbuild/\n*.wasm\n"],
    ["README.md", readme(name)],
  ]);
}

const SERVER = `/** An echo server: sends back what it is sent, to the last byte. */

import { Dispatcher, DispatcherWithSend, loop, type Socket, type SocketAddress } from "wasyncore";
import { takeListener } from "wasyncore/guest";

class EchoHandler extends DispatcherWithSend {
  override handleRead(): void {
    const data = this.recv(65536);
    if (data.length > 0) this.send(data);
  }

  override handleWrite(): void {
    super.handleWrite();
    if (this.closing && this.outBufferLength === 0) this.close();
  }

  /** The client sends no more, but may be reading still: what waits to be sent goes first. */
  override handleEof(): void {
    this.closing = true;
    if (this.outBufferLength === 0) this.close();
  }
}

class EchoServer extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    new EchoHandler(socket);
  }
}

new EchoServer(takeListener("", "127.0.0.1:7007"));
loop();
`;

/** The names of AssemblyScript's whole numbers. */
const PORTABLE_TYPES = "assemblyscript/std/portable/index.d.ts";

/** For editors, and for the program on Node. */
export function tsconfigOf(...types: readonly string[]): string {
  return `{
  "compilerOptions": {
    "target": "ES2022",
    "lib": ["ES2023", "ESNext.Disposable"],
    "module": "NodeNext",
    "types": [${types.map((name) => JSON.stringify(name)).join(", ")}],
    "rootDir": ".",
    "outDir": "build",
    "strict": true,
    "noImplicitOverride": true,
    "verbatimModuleSyntax": true,
    "skipLibCheck": true
  },
  "include": ["*.ts"]
}
`;
}

function readme(name: string): string {
  return `# ${name}

\`\`\`sh
npm install
npm run build    # server.wasm
npm start        # serves on 127.0.0.1:7007
npm run check    # the types, as an editor shows them
\`\`\`

\`server.wasm\` is a WASI module. It runs in other runtimes as well:

\`\`\`sh
wasmtime run -S preview2=n -S tcplisten=127.0.0.1:7007 server.wasm    # wasmtime 36 to 46
wazero run -listen=127.0.0.1:7007 server.wasm
\`\`\`

The same source runs on Node by itself, compiled by tsc. LISTEN=HOST:PORT says where it listens:

\`\`\`sh
npm run start:node
\`\`\`

What a program may use: https://github.com/wasyncore/wasyncore/blob/main/docs/portable.md
`;
}

/** Owns the files of a starting project. Knows no command line. */

/** What is written, by path in the project. */
export function projectFiles(name: string, version: string): ReadonlyMap<string, string> {
  const manifest = {
    name,
    version: "0.1.0",
    private: true,
    type: "module",
    scripts: {
      build: "wasyncore build server.ts -o server.wasm",
      start: "wasyncore run server.wasm --listen 127.0.0.1:7007",
    },
    devDependencies: { assemblyscript: "^0.28.20", wasyncore: `^${version}` },
  };
  return new Map([
    ["package.json", `${JSON.stringify(manifest, null, 2)}\n`],
    ["server.ts", SERVER],
    ["tsconfig.json", TSCONFIG],
    [".gitignore", "node_modules/\n*.wasm\n"],
    ["README.md", readme(name)],
  ]);
}

const SERVER = `/** An echo server: sends back what it is sent, to the last byte. */

import { Dispatcher, DispatcherWithSend, loop, Socket, SocketAddress } from "wasyncore";
import { takeListener } from "wasyncore/guest";

class EchoHandler extends DispatcherWithSend {
  override handleRead(): void {
    const data = this.recv(65536);
    if (data.length > 0) this.send(data);
  }

  override handleWrite(): void {
    super.handleWrite();
    if (this.closing && this.outBufferLength == 0) this.close();
  }

  /** The client sends no more, but may be reading still: what waits to be sent goes first. */
  override handleClose(): void {
    this.closing = true;
    if (this.outBufferLength == 0) this.close();
  }
}

class EchoServer extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    new EchoHandler(socket);
  }
}

new EchoServer(takeListener());
loop();
`;

/** For editors: AssemblyScript's types, and the library's sources. */
const TSCONFIG = `{
  "extends": "assemblyscript/std/assembly.json",
  "compilerOptions": {
    "paths": {
      "wasyncore": ["./node_modules/wasyncore/assembly/index.ts"],
      "wasyncore/guest": ["./node_modules/wasyncore/assembly/guest/index.ts"]
    }
  },
  "include": ["./*.ts"]
}
`;

function readme(name: string): string {
  return `# ${name}

\`\`\`sh
npm install
npm run build    # server.wasm
npm start        # serves on 127.0.0.1:7007
\`\`\`

\`server.wasm\` is a WASI module. It runs in other runtimes as well:

\`\`\`sh
wasmtime run -S preview2=n -S tcplisten=127.0.0.1:7007 server.wasm    # wasmtime 36 to 46
wazero run -listen=127.0.0.1:7007 server.wasm
\`\`\`

What a program may use: node_modules/wasyncore/docs/portable.md
`;
}

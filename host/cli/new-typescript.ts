/** Owns the files of a starting project in TypeScript, for a component and for Node. Knows no command line. */

import { type ProjectPackages, tsconfigOf } from "./new-templates.js";

/** What is written, by path in the project. */
export function typescriptFiles(
  name: string,
  { "@types/node": node, "componentize-qjs": componentizer, esbuild, typescript, wasyncore }: ProjectPackages,
): ReadonlyMap<string, string> {
  const manifest = {
    name,
    version: "0.1.0",
    private: true,
    type: "module",
    scripts: {
      build: "wasyncore build server.ts --profile typescript -o server.wasm",
      watch: "npm run --silent build -- --watch",
      start: "wasmtime run -S inherit-network --env LISTEN=127.0.0.1:7007 server.wasm",
      check: "tsc --noEmit",
      "start:node": "tsc && node build/server.js",
    },
    devDependencies: { "@types/node": node, "componentize-qjs": componentizer, esbuild, typescript, wasyncore },
  };
  return new Map([
    ["package.json", `${JSON.stringify(manifest, null, 2)}\n`],
    ["server.ts", SERVER],
    ["tsconfig.json", tsconfigOf("node")],
    [".gitignore", "node_modules/\nbuild/\n*.wasm\n"],
    ["README.md", readme(name)],
  ]);
}

const SERVER = `/** A server of lines: answers each with its words counted. */

import { AsyncChat, Dispatcher, loop, type Socket } from "wasyncore";
import { takeListener } from "wasyncore/guest";

class LineHandler extends AsyncChat {
  #line: Uint8Array[] = [];

  constructor(socket: Socket) {
    super(socket);
    this.setTerminator("\\n");
  }

  override collectIncomingData(data: Uint8Array): void {
    this.#line.push(data.slice());
  }

  override async foundTerminator(): Promise<void> {
    const line = Buffer.concat(this.#line).toString("utf8").trim();
    this.#line = [];
    this.push(\`\${await countWords(line)}\\n\`);
  }
}

async function countWords(line: string): Promise<number> {
  return line.match(/[\\p{L}\\p{N}]+/gu)?.length ?? 0;
}

class LineServer extends Dispatcher {
  override handleAccepted(socket: Socket): void {
    new LineHandler(socket);
  }
}

new LineServer(takeListener("", "127.0.0.1:7007"));
await loop();
`;

function readme(name: string): string {
  return `# ${name}

\`\`\`sh
npm install
npm run build         # server.wasm, a component of WASI 0.2
npm start             # serves on 127.0.0.1:7007; wasmtime must be installed
npm run watch         # builds again whenever a file changes
npm run check         # the types, as an editor shows them
npm run start:node    # the same program on Node
\`\`\`

What a program may use: https://github.com/wasyncore/wasyncore/blob/main/docs/typescript.md
`;
}

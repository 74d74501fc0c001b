/** Owns the command line of `wasyncore build`: what it says, and what is wrong with it. Opens and reads nothing. */

import { parseArgs } from "node:util";
import { optionTrouble } from "./option-trouble.js";
import { UsageError } from "./run-options.js";

export const BUILD_USAGE = `Usage: wasyncore build APP.TS [options] [-- ASC-OPTIONS...]

Compiles a program in AssemblyScript, with the library, into one WASI module. It needs the package
"assemblyscript": npm install --save-dev assemblyscript
With --profile typescript the program is in TypeScript, all of it, and becomes a component.

Options:
  -o, --out FILE       where to write the module; default: APP.wasm beside APP.TS
  --profile PROFILE    what it asks of its host:
                         preview1          WASI preview 1: pre-opened sockets, stdio, pipes (default)
                         preview1+sockets  the same, and WasmEdge's calls to open sockets
                         component         WASI 0.2, and a component of it; needs the package
                                           "@bytecodealliance/jco" as well
                         wasi-0.3          WASI 0.3, and a component of it; needs the same
                         typescript        TypeScript on a JavaScript engine in a component of WASI
                                           0.2: npm i -D esbuild componentize-qjs
  --reactor            exports _initialize in place of _start: for a host that calls turn()
  --runtime RUNTIME    AssemblyScript's: minimal (default) collects memory between turns of the loop;
                       incremental collects at any time, for a program that runs a loop of its own
                       around poll(). It makes modules half as large again
  --speed              optimizes for speed; otherwise for size
  --minify             with --profile typescript: a smaller component, with shorter names
  --watch              with --profile typescript: builds again whenever a file changes
  --debug              keeps the names of all functions, the library's as well, and its assertions
  --help               prints this

What stands after -- is handed to asc. Exit status: 0; 1 when it does not compile; 2 when the
command line is wrong.
`;

const PROFILES = ["preview1", "preview1+sockets", "component", "wasi-0.3", "typescript"] as const;
const RUNTIMES = ["minimal", "incremental"] as const;

/** What a module asks of its host. */
export type Profile = (typeof PROFILES)[number];

/** The version of WASI that a component is made for: the directory of `assembly/wasi` that calls it. */
export type ComponentWasi = "component" | "async";

/** @returns undefined for a profile that makes a module */
export function componentWasi(profile: Profile): ComponentWasi | undefined {
  return profile === "component" ? "component" : profile === "wasi-0.3" ? "async" : undefined;
}

/** What `wasyncore build` is to do. */
export interface BuildOptions {
  readonly help: boolean;
  readonly entry: string;
  readonly out: string;
  readonly profile: Profile;
  readonly reactor: boolean;
  readonly runtime: (typeof RUNTIMES)[number];
  readonly speed: boolean;
  readonly debug: boolean;
  readonly minify: boolean;
  readonly watch: boolean;
  readonly ascOptions: readonly string[];
}

const OPTIONS = {
  out: { type: "string", short: "o" },
  profile: { type: "string" },
  reactor: { type: "boolean" },
  runtime: { type: "string" },
  speed: { type: "boolean" },
  debug: { type: "boolean" },
  minify: { type: "boolean" },
  watch: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** @throws UsageError */
export function parseBuild(argv: readonly string[]): BuildOptions {
  const end = argv.indexOf("--");
  const { values, positionals } = parsed(end < 0 ? argv : argv.slice(0, end));
  const help = values.help === true;
  const [entry = "", stray] = positionals;
  if (!help && entry === "") throw new UsageError("which program is to be built?");
  if (!help && !entry.endsWith(".ts")) throw new UsageError(`${entry}: a program is a file that ends with .ts`);
  if (stray !== undefined) throw new UsageError(`${stray}: one program at a time; it imports what else it needs`);
  if (values.out === "") throw new UsageError("--out: which file?");
  const profile = oneOf("--profile", values.profile ?? "preview1", PROFILES);
  if (componentWasi(profile) !== undefined && values.reactor === true) {
    throw new UsageError("--reactor is for modules: a component runs by itself");
  }
  if (profile === "typescript") refuseFor(profile, values, OF_ASSEMBLYSCRIPT);
  else refuseFor(profile, values, OF_TYPESCRIPT);
  return {
    help,
    entry,
    out: values.out ?? entry.replace(/\.ts$/, ".wasm"),
    profile,
    reactor: values.reactor === true,
    runtime: oneOf("--runtime", values.runtime ?? "minimal", RUNTIMES),
    speed: values.speed === true,
    debug: values.debug === true,
    minify: values.minify === true,
    watch: values.watch === true,
    ascOptions: end < 0 ? [] : argv.slice(end + 1),
  };
}

/** Options that only some profiles have. */
const OF_ASSEMBLYSCRIPT = ["reactor", "runtime", "speed", "debug"] as const;
const OF_TYPESCRIPT = ["minify", "watch"] as const;

function refuseFor(profile: Profile, values: Readonly<Record<string, unknown>>, names: readonly string[]): void {
  const given = names.find((name) => values[name] !== undefined);
  if (given === undefined) return;
  const where = profile === "typescript" ? "for other profiles than typescript" : "for --profile typescript";
  throw new UsageError(`--${given} is ${where}`);
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(optionTrouble(error));
  }
}

function oneOf<T extends string>(option: string, value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new UsageError(`${option} ${value}: there are ${choices.join(", ")}`);
  return found;
}

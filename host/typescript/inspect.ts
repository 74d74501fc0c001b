/** Owns `util.inspect` and `util.format`, as much of them as logging needs. Knows no stream. */

export interface InspectOptions {
  readonly depth?: number | null;
  readonly maxArrayLength?: number | null;
  readonly [option: string]: unknown;
}

const CUSTOM = Symbol.for("nodejs.util.inspect.custom");
const DEPTH = 2;
const ITEMS_MAX = 100;
const LINE_MAX = 72;

/** A value as text. */
export function inspect(value: unknown, options: InspectOptions = {}): string {
  const depth = options.depth === null ? Infinity : (options.depth ?? DEPTH);
  return show(value, depth, options, [], 0);
}

inspect.custom = CUSTOM;

function show(
  value: unknown,
  depth: number,
  options: InspectOptions,
  within: readonly object[],
  indent: number,
): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "symbol") return value.toString();
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "function") return functionText(value);
  if (typeof value !== "object" || value === null) return String(value);
  if (within.includes(value)) return "[Circular *1]";
  const custom = (value as { readonly [CUSTOM]?: unknown })[CUSTOM];
  if (typeof custom === "function") {
    const shown: unknown = (custom as (...args: unknown[]) => unknown).call(value, depth, options, inspect);
    return typeof shown === "string" ? shown : show(shown, depth, options, [...within, value], indent);
  }
  return showObject(value, depth, options, [...within, value], indent);
}

function showObject(
  value: object,
  depth: number,
  options: InspectOptions,
  within: readonly object[],
  indent: number,
): string {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  const name = nameOf(value);
  if (depth < 0) return Array.isArray(value) ? "[Array]" : `[${name === "" ? "Object" : name}]`;
  const nested = (each: unknown): string => show(each, depth - 1, options, within, indent + 2);
  const fields = Object.keys(value)
    .filter((key) => !isIndexed(value) || !/^\d+$/.test(key))
    .map(
      (key) =>
        `${/^[A-Za-z_$][\w$]*$/.test(key) ? key : quoted(key)}: ${nested((value as Record<string, unknown>)[key])}`,
    );
  if (value instanceof Error) {
    const text = value.stack ?? `${value.name}: ${value.message}`;
    const cause = "cause" in value && !Object.keys(value).includes("cause") ? [`[cause]: ${nested(value.cause)}`] : [];
    const all = [...fields, ...cause];
    return all.length === 0 ? text : `${text} ${joined("{", all, "}", indent)}`;
  }
  if (isIndexed(value)) {
    const { maxArrayLength = ITEMS_MAX } = options;
    const shown = Array.from(value)
      .slice(0, maxArrayLength ?? Infinity)
      .map(nested);
    if (value.length > shown.length) shown.push(`... ${value.length - shown.length} more items`);
    const prefix = name === "Array" ? "" : `${name}(${value.length}) `;
    return `${prefix}${joined("[", [...shown, ...fields], "]", indent)}`;
  }
  if (value instanceof Map) {
    const entries = [...value].map(([key, each]) => `${nested(key)} => ${nested(each)}`);
    return `Map(${value.size}) ${joined("{", [...entries, ...fields], "}", indent)}`;
  }
  if (value instanceof Set)
    return `Set(${value.size}) ${joined("{", [...[...value].map(nested), ...fields], "}", indent)}`;
  const prefix = name === "Object" ? "" : name === "" ? "[Object: null prototype] " : `${name} `;
  return `${prefix}${joined("{", fields, "}", indent)}`;
}

function isIndexed(value: object): value is ArrayLike<unknown> & Iterable<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function joined(open: string, parts: readonly string[], close: string, indent: number): string {
  if (parts.length === 0) return `${open}${close}`;
  const line = `${open} ${parts.join(", ")} ${close}`;
  if (line.length + indent <= LINE_MAX && !line.includes("\n")) return line;
  const space = " ".repeat(indent + 2);
  return `${open}\n${parts.map((part) => `${space}${part}`).join(",\n")}\n${" ".repeat(indent)}${close}`;
}

function quoted(text: string): string {
  const escaped = JSON.stringify(text)
    .slice(1, -1)
    .replaceAll(String.raw`\"`, '"');
  if (!text.includes("'")) return `'${escaped}'`;
  return text.includes('"') ? `\`${escaped}\`` : `"${escaped}"`;
}

function functionText(value: object): string {
  const { name } = value as { readonly name: string };
  const kind = String(value).startsWith("class") ? "class" : "Function";
  if (kind === "class") return `[class ${name === "" ? "(anonymous)" : name}]`;
  return name === "" ? "[Function (anonymous)]" : `[Function: ${name}]`;
}

function nameOf(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null) return "";
  const { constructor } = value as { readonly constructor?: { readonly name?: unknown } };
  return typeof constructor?.name === "string" ? constructor.name : "Object";
}

/** `util.format`: %s, %d, %i, %f, %j, %o, %O, %c and %%; further arguments are appended. */
export function format(...args: readonly unknown[]): string {
  const [first, ...rest] = args;
  if (typeof first !== "string") return args.map(plain).join(" ");
  let used = 0;
  const text = first.replaceAll(/%[sdifjoOc%]/g, (mark) => {
    if (mark === "%%") return "%";
    if (used >= rest.length) return mark;
    const value = rest[used];
    used += 1;
    return formatted(mark, value);
  });
  return [text, ...rest.slice(used).map(plain)].join(" ");
}

function formatted(mark: string, value: unknown): string {
  switch (mark) {
    case "%s":
      return typeof value === "string"
        ? value
        : typeof value === "object"
          ? inspect(value, { depth: 0 })
          : plain(value);
    case "%d":
      return typeof value === "bigint" ? `${value}n` : String(Number(value));
    case "%i":
      return typeof value === "bigint" ? `${value}n` : String(Number.parseInt(String(value), 10));
    case "%f":
      return String(Number.parseFloat(String(value)));
    case "%j":
      return JSON.stringify(value) ?? "undefined";
    case "%c":
      return "";
    default:
      return inspect(value, { depth: 4 });
  }
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : inspect(value);
}

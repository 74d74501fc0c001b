/** Owns how the package's objects look in `util.inspect` and `console.log`. Knows Node's protocol for it; imports nothing. */

/** The method that `util.inspect` calls. In Node's registry of symbols, so that no import is needed. */
export const INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom");

/** The options of `util.inspect`, which are passed on. */
export type InspectOptions = object;

/** `util.inspect`, as it is given to the method. */
export type Inspect = (value: unknown, options: object) => string;

/** What is being inspected: `util.inspect` does not see that a method which it calls is within itself. */
const inspecting = new Set<object>();

/**
 * "NAME { field: value }", and "[NAME]" where the depth is used up. Within itself it is
 * "[Circular NAME]". Fields that are undefined are left out.
 * @param read gets the fields; when it throws, there are none
 */
export function inspectAs(
  object: object,
  name: string,
  read: () => Readonly<Record<string, unknown>>,
  depth: number,
  options: InspectOptions,
  inspect: Inspect,
): string {
  if (depth < 0) return `[${name}]`;
  if (inspecting.has(object)) return `[Circular ${name}]`;
  let fields: Record<string, unknown> = {};
  try {
    fields = Object.fromEntries(Object.entries(read()).filter(([, value]) => value !== undefined));
  } catch {
    // What is inspected may be in any state, and is often inspected because of an error.
  }
  inspecting.add(object);
  try {
    return `${name} ${inspect(fields, { ...options, depth })}`;
  } finally {
    inspecting.delete(object);
  }
}

/** Those enumerable fields of an object that are not among `known`: what a subclass has added. */
export function otherFields(object: object, known: ReadonlySet<string>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !known.has(name)));
}

/** "127.0.0.1:80", "[::1]:80" or the path of a Unix socket; undefined where there is no address. */
export function inspectAddress(
  address:
    | { readonly host?: string | undefined; readonly port?: number | undefined; readonly path?: string | undefined }
    | undefined,
): string | undefined {
  if (address === undefined) return undefined;
  const { host = "", port, path } = address;
  if (path !== undefined) return path === "" ? undefined : path;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

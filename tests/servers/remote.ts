/**
 * Owns how a driver in another process reads and sets what an object of this one has: paths of names, and values as
 * JSON. Knows no server. Bytes are `{"$bytes": base64}`; what has no JSON is `{"$object": name of its class}`, and is
 * reached by a longer path.
 */

/** "handler_instance.rest", in parts. */
export type Path = readonly string[];

export class NoSuchAttribute extends Error {
  override name = "AttributeError";
}

export function getAt(root: object, path: Path): unknown {
  let value: unknown = root;
  for (const name of path) value = Reflect.get(holderOf(value, name), name);
  return value;
}

export function setAt(root: object, path: Path, value: unknown): void {
  const name = path.at(-1) ?? "";
  Reflect.set(holderOf(getAt(root, path.slice(0, -1)), name), name, value);
}

export function callAt(root: object, path: Path, parameters: readonly unknown[]): unknown {
  const method = getAt(root, path);
  if (typeof method !== "function") throw new NoSuchAttribute(path.join("."));
  return method.apply(getAt(root, path.slice(0, -1)), [...parameters]);
}

export function encode(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(encode);
  if (typeof value === "function") return { $object: value.name };
  if (typeof value !== "object") return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return { $object: value.constructor.name };
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, encode(each)]));
}

function holderOf(value: unknown, name: string): object {
  const isHolder = (typeof value === "object" && value !== null) || typeof value === "function";
  if (!isHolder || !(name in value)) throw new NoSuchAttribute(name);
  return value;
}

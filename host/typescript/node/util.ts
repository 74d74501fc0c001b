/** Owns node:util: what programs use of it that has to do with neither streams nor the engine of Node. */

import { parseArgs } from "@pkgjs/parseargs";
import { format, inspect } from "../inspect.js";
import { TextDecoder, TextEncoder } from "../text.js";
import { constants } from "./os.js";

export { format, inspect, parseArgs, TextDecoder, TextEncoder };

type Callback = (error: unknown, value?: unknown) => void;

export function promisify(
  call: (...args: readonly unknown[]) => void,
): (...args: readonly unknown[]) => Promise<unknown> {
  return (...args) =>
    new Promise((resolve, reject) => {
      const done: Callback = (error, value) => {
        if (error === null || error === undefined) resolve(value);
        else reject(error);
      };
      call(...args, done);
    });
}

export function inherits(constructor: { prototype: object }, base: { prototype: object }): void {
  Object.setPrototypeOf(constructor.prototype, base.prototype);
}

export function deprecate<Call>(call: Call): Call {
  return call;
}

/** NODE_DEBUG is not read. */
export const debuglog = (): object => Object.assign(() => {}, { enabled: false });

export function getSystemErrorName(errno: number): string {
  return (
    Object.entries(constants.errno).find(([, number]) => number === -errno)?.[0] ?? `Unknown system error ${errno}`
  );
}

export function stripVTControlCharacters(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, "");
}

export const isDeepStrictEqual = (one: unknown, other: unknown): boolean => inspect(one, DEEP) === inspect(other, DEEP);
const DEEP = { depth: null, maxArrayLength: null };

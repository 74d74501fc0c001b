/**
 * Owns the certificates of one grant of TLS: reads them, makes the secure context of them, and makes another one when their
 * files change. Knows no socket.
 */

import { readFileSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { constants, X509Certificate } from "node:crypto";
import { resolve } from "node:path";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import { PluginError } from "../errors.js";

/** How often files are looked at. What has changed is read when it has not changed further since the last look. */
const CHECK_MS = 1000;

/** Paths of PEM files, or PEM texts. */
export interface MaterialSources {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly ca?: string | undefined;
}

export interface MaterialHooks {
  readonly onReload: () => void;
  /** The new files cannot be used: the former ones stay in use. */
  readonly onFailure: (error: Error) => void;
}

const NAMES = ["cert", "key", "ca"] as const;

export class Material {
  readonly #field: string;
  readonly #sources: MaterialSources;
  readonly #options: SecureContextOptions;
  readonly #hooks: MaterialHooks;
  readonly #paths: readonly string[];
  readonly #timer: NodeJS.Timeout | undefined;
  #context: SecureContext;
  /** The state of the files that were read, or tried, last; and at the last look. */
  #readState: string;
  #seenState: string;
  #isChecking = false;
  #isClosed = false;

  /**
   * @param field of the policy, for messages: "listen[0].tls"
   * @throws PluginError ERR_PLUGIN_TLS, which names the file
   */
  constructor(field: string, sources: MaterialSources, options: SecureContextOptions, hooks: MaterialHooks) {
    this.#field = field;
    // The working directory may change.
    this.#sources = Object.fromEntries(
      NAMES.flatMap((name) => {
        const source = sources[name];
        return source === undefined ? [] : [[name, isText(source) ? source : resolve(source)]];
      }),
    );
    this.#options = { ...options, secureOptions: constants.SSL_OP_NO_RENEGOTIATION };
    this.#hooks = hooks;
    this.#paths = NAMES.flatMap((name) => this.#sources[name] ?? []).filter((source) => !isText(source));
    this.#readState = this.#seenState = this.#paths.map(stateOf).join("\n");
    this.#context = this.#read();
    if (this.#paths.length > 0) this.#timer = setInterval(() => void this.#check(), CHECK_MS).unref();
  }

  /** For new connections. */
  get context(): SecureContext {
    return this.#context;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  async #check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    const states = await Promise.all(
      this.#paths.map((path) =>
        stat(path, { bigint: true }).then(
          (found) => textOf(found),
          (error: NodeJS.ErrnoException) => error.code ?? error.message,
        ),
      ),
    );
    this.#isChecking = false;
    if (this.#isClosed) return;
    const state = states.join("\n");
    const isStable = state === this.#seenState;
    this.#seenState = state;
    if (!isStable || state === this.#readState) return;
    this.#readState = state;
    try {
      this.#context = this.#read();
    } catch (error) {
      this.#hooks.onFailure(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#hooks.onReload();
  }

  #read(): SecureContext {
    const pems: Record<string, string> = {};
    for (const name of NAMES) {
      const source = this.#sources[name];
      if (source === undefined) continue;
      try {
        pems[name] = isText(source) ? source : readFileSync(source, "utf8");
      } catch (error) {
        throw this.#error(`cannot read the ${WORDS[name]}: ${messageOf(error)}`, error);
      }
    }
    // One by one, so that the message names the one that is wrong.
    for (const [name, pem] of Object.entries(pems)) {
      try {
        createSecureContext({ [name]: pem });
        // OpenSSL takes a text without any certificate for no authorities.
        if (name === "ca") new X509Certificate(pem);
      } catch (error) {
        throw this.#error(`cannot use the ${this.#nameOf(name as keyof MaterialSources)}: ${messageOf(error)}`, error);
      }
    }
    try {
      return createSecureContext({ ...this.#options, ...pems });
    } catch (error) {
      const both = `${this.#nameOf("cert")} and the ${this.#nameOf("key")}`;
      throw this.#error(`cannot use the ${both} together: ${messageOf(error)}`, error);
    }
  }

  #nameOf(name: keyof MaterialSources): string {
    const source = this.#sources[name];
    return source === undefined || isText(source) ? WORDS[name] : `${WORDS[name]} in ${source}`;
  }

  #error(message: string, cause: unknown): PluginError {
    return new PluginError("ERR_PLUGIN_TLS", `"${this.#field}" ${message}`, { cause });
  }
}

const WORDS = { cert: "certificate", key: "private key", ca: "authorities" } as const;

function isText(source: string): boolean {
  return source.includes("-----BEGIN ");
}

/** Of the file that the path leads to: another one in its place, and a link to another one, are other states. */
function stateOf(path: string): string {
  try {
    return textOf(statSync(path, { bigint: true }));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

function textOf({ dev, ino, size, mtimeNs, ctimeNs }: import("node:fs").BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

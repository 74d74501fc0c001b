/** Owns reading a plugin's module again when its file changes: one change after the other. Knows no plugin. */

import { fileURLToPath } from "node:url";
import { compilePlugin, type PluginCode, type PluginModule } from "./code.js";
import { PluginError } from "./errors.js";
import { FileWatch } from "./file-watch.js";

export class ModuleWatch {
  readonly #path: string;
  readonly #watch = new FileWatch(() => this.#changed());
  #replace: ((code: PluginCode) => Promise<void>) | undefined;
  #onError: (error: Error) => void = () => undefined;
  #isBusy = false;
  #hasChanged = false;
  #isClosed = false;

  /** @throws TypeError where the module is no path */
  constructor(module: PluginModule) {
    if (typeof module !== "string" && !(module instanceof URL)) {
      const message = `"watch" needs the path of a file as the module`;
      throw Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_VALUE" });
    }
    this.#path = module instanceof URL ? fileURLToPath(module) : module;
  }

  /** Resolves when it would notice a change. */
  begin(): Promise<void> {
    return this.#watch.set([this.#path]);
  }

  /** Calls `replace` with the module after each change from {@link begin} on. */
  follow(replace: (code: PluginCode) => Promise<void>, onError: (error: Error) => void): void {
    this.#replace = replace;
    this.#onError = onError;
    if (this.#hasChanged) this.#changed();
  }

  close(): void {
    this.#isClosed = true;
    this.#watch.close();
  }

  #changed(): void {
    this.#hasChanged = true;
    if (this.#replace !== undefined && !this.#isBusy) void this.#renew(this.#replace);
  }

  async #renew(replace: (code: PluginCode) => Promise<void>): Promise<void> {
    this.#isBusy = true;
    while (this.#hasChanged && !this.#isClosed) {
      this.#hasChanged = false;
      try {
        await replace(await compilePlugin(this.#path));
      } catch (error) {
        const isStopped = error instanceof PluginError && error.code === "ERR_PLUGIN_STOPPED";
        if (!isStopped && !this.#isClosed) this.#onError(error instanceof Error ? error : new Error(String(error)));
      }
    }
    this.#isBusy = false;
  }
}

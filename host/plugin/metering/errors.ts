/** Owns the error for a module that the pass over its binary refuses. Knows nothing else. */

export type ModuleErrorCode = "ERR_PLUGIN_FORMAT" | "ERR_PLUGIN_FEATURE" | "ERR_PLUGIN_MEMORY";

/** A module that cannot be run under a policy. */
export class ModuleError extends Error {
  override name = "ModuleError";
  /**
   * ERR_PLUGIN_FORMAT: the binary is damaged. ERR_PLUGIN_FEATURE: it uses a part of WebAssembly that cannot be metered or
   * limited. ERR_PLUGIN_MEMORY: it needs more memory, or larger tables, than its policy allows.
   */
  readonly code: ModuleErrorCode;

  constructor(code: ModuleErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

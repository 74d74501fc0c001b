/** Owns the error of the plugin host's own calls. Knows nothing else. */

export type PluginErrorCode =
  | "ERR_PLUGIN_NAME"
  | "ERR_PLUGIN_START"
  | "ERR_PLUGIN_MAPPINGS"
  | "ERR_PLUGIN_BLOCKING"
  | "ERR_PLUGIN_STOPPED"
  | "ERR_PLUGIN_HOST_CLOSED"
  | "ERR_PLUGIN_TLS";

/** A call of the plugin host failed. */
export class PluginError extends Error {
  override name = "PluginError";
  /**
   * ERR_PLUGIN_NAME: there is a plugin of this name already, or there is none. ERR_PLUGIN_START: it ended, or took too long,
   * before it waited for something; `cause` says why where it is known. ERR_PLUGIN_MAPPINGS: this process has so many memory
   * mappings that a further thread, which an isolated plugin needs, could end it. ERR_PLUGIN_BLOCKING: a command, which takes no
   * turns, cannot share a thread on this version of Node. ERR_PLUGIN_STOPPED: it was stopped meanwhile.
   * ERR_PLUGIN_HOST_CLOSED: the host was closed. ERR_PLUGIN_TLS: a certificate or a key of its policy cannot be read or used.
   */
  readonly code: PluginErrorCode;

  constructor(code: PluginErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

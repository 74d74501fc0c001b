/** Owns node:os: Linux's numbers of errors, and what can be said of the host. */

/** Linux's, filled in by the build. */
declare const ERRNOS: Readonly<Record<string, number>>;

export const constants = { errno: ERRNOS, signals: {}, priority: {} };
export const EOL = "\n";
export const devNull = "/dev/null";
export const hostname = (): string => "localhost";
export const platform = (): string => "wasi";
export const type = (): string => "WASI";
export const arch = (): string => "wasm32";
export const tmpdir = (): string => "/tmp";
export const homedir = (): string => "/";
export const availableParallelism = (): number => 1;

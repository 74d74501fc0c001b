/**
 * Owns node:fs: a program in a component has no files. What a program calls fails with ENOSYS, so that one which can use files
 * and can do without runs here unchanged.
 */

function missing(call: string): Error {
  const message = `ENOSYS: there are no files in a component made of TypeScript, ${call}`;
  return Object.assign(new Error(message), { code: "ENOSYS", errno: -38, syscall: call });
}

function fails(call: string): () => never {
  return () => {
    throw missing(call);
  };
}

function calls(call: string): (...args: readonly unknown[]) => void {
  return (...args) => {
    const done = args.at(-1);
    if (typeof done !== "function") throw missing(call);
    setImmediate(() => (done as (error: Error) => void)(missing(call)));
  };
}

function rejects(call: string): () => Promise<never> {
  return () => Promise.reject(missing(call));
}

export const constants = {
  F_OK: 0,
  R_OK: 4,
  W_OK: 2,
  X_OK: 1,
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 64,
  O_EXCL: 128,
  O_TRUNC: 512,
  O_APPEND: 1024,
  O_NONBLOCK: 2048,
  O_DIRECTORY: 65_536,
  O_NOFOLLOW: 131_072,
};

/** A program asks for its own path with it. */
export const realpathSync = (path: unknown): string => String(path);
export const existsSync = (): boolean => false;
export const chmodSync = fails("chmod");
export const closeSync = fails("close");
export const fstatSync = fails("fstat");
export const lstatSync = fails("lstat");
export const mkdirSync = fails("mkdir");
export const openSync = fails("open");
export const readdirSync = fails("readdir");
export const readFileSync = fails("open");
export const readSync = fails("read");
export const rmSync = fails("rm");
export const statSync = fails("stat");
export const unlinkSync = fails("unlink");
export const writeFileSync = fails("open");
export const writeSync = fails("write");
export const close = calls("close");
export const open = calls("open");
export const read = calls("read");
export const readFile = calls("open");
export const stat = calls("stat");
export const write = calls("write");
export const promises = {
  access: rejects("access"),
  link: rejects("link"),
  lstat: rejects("lstat"),
  mkdir: rejects("mkdir"),
  open: rejects("open"),
  readdir: rejects("readdir"),
  readFile: rejects("open"),
  realpath: rejects("realpath"),
  rename: rejects("rename"),
  rm: rejects("rm"),
  rmdir: rejects("rmdir"),
  stat: rejects("stat"),
  unlink: rejects("unlink"),
  utimes: rejects("utime"),
  writeFile: rejects("open"),
};

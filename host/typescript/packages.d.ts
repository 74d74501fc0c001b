/** Owns the types of packages that have none. */

declare module "path-browserify" {
  import type { posix } from "node:path";
  const path: typeof posix;
  export default path;
}

declare module "@pkgjs/parseargs" {
  export { parseArgs } from "node:util";
}

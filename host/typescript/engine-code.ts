/** Owns the place of the engine's code: scripts/typescript.mjs makes this module anew of engine.wasm. */

export function makeEngine(_imports: object): object {
  throw new Error("the engine is made by the build of the package");
}

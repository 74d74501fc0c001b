/** Owns node:process: the global. */

const { process } = globalThis;

export default process;
export const { argv, env, exit, hrtime, nextTick, stderr, stdout } = process;

/**
 * Owns which calls of its host a guest uses. Knows nothing else. The build decides it, by the
 * constant WASYNCORE_PROFILE; what a profile does not have is left out of the module.
 */

export namespace Profile {
  /** WASI preview 1, with the four socket calls that it has. */
  export const PREVIEW1: i32 = 1;
  /** The same, and the socket extension. */
  export const PREVIEW1_SOCKETS: i32 = 2;
  /** WASI 0.2: the build puts what is in component/ in the place of the calls of preview 1. */
  export const COMPONENT: i32 = 3;
}

export const PROFILE: i32 = isDefined(WASYNCORE_PROFILE) ? WASYNCORE_PROFILE : Profile.PREVIEW1;

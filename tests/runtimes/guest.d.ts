/** What the guests of these tests use beside what the examples do. */

declare module "wasyncore/guest" {
  /** The program's name, and its arguments. */
  export function programArguments(): string[];
}

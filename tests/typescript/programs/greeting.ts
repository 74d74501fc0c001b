/** A module of language.ts that throws. */

export function greet(name: string): string {
  if (name === "") throw new TypeError("nobody to greet");
  return `hello, ${name}`;
}

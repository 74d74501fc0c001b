/** Owns the arguments of MAIL and RCPT: an address, and the parameters of extensions. Knows no conversation. */

export interface Path {
  /** Empty for the null sender, "<>". */
  readonly address: string;
  /** What follows the address. */
  readonly parameters: readonly string[];
}

/** "FROM:<address> PARAMETER ...": an address without brackets is taken as well. */
export function parsePath(keyword: "FROM" | "TO", text: string): Path | undefined {
  const match = new RegExp(String.raw`^${keyword}:\s*(?:<([^<>]*)>|([^\s<>]+))((?:\s+\S+)*)$`, "iu").exec(text);
  if (match === null) return undefined;
  return { address: match[1] ?? match[2] ?? "", parameters: (match[3] ?? "").split(/\s+/u).filter(Boolean) };
}

/** Is this a parameter of MAIL that EHLO offers? */
export function isMailParameter(parameter: string): boolean {
  return /^(?:SIZE=\d{1,15}|BODY=(?:7BIT|8BITMIME)|SMTPUTF8)$/iu.test(parameter);
}

/** How long the message will be, in octets, where the client has said so. */
export function declaredSize(parameters: readonly string[]): number {
  const sizes = parameters.map((each) => Number(/^SIZE=(\d+)$/iu.exec(each)?.[1] ?? 0));
  return Math.max(0, ...sizes);
}

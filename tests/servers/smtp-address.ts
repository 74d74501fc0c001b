/**
 * Owns what smtpd takes from Python's email package: the address at the head of a parameter, and Python's repr, which
 * smtpd prints. Knows no server.
 */

/** What an atom may not have in it: white space and RFC 5322's specials, but for the dot. */
const ATOM = String.raw`[^\s()<>@,:;"\[\]\\]+`;
const LOCAL_PART = new RegExp(String.raw`^\s*(?:"((?:[^"\\]|\\.)*)"|(${ATOM}))\s*`, "u");
const DOMAIN = new RegExp(String.raw`^@\s*(\[[^\]]*\]|${ATOM})\s*`, "u");
/** What has one of these, or white space, must stand in quotes: the parser's DOT_ATOM_ENDS. */
const NEEDS_QUOTES = /[\s()<>@,:;"[\]\\]/u;

/** email's get_angle_addr or get_addr_spec, whichever the text asks for. @returns the address and what follows it */
export function getAddress(text: string): [address: string, rest: string] {
  const trimmed = text.trimStart();
  if (!trimmed.startsWith("<")) return getAddrSpec(trimmed);
  if (trimmed.startsWith("<>")) return ["<>", trimmed.slice(2)];
  const [address, rest] = getAddrSpec(trimmed.slice(1));
  return [address, rest.startsWith(">") ? rest.slice(1) : rest];
}

function getAddrSpec(text: string): [address: string, rest: string] {
  const local = LOCAL_PART.exec(text);
  if (local === null)
    throw Object.assign(new Error(`expected an address, found ${repr(text)}`), { name: "HeaderParseError" });
  const name = local[1]?.replaceAll(/\\(.)/gu, "$1") ?? local[2] ?? "";
  const quoted = NEEDS_QUOTES.test(name) ? `"${name.replaceAll(/["\\]/gu, String.raw`\$&`)}"` : name;
  const rest = text.slice(local[0].length);
  const domain = DOMAIN.exec(rest);
  return domain === null ? [quoted, rest] : [`${quoted}@${domain[1] ?? ""}`, rest.slice(domain[0].length)];
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = { "\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\" };

/** Python's repr of a str, of bytes, and of a list or tuple of them. */
export function repr(value: string | Uint8Array | readonly string[]): string {
  if (Array.isArray(value)) return `[${value.map((each: string) => repr(each)).join(", ")}]`;
  const isBytes = value instanceof Uint8Array;
  const text = isBytes ? Buffer.from(value).toString("latin1") : String(value);
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const short = SHORT_ESCAPES[character];
    if (short !== undefined) return short;
    if (character === quote) return `\\${quote}`;
    const printable = code >= 32 && code !== 127 && (isBytes ? code < 127 : code >= 160 || code < 127);
    return printable ? character : `\\x${code.toString(16).padStart(2, "0")}`;
  });
  return `${isBytes ? "b" : ""}${quote}${escaped.join("")}${quote}`;
}

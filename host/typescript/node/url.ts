/** Owns node:url: paths of file URLs. */

export function fileURLToPath(url: string | { readonly href: string }): string {
  const href = typeof url === "string" ? url : url.href;
  if (!href.startsWith("file:///")) {
    throw Object.assign(new TypeError("The URL must be of scheme file"), { code: "ERR_INVALID_URL_SCHEME" });
  }
  return decodeURIComponent(href.slice("file://".length));
}

/** Names are looked up as they are. */
export function domainToASCII(domain: string): string {
  return domain;
}

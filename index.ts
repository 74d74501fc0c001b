/** Owns the name "wasyncore" in AssemblyScript, whose compiler looks for it here. Everything else resolves to `dist`. */

export * from "./assembly/index";

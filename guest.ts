/** Owns the name "wasyncore/guest" in AssemblyScript, whose compiler looks for it here. */

export * from "./assembly/guest/index";

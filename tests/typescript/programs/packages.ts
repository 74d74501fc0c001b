/** What three packages of npm do in a component, as lines that Node prints as well. */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import * as valibot from "valibot";
import { parse, stringify } from "yaml";

const Server = valibot.object({
  name: valibot.string(),
  ports: valibot.array(valibot.pipe(valibot.number(), valibot.minValue(1))),
});
const text = "name: écho 日本\nports: [7007, 8080]\n";
const server = valibot.parse(Server, parse(text));
console.log(stringify(server), bytesToHex(sha256(utf8ToBytes(server.name))));
const refused = valibot.safeParse(Server, parse("name: 1\nports: [0]"));
console.log(refused.success, refused.issues?.map(({ message }) => message).join("; "));

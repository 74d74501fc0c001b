/** Numbers with their nouns in messages. */

import { expect, test } from "vitest";
import { counted } from "../../host/backend/counted.js";

test.each([
  [0, "0 channels"],
  [1, "1 channel"],
  [2, "2 channels"],
])("of %d", (count, text) => expect(counted(count, "channel")).toBe(text));

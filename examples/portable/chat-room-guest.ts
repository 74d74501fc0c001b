/** The chat room as a guest: on the socket that its host passes it. */

import { loop } from "wasyncore";
import { takeListener } from "wasyncore/guest";
import { ChatRoom } from "./chat-room.js";

new ChatRoom(takeListener());
loop();

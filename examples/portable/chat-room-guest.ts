/** The chat room as a program, for a guest and for Node. It listens on the socket that it is passed, or opens one. */

import { loop } from "wasyncore";
import { takeListener } from "wasyncore/guest";
import { ChatRoom } from "./chat-room.js";

new ChatRoom(takeListener("", "127.0.0.1:7007"));
loop();

/** The chat room, as a guest and as a program on Node: on the socket that it is passed, or on one of its own. */

import { loop } from "wasyncore";
import { takeListener } from "wasyncore/guest";
import { ChatRoom } from "./chat-room.js";

new ChatRoom(takeListener("", "127.0.0.1:7007"));
loop();

import { describeGuest } from "./guests.ts";

describeGuest("systemd");

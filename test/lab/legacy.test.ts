import { describeGuest } from "./guests.ts";

describeGuest("systemd on v1");

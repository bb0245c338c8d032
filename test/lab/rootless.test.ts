import { describeGuest } from "./guests.ts";

describeGuest("rootless");

import { describeGuest } from "./guests.ts";

describeGuest("all controllers");

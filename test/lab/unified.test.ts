import { describeGuest } from "./guests.ts";

describeGuest("cgroup v2");

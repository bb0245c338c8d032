// The host inside dist/tsrunc: native/quickjs has put the library's functions on the global object.
import { KernelError } from "../errors.ts";
import type { Host } from "./host.ts";

declare const tsruncHost: Host & { setErrorClass(errorClass: typeof KernelError): void };

tsruncHost.setErrorClass(KernelError);

export const host: Host = tsruncHost;

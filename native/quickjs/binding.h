/* The host library (native/host) as JavaScript functions: `globalThis.tsruncHost`. */
#ifndef TSRUNC_QUICKJS_BINDING_H
#define TSRUNC_QUICKJS_BINDING_H

#include "quickjs.h"

/*
 * Makes the global object `tsruncHost` with every function of the host library, and `setErrorClass(KernelError)`.
 * Returns 0, or -1 with an exception.
 */
int binding_install(JSContext *ctx);

#endif

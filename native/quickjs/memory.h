/* The engine's memory. */
#ifndef TSRUNC_QUICKJS_MEMORY_H
#define TSRUNC_QUICKJS_MEMORY_H

#include "quickjs.h"

/* For JS_NewRuntime2. */
extern const JSMallocFunctions memory_functions;

#endif

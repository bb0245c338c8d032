/* The engine's memory. */
#ifndef TSRUNC_QUICKJS_MEMORY_H
#define TSRUNC_QUICKJS_MEMORY_H

#include "quickjs.h"

/* For JS_NewRuntime2. */
extern const JSMallocFunctions memory_functions;

/*
 * The heap image: the engine's memory as it is when all modules are loaded and evaluated, made once by the build and put
 * into the executable, where the kernel maps it like any other data. A start then loads nothing: it goes on where the
 * build has stopped. It works because the executable has fixed addresses, so that pointers in the image, also those
 * to functions, stay true, and because the engine keeps everything it changes in the memory it is given.
 */
struct heap_roots {
	JSRuntime *runtime; /* NULL: there is no image */
	JSContext *context;
	JSValue error_class; /* of the binding */
	JSValue start;       /* the function to call */
};
extern struct heap_roots *const heap_roots;

/*
 * Writes the heap, with what heap_roots holds, to a file: the content of the section ".heap". Returns 0, or -1 with errno;
 * ENOSPC: the section is too small (HEAP_IMAGE in memory.c).
 */
int heap_write(const char *path);

#endif

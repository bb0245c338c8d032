/* The engine's memory. */
#ifndef TSRUNC_QUICKJS_MEMORY_H
#define TSRUNC_QUICKJS_MEMORY_H

#include <stddef.h>
#include <stdint.h>

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

/* What is known of a block that was asked for, by its number. Without it, all blocks are alike. */
struct heap_use {
	uint32_t commands; /* how many of those that were watched write to it */
	uint32_t size;	   /* with its header */
};

/* To be called before the first block is asked for; the array is not copied. */
void heap_expect(const struct heap_use *expected, size_t length);

/* Writes the heap, with what heap_roots holds, to a file: the content of the section ".heap". Returns 0, or -1 with errno. */
int heap_write(const char *path);

/* What a block of the image begins with. */
struct heap_block {
	uint32_t size;	 /* with this header */
	uint32_t number; /* it was the nth that was asked for; without meaning when it is free */
};

/* The blocks of an image that was made without heap_expect, free ones among them, as they lie in memory; NULL: no more. */
const struct heap_block *heap_first_cold(void);
const struct heap_block *heap_next_cold(const struct heap_block *block);

/* The pages of the image. */
void heap_bounds(char **first, char **end);

#endif

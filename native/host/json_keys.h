/*
 * The keys of all objects that are open while a JSON text is scanned, to find duplicates: a stack, and a hash table
 * over it. Keys go in and out in stack order, so that an entry can be taken out of the table without a trace.
 */
#ifndef TSRUNC_HOST_JSON_KEYS_H
#define TSRUNC_HOST_JSON_KEYS_H

#include "host.h"

struct json_key {
	const char *ptr;
	size_t len;
	bool has_escapes;
};

struct json_keys {
	struct arena *arena;
	struct json_entry *stack;
	size_t count, room;
	uint32_t *table; /* positions in the stack + 1; 0: free. Twice as many as room, a power of two */
	uint64_t seed;
};

enum json_key_result { JSON_KEY_NEW, JSON_KEY_DUPLICATE, JSON_KEY_NO_MEMORY };

void json_keys_begin(struct json_keys *keys, struct arena *arena);
static inline size_t json_keys_count(const struct json_keys *keys)
{
	return keys->count;
}
/*
 * Adds a key to the object whose first key is (or would be) number `first`. Where the key has escapes, *key becomes the
 * decoded one.
 */
enum json_key_result json_keys_add(struct json_keys *keys, struct json_key *key, size_t first);
/* Takes out the keys from number `first` on: their object is closed. */
void json_keys_forget(struct json_keys *keys, size_t first);

#endif

/* Finds duplicate keys in JSON objects in linear time; keys are compared as decoded. */
#include "json_keys.h"

#include <string.h>
#include <time.h>

struct json_entry {
	const char *ptr;
	size_t len;
	uint32_t hash;
	uint32_t slot; /* where in the table */
};

#define FIRST_ROOM 64u

void json_keys_begin(struct json_keys *keys, struct arena *arena)
{
	struct timespec now = {0};

	/* Unpredictable enough that nobody prepares a file of colliding keys: the clock, and where the stack lies. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	*keys = (struct json_keys){.arena = arena};
	keys->seed = ((uint64_t)now.tv_nsec << 32) ^ (uint64_t)now.tv_sec ^ (uint64_t)(uintptr_t)keys;
}

static uint32_t hash_of(const struct json_keys *keys, const struct json_key *key, size_t first)
{
	const uint64_t odd = 0x9e3779b97f4a7c15u;
	uint64_t hash = keys->seed ^ first * odd ^ key->len;
	size_t at = 0;

	for (; key->len - at >= 8; at += 8) {
		uint64_t part;

		memcpy(&part, key->ptr + at, 8);
		hash = (hash ^ part) * odd;
		hash ^= hash >> 29;
	}
	for (; at < key->len; at++)
		hash = (hash ^ (unsigned char)key->ptr[at]) * odd;
	hash ^= hash >> 32;
	return (uint32_t)(hash * odd >> 32);
}

/* Puts the entry number `at` into the first free slot behind its hash. */
static void place(struct json_keys *keys, size_t at)
{
	uint32_t mask = (uint32_t)(keys->room * 2 - 1);
	uint32_t slot = keys->stack[at].hash & mask;

	while (keys->table[slot] != 0)
		slot = (slot + 1) & mask;
	keys->table[slot] = (uint32_t)at + 1;
	keys->stack[at].slot = slot;
}

static bool grow(struct json_keys *keys)
{
	size_t room = keys->room == 0 ? FIRST_ROOM : keys->room * 2;
	struct json_entry *stack = arena_array(keys->arena, room, sizeof *stack);
	uint32_t *table = arena_array(keys->arena, room * 2, sizeof *table);

	if (stack == NULL || table == NULL || room > UINT32_MAX / 2)
		return false;
	if (keys->count > 0)
		memcpy(stack, keys->stack, keys->count * sizeof *stack);
	memset(table, 0, room * 2 * sizeof *table);
	keys->stack = stack;
	keys->table = table;
	keys->room = room;
	for (size_t at = 0; at < keys->count; at++)
		place(keys, at);
	return true;
}

static char *put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*to++ = (char)(0xe0 | c >> 12);
		} else {
			*to++ = (char)(0xf0 | c >> 18);
			*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (c & 0x3f));
	return to;
}

static uint32_t unit_at(const char *digits)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++)
		unit = unit << 4 | (uint32_t)(digits[i] <= '9' ? digits[i] - '0' : (digits[i] | 0x20) - 'a' + 10);
	return unit;
}

/* Replaces the key by its decoded copy; the scanner has checked all escapes. A decoded key is never longer. */
static bool decode(struct json_keys *keys, struct json_key *key)
{
	static const char letters[] = "bfnrt", characters[] = "\b\f\n\r\t";
	const char *end = key->ptr + key->len;
	char *decoded = arena_alloc(keys->arena, key->len), *to = decoded;

	if (decoded == NULL)
		return false;
	for (const char *at = key->ptr; at < end; at++) {
		const char *letter;
		uint32_t c;

		if (*at != '\\') {
			*to++ = *at;
			continue;
		}
		if (*++at != 'u') {
			letter = strchr(letters, *at);
			*to++ = letter == NULL ? *at : characters[letter - letters];
			continue;
		}
		c = unit_at(at + 1);
		at += 4;
		if (c >= 0xd800 && c <= 0xdbff) {
			c = 0x10000 + ((c - 0xd800) << 10) + (unit_at(at + 3) - 0xdc00);
			at += 6;
		}
		to = put_utf8(to, c);
	}
	*key = (struct json_key){.ptr = decoded, .len = (size_t)(to - decoded)};
	return true;
}

enum json_key_result json_keys_add(struct json_keys *keys, struct json_key *key, size_t first)
{
	uint32_t mask, hash, taken;

	if (key->has_escapes && !decode(keys, key))
		return JSON_KEY_NO_MEMORY;
	if (keys->count == keys->room && !grow(keys))
		return JSON_KEY_NO_MEMORY;
	hash = hash_of(keys, key, first);
	mask = (uint32_t)(keys->room * 2 - 1);
	for (uint32_t slot = hash & mask; (taken = keys->table[slot]) != 0; slot = (slot + 1) & mask) {
		const struct json_entry *other = &keys->stack[taken - 1];

		if (taken - 1 >= first && other->hash == hash && other->len == key->len &&
		    memcmp(other->ptr, key->ptr, key->len) == 0)
			return JSON_KEY_DUPLICATE;
	}
	keys->stack[keys->count] = (struct json_entry){.ptr = key->ptr, .len = key->len, .hash = hash};
	place(keys, keys->count++);
	return JSON_KEY_NEW;
}

void json_keys_forget(struct json_keys *keys, size_t first)
{
	/* The last one in is the first one out, so no chain of collisions runs over the slot that becomes free. */
	while (keys->count > first)
		keys->table[keys->stack[--keys->count].slot] = 0;
}

/*
 * checkJson: the strict look at a JSON text that JSON.parse does not take. Two parsers must never understand one file
 * differently, so what is ambiguous (duplicate keys, lone surrogates, NUL, a byte order mark) is refused; integers that
 * a JavaScript number would round are listed, so that the caller puts them in exactly, and with them all numbers that
 * are not written as integers.
 *
 * One pass over the UTF-8 bytes. Recursive, which is safe as the depth is limited. It runs on every create.
 */
#include "host.h"

#include <stdio.h>
#include <string.h>

#include "json_keys.h"
#include "json_tokens.h"

#define MAX_DEPTH 64u

/* Where we are: in the member `key` of an object, or in the element `index` of an array. */
struct step {
	bool is_array;
	size_t index;
	struct json_key key;
};

struct scanner {
	struct json_cursor in; /* wrong_at is NULL for want of memory */
	const char *text;
	struct arena *arena;
	struct json_keys keys;
	struct step path[MAX_DEPTH];
	size_t depth;
	struct hv *found; /* pairs of pointer and number as written */
	size_t found_count, found_room;
};

static int no_memory(struct scanner *s)
{
	s->in.wrong_at = NULL;
	return -1;
}

static void skip_space(struct scanner *s)
{
	const char *at = s->in.at;

	while (at < s->in.end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	s->in.at = at;
}

/* ---- numbers that JavaScript does not keep ------------------------------------------------------------------- */

/* The JSON pointer to where we are. NULL when there is no memory. */
static const char *pointer_here(struct scanner *s, size_t *length)
{
	size_t room = 1;
	char *pointer, *to;

	for (size_t i = 0; i < s->depth; i++)
		room += s->path[i].is_array ? 24 : 1 + 2 * s->path[i].key.len;
	to = pointer = arena_alloc(s->arena, room);
	for (size_t i = 0; pointer != NULL && i < s->depth; i++) {
		const struct json_key *key = &s->path[i].key;

		*to++ = '/';
		if (s->path[i].is_array) {
			to += snprintf(to, 23, "%zu", s->path[i].index);
			continue;
		}
		for (size_t k = 0; k < key->len; k++) {
			if (key->ptr[k] == '~' || key->ptr[k] == '/')
				*to++ = '~';
			*to++ = key->ptr[k] == '~' ? '0' : key->ptr[k] == '/' ? '1' : key->ptr[k];
		}
	}
	*length = (size_t)(to - pointer);
	return pointer;
}

/* Remembers a number as it is written. */
static int add_found(struct scanner *s, const char *digits, size_t length)
{
	struct hv pair = hv_list(s->arena, 2);
	const char *pointer;
	size_t pointer_length;

	if (s->found_count == s->found_room) {
		size_t room = s->found_room == 0 ? 16 : s->found_room * 2;
		struct hv *more = arena_array(s->arena, room, sizeof *more);

		if (more == NULL)
			return no_memory(s);
		if (s->found_count > 0)
			memcpy(more, s->found, s->found_count * sizeof *more);
		s->found = more;
		s->found_room = room;
	}
	pointer = pointer_here(s, &pointer_length);
	if (pointer == NULL || pair.list.items == NULL)
		return no_memory(s);
	pair.list.items[0] = hv_str_len(pointer, pointer_length);
	pair.list.items[1] = hv_str_len(digits, length);
	s->found[s->found_count++] = pair;
	return 0;
}

static int scan_number(struct scanner *s)
{
	const char *start = s->in.at;
	bool keeps;

	if (json_number(&s->in, &keeps) < 0)
		return -1;
	return keeps ? 0 : add_found(s, start, (size_t)(s->in.at - start));
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static int scan_value(struct scanner *s);

static int scan_word(struct scanner *s, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(s->in.end - s->in.at) < length || memcmp(s->in.at, word, length) != 0)
		return json_wrong(&s->in, s->in.at, "value expected");
	s->in.at += length;
	return 0;
}

/* Steps into an object or array; its closing character is looked for by the caller. */
static int enter(struct scanner *s, bool is_array)
{
	if (s->depth == MAX_DEPTH)
		return json_wrong(&s->in, s->in.at, "nested deeper than %u levels", MAX_DEPTH);
	s->path[s->depth++] = (struct step){.is_array = is_array};
	s->in.at++;
	skip_space(s);
	return 0;
}

/*
 * Behind an element: 1 when another follows, 0 at the closing character, which is passed.
 */
static int next_element(struct scanner *s, char closing, const char *expected)
{
	skip_space(s);
	if (s->in.at == s->in.end)
		return json_wrong(&s->in, s->in.at, "text ends before %s", expected);
	if (*s->in.at == closing) {
		s->in.at++;
		s->depth--;
		return 0;
	}
	if (*s->in.at != ',')
		return json_wrong(&s->in, s->in.at, "%s expected", expected);
	s->in.at++;
	skip_space(s);
	return 1;
}

static int scan_array(struct scanner *s)
{
	int more;

	if (enter(s, true) < 0)
		return -1;
	if (s->in.at < s->in.end && *s->in.at == ']') {
		s->in.at++;
		s->depth--;
		return 0;
	}
	do {
		if (scan_value(s) < 0)
			return -1;
		s->path[s->depth - 1].index++;
	} while ((more = next_element(s, ']', "\",\" or \"]\"")) > 0);
	return more;
}

static int scan_member(struct scanner *s, size_t first_key)
{
	const char *start = s->in.at;
	struct json_key key;

	if (s->in.at == s->in.end || *s->in.at != '"')
		return json_wrong(&s->in, s->in.at, "key in double quotes expected");
	if (json_string(&s->in, &key) < 0)
		return -1;
	switch (json_keys_add(&s->keys, &key, first_key)) {
	case JSON_KEY_NEW:
		break;
	case JSON_KEY_DUPLICATE:
		return json_wrong(&s->in, start, "duplicate key \"%.*s\"", key.len < 64 ? (int)key.len : 64, key.ptr);
	case JSON_KEY_NO_MEMORY:
		return no_memory(s);
	}
	s->path[s->depth - 1].key = key;
	skip_space(s);
	if (s->in.at == s->in.end || *s->in.at != ':')
		return json_wrong(&s->in, s->in.at, "\":\" expected");
	s->in.at++;
	skip_space(s);
	return scan_value(s);
}

static int scan_object(struct scanner *s)
{
	size_t first_key = json_keys_count(&s->keys);
	int more;

	if (enter(s, false) < 0)
		return -1;
	if (s->in.at < s->in.end && *s->in.at == '}') {
		s->in.at++;
		s->depth--;
		return 0;
	}
	do {
		if (scan_member(s, first_key) < 0)
			return -1;
	} while ((more = next_element(s, '}', "\",\" or \"}\"")) > 0);
	json_keys_forget(&s->keys, first_key);
	return more;
}

static int scan_value(struct scanner *s)
{
	struct json_key text;

	if (s->in.at == s->in.end)
		return json_wrong(&s->in, s->in.at, "text ends before a value");
	switch (*s->in.at) {
	case '{':
		return scan_object(s);
	case '[':
		return scan_array(s);
	case '"':
		return json_string(&s->in, &text);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		if (*s->in.at != '-' && (*s->in.at < '0' || *s->in.at > '9'))
			return json_wrong(&s->in, s->in.at, "value expected");
		return scan_number(s);
	}
}

static int scan_text(struct scanner *s)
{
	if (s->in.end - s->in.at >= 3 && memcmp(s->in.at, "\xef\xbb\xbf", 3) == 0)
		return json_wrong(&s->in, s->in.at, "byte order mark");
	skip_space(s);
	if (s->in.at == s->in.end || (*s->in.at != '{' && *s->in.at != '['))
		return json_wrong(&s->in, s->in.at, "object or array expected");
	if (scan_value(s) < 0)
		return -1;
	skip_space(s);
	return s->in.at == s->in.end ? 0 : json_wrong(&s->in, s->in.at, "text after the value");
}

/* Lines and columns count from 1; a column is a character, not a byte. */
static int fail_at(struct host_call *call, const struct scanner *s)
{
	size_t line = 1, column = 1;

	for (const char *c = s->text; c < s->in.wrong_at; c++) {
		if (*c == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)*c & 0xc0) != 0x80) {
			column++;
		}
	}
	return host_fail(call, EINVAL, "json", "line %zu, column %zu: %s", line, column, s->in.wrong);
}

int host_checkJson(struct host_call *call)
{
	struct scanner s;
	const char *text;
	size_t len;

	if (arg_str(call, 0, "text", &text, &len) < 0)
		return -1;
	s.text = s.in.at = text;
	s.in.end = text + len;
	s.arena = &call->arena;
	s.depth = 0;
	s.found = NULL;
	s.found_count = s.found_room = 0;
	json_keys_begin(&s.keys, &call->arena);
	if (scan_text(&s) < 0)
		return s.in.wrong_at == NULL ? host_no_memory(call) : fail_at(call, &s);
	call->result = (struct hv){.kind = HV_LIST, .list = {s.found, s.found_count}};
	return 0;
}

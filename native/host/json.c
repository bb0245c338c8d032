/*
 * checkJson: the strict look at a JSON text that JSON.parse does not take. Two parsers must never understand one file
 * differently, so what is ambiguous (duplicate keys, lone surrogates, NUL, a byte order mark) is refused; integers that
 * a JavaScript number would round are listed, so that the caller puts them in exactly, and with them all numbers that
 * are not written as integers.
 *
 * One pass over the UTF-8 bytes. Recursive, which is safe as the depth is limited. It runs on every create.
 */
#include "host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json_keys.h"

#define MAX_DEPTH 64u

/* Where we are: in the member `key` of an object, or in the element `index` of an array. */
struct step {
	bool is_array;
	size_t index;
	struct json_key key;
};

struct scanner {
	const char *text, *at, *end;
	struct arena *arena;
	struct json_keys keys;
	struct step path[MAX_DEPTH];
	size_t depth;
	struct hv *found; /* pairs of pointer and digits */
	size_t found_count, found_room;
	const char *wrong_at; /* NULL: for want of memory */
	char wrong[128];
};

/* Notes what is wrong and where, and is -1. */
__attribute__((format(printf, 3, 4))) static int wrong(struct scanner *s, const char *at, const char *what, ...)
{
	va_list args;

	s->wrong_at = at;
	va_start(args, what);
	vsnprintf(s->wrong, sizeof s->wrong, what, args);
	va_end(args);
	return -1;
}

static int no_memory(struct scanner *s)
{
	s->wrong_at = NULL;
	return -1;
}

static void skip_space(struct scanner *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
		s->at++;
}

static bool is_digit(const struct scanner *s)
{
	return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

/* ---- strings --------------------------------------------------------------------------------------------------- */

/* The four hexadecimal digits of \uXXXX, or -1. */
static int scan_unit(struct scanner *s)
{
	int unit = 0;

	if (s->end - s->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = *s->at++;

		if (c >= '0' && c <= '9')
			unit = unit << 4 | (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			unit = unit << 4 | ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return unit;
}

/* s->at is behind the backslash. */
static int scan_escape(struct scanner *s)
{
	const char *start = s->at - 1;
	int unit;

	if (s->at == s->end)
		return wrong(s, start, "unterminated string");
	if (strchr("\"\\/bfnrt", *s->at) != NULL && *s->at != '\0') {
		s->at++;
		return 0;
	}
	if (*s->at != 'u')
		return wrong(s, start, "unknown escape in a string");
	s->at++;
	unit = scan_unit(s);
	if (unit < 0)
		return wrong(s, start, "\\u without four hexadecimal digits");
	if (unit == 0)
		return wrong(s, start, "NUL character in a string");
	if (unit < 0xd800 || unit > 0xdfff)
		return 0;
	/* A high surrogate, and right behind it a low one: together they are a character, alone they are none. */
	if (unit <= 0xdbff && s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u') {
		s->at += 2;
		unit = scan_unit(s);
		if (unit >= 0xdc00 && unit <= 0xdfff)
			return 0;
	}
	return wrong(s, start, "lone surrogate in a string");
}

/* s->at is on the opening quote. *text is what is between the quotes, as written. */
static int scan_string(struct scanner *s, struct json_key *text)
{
	const char *start = s->at++;

	text->has_escapes = false;
	for (;;) {
		while (s->at < s->end && (unsigned char)*s->at >= 0x20 && *s->at != '"' && *s->at != '\\')
			s->at++;
		if (s->at == s->end)
			return wrong(s, start, "unterminated string");
		if (*s->at == '"')
			break;
		if (*s->at != '\\')
			return wrong(s, s->at, "control character in a string");
		s->at++;
		text->has_escapes = true;
		if (scan_escape(s) < 0)
			return -1;
	}
	text->ptr = start + 1;
	text->len = (size_t)(s->at - text->ptr);
	s->at++;
	return 0;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

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
	static const char largest_exact[] = "9007199254740991"; /* 2^53 - 1 */
	const size_t exact_digits = sizeof largest_exact - 1;
	const char *start = s->at, *digits;
	size_t count;

	if (*s->at == '-')
		s->at++;
	digits = s->at;
	if (!is_digit(s))
		return wrong(s, start, "number without digits");
	while (is_digit(s))
		s->at++;
	count = (size_t)(s->at - digits);
	if (*digits == '0' && count > 1)
		return wrong(s, start, "number with a leading zero");
	if (s->at < s->end && (*s->at == '.' || (*s->at | 0x20) == 'e')) {
		if (*s->at == '.') {
			s->at++;
			if (!is_digit(s))
				return wrong(s, start, "number without digits after the point");
			while (is_digit(s))
				s->at++;
		}
		if (s->at < s->end && (*s->at | 0x20) == 'e') {
			s->at++;
			if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
				s->at++;
			if (!is_digit(s))
				return wrong(s, start, "number without digits in the exponent");
			while (is_digit(s))
				s->at++;
		}
		return add_found(s, start, (size_t)(s->at - start));
	}
	/* JSON.parse makes the same of 1.0 and 1e0 as of 1; no document of ours has fractions, so they are listed. */
	if (*start == '-' && *digits == '0')
		return add_found(s, start, (size_t)(s->at - start));
	if (count < exact_digits || (count == exact_digits && memcmp(digits, largest_exact, count) <= 0))
		return 0;
	return add_found(s, start, (size_t)(s->at - start));
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static int scan_value(struct scanner *s);

static int scan_word(struct scanner *s, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(s->end - s->at) < length || memcmp(s->at, word, length) != 0)
		return wrong(s, s->at, "value expected");
	s->at += length;
	return 0;
}

/* Steps into an object or array; its closing character is looked for by the caller. */
static int enter(struct scanner *s, bool is_array)
{
	if (s->depth == MAX_DEPTH)
		return wrong(s, s->at, "nested deeper than %u levels", MAX_DEPTH);
	s->path[s->depth++] = (struct step){.is_array = is_array};
	s->at++;
	skip_space(s);
	return 0;
}

/*
 * Behind an element: 1 when another follows, 0 at the closing character, which is passed.
 */
static int next_element(struct scanner *s, char closing, const char *expected)
{
	skip_space(s);
	if (s->at == s->end)
		return wrong(s, s->at, "text ends before %s", expected);
	if (*s->at == closing) {
		s->at++;
		s->depth--;
		return 0;
	}
	if (*s->at != ',')
		return wrong(s, s->at, "%s expected", expected);
	s->at++;
	skip_space(s);
	return 1;
}

static int scan_array(struct scanner *s)
{
	int more;

	if (enter(s, true) < 0)
		return -1;
	if (s->at < s->end && *s->at == ']') {
		s->at++;
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
	const char *start = s->at;
	struct json_key key;

	if (s->at == s->end || *s->at != '"')
		return wrong(s, s->at, "key in double quotes expected");
	if (scan_string(s, &key) < 0)
		return -1;
	switch (json_keys_add(&s->keys, &key, first_key)) {
	case JSON_KEY_NEW:
		break;
	case JSON_KEY_DUPLICATE:
		return wrong(s, start, "duplicate key \"%.*s\"", key.len < 64 ? (int)key.len : 64, key.ptr);
	case JSON_KEY_NO_MEMORY:
		return no_memory(s);
	}
	s->path[s->depth - 1].key = key;
	skip_space(s);
	if (s->at == s->end || *s->at != ':')
		return wrong(s, s->at, "\":\" expected");
	s->at++;
	skip_space(s);
	return scan_value(s);
}

static int scan_object(struct scanner *s)
{
	size_t first_key = json_keys_count(&s->keys);
	int more;

	if (enter(s, false) < 0)
		return -1;
	if (s->at < s->end && *s->at == '}') {
		s->at++;
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

	if (s->at == s->end)
		return wrong(s, s->at, "text ends before a value");
	switch (*s->at) {
	case '{':
		return scan_object(s);
	case '[':
		return scan_array(s);
	case '"':
		return scan_string(s, &text);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		if (*s->at != '-' && !is_digit(s))
			return wrong(s, s->at, "value expected");
		return scan_number(s);
	}
}

static int scan_text(struct scanner *s)
{
	if (s->end - s->at >= 3 && memcmp(s->at, "\xef\xbb\xbf", 3) == 0)
		return wrong(s, s->at, "byte order mark");
	skip_space(s);
	if (s->at == s->end || *s->at != '{')
		return wrong(s, s->at, "object expected");
	if (scan_object(s) < 0)
		return -1;
	skip_space(s);
	return s->at == s->end ? 0 : wrong(s, s->at, "text after the object");
}

/* Lines and columns count from 1; a column is a character, not a byte. */
static int fail_at(struct host_call *call, const struct scanner *s)
{
	size_t line = 1, column = 1;

	for (const char *c = s->text; c < s->wrong_at; c++) {
		if (*c == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)*c & 0xc0) != 0x80) {
			column++;
		}
	}
	return host_fail(call, EINVAL, "json", "line %zu, column %zu: %s", line, column, s->wrong);
}

int host_checkJson(struct host_call *call)
{
	struct scanner s;
	const char *text;
	size_t len;

	if (arg_str(call, 0, "text", &text, &len) < 0)
		return -1;
	s.text = s.at = text;
	s.end = text + len;
	s.arena = &call->arena;
	s.depth = 0;
	s.found = NULL;
	s.found_count = s.found_room = 0;
	json_keys_begin(&s.keys, &call->arena);
	if (scan_text(&s) < 0)
		return s.wrong_at == NULL ? host_no_memory(call) : fail_at(call, &s);
	call->result = (struct hv){.kind = HV_LIST, .list = {s.found, s.found_count}};
	return 0;
}

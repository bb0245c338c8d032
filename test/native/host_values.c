/* Values, arguments, failures and UTF-8. */
#include "check.h"

#include "text.h"

static void checks_utf8(void)
{
	static const struct {
		const char *text;
		size_t len, bad; /* bad == len: valid */
	} cases[] = {
		{"", 0, 0},
		{"plain ascii, more than eight", 28, 28},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, 9},
		{"\xf4\x8f\xbf\xbf", 4, 4},
		{"a\0b", 3, 3},
		{"12345678\xff", 9, 8},
		{"\x80", 1, 0},
		{"\xc0\x80", 2, 0},
		{"\xc1\xbf", 2, 0},
		{"\xe0\x9f\xbf", 3, 0},
		{"\xed\xa0\x80", 3, 0},
		{"\xf0\x8f\xbf\xbf", 4, 0},
		{"\xf4\x90\x80\x80", 4, 0},
		{"\xf5\x80\x80\x80", 4, 0},
		{"ab\xe2\x82", 4, 2},
		{"ab\xe2\x82z", 5, 2},
		{"\xf0\x9f\x98", 3, 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		/* a copy of exactly this size, so that reading beyond is seen */
		char *text = malloc(cases[i].len + 1);
		size_t bad = cases[i].len;
		bool valid;

		if (text == NULL)
			abort();
		memcpy(text + 1, cases[i].text, cases[i].len);
		valid = text_is_utf8(text + 1, cases[i].len, &bad);
		CHECK(valid == (cases[i].bad == cases[i].len) && bad == cases[i].bad, "case %zu: bad at %zu", i, bad);
		free(text);
	}
}

static void repairs_utf8(void)
{
	struct arena arena;
	struct hv value;

	arena_begin(&arena);
	value = hv_str_copy(&arena, "a\xff\xe2\x82z\xc3\xa9", 7);
	CHECK(is_text(&value, "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xc3\xa9"), "%s", value.str.ptr);
	CHECK(value.str.ptr[value.str.len] == '\0', "no NUL behind the text");
	arena_end(&arena);
}

static void arena_keeps_things_apart(void)
{
	enum { COUNT = 500 };
	struct arena arena;
	char *parts[COUNT];

	arena_begin(&arena);
	for (size_t i = 0; i < COUNT; i++) {
		size_t size = i * i % 20000;

		parts[i] = arena_alloc(&arena, size);
		CHECK(parts[i] != NULL && (uintptr_t)parts[i] % 16 == 0, "allocation %zu", i);
		memset(parts[i], (int)i, size);
	}
	for (size_t i = 0; i < COUNT; i++)
		for (size_t at = 0; at < i * i % 20000; at++)
			if (parts[i][at] != (char)i) {
				CHECK(false, "allocation %zu overwritten", i);
				break;
			}
	CHECK(arena_array(&arena, SIZE_MAX / 4, 8) == NULL, "overflow not noticed");
	arena_end(&arena);
}

static void cuts_subjects_between_characters(void)
{
	struct host_call call;
	char path[600] = "";

	for (int i = 0; i < 150; i++)
		strcat(path, "\xe2\x82\xac");
	host_call_begin(&call);
	CHECK(host_fail(&call, ENOENT, "open", "x%s", path) == -1, "not -1");
	CHECK(strlen(call.failure.subject) <= 255, "%zu bytes", strlen(call.failure.subject));
	CHECK(strcmp(call.failure.subject + strlen(call.failure.subject) - 6, "\xe2\x82\xac...") == 0, "%s",
	      why(&call));
	host_call_end(&call);
}

/* Every function refuses wrong arguments instead of reading what is not there. */
static void every_function_checks_its_arguments(void)
{
	static const struct hv wrong[] = {
		{.kind = HV_NONE},
		{.kind = HV_REAL, .real = 1.5},
		{.kind = HV_INT, .integer = -2},
		{.kind = HV_INT, .is_unsigned = true, .integer = -1},
	};

	for (size_t i = 0; i < host_function_count; i++) {
		const struct host_function *function = &host_functions[i];

		if (function->min_args == 0)
			continue;
		for (size_t w = 0; w <= sizeof wrong / sizeof *wrong; w++) {
			struct hv args[8];
			struct host_call call;

			host_call_begin(&call);
			for (size_t a = 0; w > 0 && a < function->max_args; a++)
				args[a] = wrong[w - 1];
			call.args = args;
			call.argc = w == 0 ? 0 : function->max_args;
			CHECK(function->fn(&call) < 0 && call.failure.err == EINVAL, "%s, wrong value %zu: %s",
			      function->name, w, why(&call));
			host_call_end(&call);
		}
	}
}

static void refuses_nul_in_paths(void)
{
	struct host_call call;

	CHECK(CALL(&call, readText, hv_str_len("/etc/hostname\0x", 15), hv_int(100)) < 0, "accepted");
	CHECK(strcmp(call.failure.subject, "path: string without NUL expected") == 0, "%s", why(&call));
	host_call_end(&call);
}

int main(void)
{
	checks_utf8();
	repairs_utf8();
	arena_keeps_things_apart();
	cuts_subjects_between_characters();
	every_function_checks_its_arguments();
	refuses_nul_in_paths();
	return checked("values");
}

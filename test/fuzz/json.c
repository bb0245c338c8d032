/*
 * Fuzzes checkJson: texts are changed at random, and whatever comes out must be either refused at a place inside the
 * text, or be such that two changes which break every JSON text break it, too.
 *
 *   json SECONDS [SEED]     prints the seed; ends with 0, or dies at the first fault
 */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 4096 };

static const char *const seeds[] = {
	"{}",
	"{\"ociVersion\":\"1.3.0\",\"process\":{\"args\":[\"sh\"],\"rlimits\":[{\"hard\":18446744073709551615}]}}",
	"{\"a\":[1,-2,3.5e-7,true,false,null,\"\\u00e9\\ud83d\\ude00\\n\"],\"b/~\":{\"c\":{\"d\":[[[[]]]]}},\"\":{}}",
	"{\"k1\":1,\"k2\":2,\"k3\":3,\"\\u006b4\":4,\"k5\":{\"k1\":1,\"k2\":[{\"k1\":1},{\"k1\":1}]}}",
	" \t\r\n{ \"\xc3\xa9\xe2\x82\xac\" : [ 9007199254740993 , -9223372036854775808 ] } \n",
};

/* Pieces that matter to the scanner. */
static const char *const pieces[] = {
	"{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "\\udc00", "\\u0000", "\\u0061", "a", "\"a\":",
	"\"a\":1,", "1", "-", "0", ".", "e+", "true", "null", "\n", "\x01", "\xff", "\xef\xbb\xbf", "9007199254740992",
	"[[[[[[[[", "]]]]]]]]", "{\"a\":{\"a\":", "}}",
};

static uint64_t state;

static uint32_t number_below(size_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) % limit);
}

/* One small change; returns the new length. */
static size_t change(char *text, size_t len)
{
	size_t at = number_below(len + 1), count;
	const char *piece = pieces[number_below(sizeof pieces / sizeof *pieces)];

	switch (number_below(5)) {
	case 0: /* another byte */
		if (at < len)
			text[at] = (char)number_below(256);
		return len;
	case 1: /* some bytes less */
		count = number_below(8);
		if (count > len - at)
			count = len - at;
		memmove(text + at, text + at + count, len - at - count);
		return len - count;
	case 2: /* a piece of itself once more */
		count = number_below(64);
		if (count > len - at)
			count = len - at;
		if (len + count > MOST)
			return len;
		memmove(text + at + count, text + at, len - at);
		return len + count;
	case 3: /* the end is missing */
		return number_below(8) == 0 ? at : len;
	default:
		count = strlen(piece);
		if (len + count > MOST)
			return len;
		memmove(text + at + count, text + at, len - at);
		memcpy(text + at, piece, count);
		return len + count;
	}
}

static void fault(const char *what, const char *text, size_t len)
{
	fprintf(stderr, "%s: %.*s\n", what, (int)len, text);
	abort();
}

/* Whether it is accepted. The text is copied to memory of exactly its size, so that reading beyond it is seen. */
static bool accepts(const char *text, size_t len)
{
	char *exact = malloc(len + 1);
	struct hv arg;
	struct host_call call;
	unsigned long line, column;
	bool accepted;

	if (exact == NULL)
		abort();
	/* no NUL behind it: the scanner goes by the length */
	memcpy(exact + 1, text, len);
	arg = hv_str_len(exact + 1, len);
	host_call_begin(&call);
	call.args = &arg;
	call.argc = 1;
	accepted = host_checkJson(&call) == 0;
	if (!accepted) {
		size_t lines = 1;

		for (size_t i = 0; i < len; i++)
			lines += text[i] == '\n';
		if (sscanf(call.failure.subject, "line %lu, column %lu: ", &line, &column) != 2 || line == 0 ||
		    line > lines || column == 0 || column > len + 1)
			fault(call.failure.subject, text, len);
	} else {
		for (size_t i = 0; i < call.result.list.count; i++) {
			const struct hv *pair = call.result.list.items[i].list.items;

			if (pair[0].str.len == 0 || pair[0].str.ptr[0] != '/' ||
			    memmem(text, len, pair[1].str.ptr, pair[1].str.len) == NULL)
				fault("a number that is not there", text, len);
		}
	}
	host_call_end(&call);
	free(exact);
	return accepted;
}

static void check(const char *text, size_t len)
{
	char other[MOST + 1];
	size_t end = len;

	if (!accepts(text, len))
		return;
	memcpy(other, text, len);
	other[len] = '}';
	if (accepts(other, len + 1))
		fault("accepted with one more }", text, len);
	/* without its last character that is no space: the closing brace */
	while (end > 0 && strchr(" \t\r\n", text[end - 1]) != NULL)
		end--;
	if (end == 0 || text[end - 1] != '}' || accepts(text, end - 1))
		fault("accepted without its end", text, len);
}

int main(int argc, char **argv)
{
	long seconds = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
	time_t end = time(NULL) + seconds;
	unsigned long runs = 0, seed = argc > 2 ? strtoul(argv[2], NULL, 0) : (unsigned long)time(NULL);

	printf("json: seed %lu\n", seed);
	state = seed * 0x9e3779b97f4a7c15u + 1;
	while (time(NULL) <= end) {
		for (int i = 0; i < 1000; i++, runs++) {
			char text[MOST + 1];
			const char *from = seeds[number_below(sizeof seeds / sizeof *seeds)];
			size_t len = strlen(from);

			memcpy(text, from, len);
			for (uint32_t changes = number_below(6); changes > 0; changes--)
				len = change(text, len);
			check(text, len);
		}
	}
	printf("json: %lu texts\n", runs);
	return 0;
}

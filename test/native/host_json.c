/* checkJson: what is accepted, what is refused and where, and which numbers are listed. */
#include "check.h"

#include <time.h>

struct refused {
	const char *text, *subject;
};

static const struct refused refusals[] = {
	{"", "line 1, column 1: object or array expected"},
	{" \n ", "line 2, column 2: object or array expected"},
	{"null", "line 1, column 1: object or array expected"},
	{"[", "line 1, column 2: text ends before a value"},
	{"[] x", "line 1, column 4: text after the value"},
	{"\"a\"", "line 1, column 1: object or array expected"},
	{"\xef\xbb\xbf{}", "line 1, column 1: byte order mark"},
	{"{} x", "line 1, column 4: text after the value"},
	{"{}{}", "line 1, column 3: text after the value"},
	{"{", "line 1, column 2: key in double quotes expected"},
	{"{\"a\"", "line 1, column 5: \":\" expected"},
	{"{\"a\":", "line 1, column 6: text ends before a value"},
	{"{\"a\":1", "line 1, column 7: text ends before \",\" or \"}\""},
	{"{\"a\":[1", "line 1, column 8: text ends before \",\" or \"]\""},
	{"{\"a\":1,}", "line 1, column 8: key in double quotes expected"},
	{"{\"a\":[1,]}", "line 1, column 9: value expected"},
	{"{\"a\":[1 2]}", "line 1, column 9: \",\" or \"]\" expected"},
	{"{\"a\" 1}", "line 1, column 6: \":\" expected"},
	{"{'a':1}", "line 1, column 2: key in double quotes expected"},
	{"{a:1}", "line 1, column 2: key in double quotes expected"},
	{"{\"a\":'b'}", "line 1, column 6: value expected"},
	{"{\"a\":tru}", "line 1, column 6: value expected"},
	{"{\"a\":truex}", "line 1, column 10: \",\" or \"}\" expected"},
	{"{\"a\":NaN}", "line 1, column 6: value expected"},
	{"{\"a\":// x\n1}", "line 1, column 6: value expected"},
	{"{\"a\":\v1}", "line 1, column 6: value expected"},
	{"{\"a\":\xc2\xa0" "1}", "line 1, column 6: value expected"},
	{"{\"a\":01}", "line 1, column 6: number with a leading zero"},
	{"{\"a\":-}", "line 1, column 6: number without digits"},
	{"{\"a\":+1}", "line 1, column 6: value expected"},
	{"{\"a\":.5}", "line 1, column 6: value expected"},
	{"{\"a\":1.}", "line 1, column 6: number without digits after the point"},
	{"{\"a\":1e}", "line 1, column 6: number without digits in the exponent"},
	{"{\"a\":1e+}", "line 1, column 6: number without digits in the exponent"},
	{"{\"a\":0x10}", "line 1, column 7: \",\" or \"}\" expected"},
	{"{\"a\":\"b", "line 1, column 6: unterminated string"},
	{"{\"a\":\"b\\", "line 1, column 8: unterminated string"},
	{"{\"a\":\"b\nc\"}", "line 1, column 8: control character in a string"},
	{"{\"a\":\"\x1f\"}", "line 1, column 7: control character in a string"},
	{"{\"a\":\"\\x41\"}", "line 1, column 7: unknown escape in a string"},
	{"{\"a\":\"\\u12g4\"}", "line 1, column 7: \\u without four hexadecimal digits"},
	{"{\"a\":\"\\u12\"}", "line 1, column 7: \\u without four hexadecimal digits"},
	{"{\"a\":\"x\\u0000\"}", "line 1, column 8: NUL character in a string"},
	{"{\"\\u0000\":1}", "line 1, column 3: NUL character in a string"},
	{"{\"a\":\"\\ud800\"}", "line 1, column 7: lone surrogate in a string"},
	{"{\"a\":\"\\udc00\"}", "line 1, column 7: lone surrogate in a string"},
	{"{\"a\":\"\\ud800\\u0041\"}", "line 1, column 7: lone surrogate in a string"},
	{"{\"a\":\"\\ud800\\ud800\"}", "line 1, column 7: lone surrogate in a string"},
	{"{\"a\":\"\\ud800x\"}", "line 1, column 7: lone surrogate in a string"},
	{"{\"a\":1,\"a\":1}", "line 1, column 8: duplicate key \"a\""},
	{"{\"\":1,\"\":1}", "line 1, column 7: duplicate key \"\""},
	{"{\"a\":1,\"\\u0061\":1}", "line 1, column 8: duplicate key \"a\""},
	{"{\"\\u00e9\":1,\"\xc3\xa9\":1}", "line 1, column 13: duplicate key \"\xc3\xa9\""},
	{"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":1}", "line 1, column 19: duplicate key \"\xf0\x9f\x98\x80\""},
	{"{\"\\n\\t\\/\\\\\":1,\"\\u000a\\u0009/\\u005c\":1}", "line 1, column 15: duplicate key \"\n\t/\\\""},
	{"{\"x\":{\"a\":1,\"b\":{\"a\":1},\"a\":2}}", "line 1, column 25: duplicate key \"a\""},
	{"{\"x\":[{\"a\":1},{\"a\":1},{\"a\":1,\"c\":2,\"c\":3}]}", "line 1, column 36: duplicate key \"c\""},
	{"{\n\t\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\": x}", "line 2, column 9: value expected"},
	{"{\r\n\r\n \"a\" }", "line 3, column 6: \":\" expected"},
};

static void refuses(void)
{
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		struct host_call call;

		CHECK(CALL(&call, checkJson, hv_str(refusals[i].text)) < 0, "accepts %s", refusals[i].text);
		CHECK(strcmp(call.failure.subject, refusals[i].subject) == 0 && call.failure.err == EINVAL &&
			      strcmp(call.failure.call, "json") == 0,
		      "%s\n  expected %s\n  found    %s", refusals[i].text, refusals[i].subject, why(&call));
		host_call_end(&call);
	}
}

static const char *const accepted[] = {
	"{}",
	"[]",
	"[{\"a\":1},{\"a\":1}]",
	" \t\r\n{ } \n",
	"{\"a\":null,\"b\":true,\"c\":false,\"d\":\"\",\"e\":[],\"f\":{},\"g\":[[],{}]}",
	"{\"a\":[0,1,-1,123456789]}",
	"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\uFFFF\\ud83d\\ude00\x7f\"}",
	"{\"a\":{\"a\":{\"a\":1},\"b\":{\"a\":1}},\"b\":{\"a\":1}}",
	"{\"A\":1,\"a\":2,\"__proto__\":3,\"constructor\":4}",
	"{\"\xe2\x80\xa8\":\"\xe2\x80\xa9\"}",
	"{\"a\":9007199254740991,\"b\":-9007199254740991}",
};

static void accepts(void)
{
	for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
		struct host_call call;

		CHECK(CALL(&call, checkJson, hv_str(accepted[i])) == 0, "%s: %s", accepted[i], why(&call));
		CHECK(call.result.kind == HV_LIST && call.result.list.count == 0, "%s: lists integers", accepted[i]);
		host_call_end(&call);
	}
}

static void lists_other_numbers(void)
{
	static const char text[] =
		"{\"a\":9007199254740992,\"b/c~d\":[0,{\"\\u0065\":-9223372036854775808}],\"\":18446744073709551615,"
		"\"x\":[[1],[2,9007199254740993]],"
		"\"y\":[-0,1.5,-1.5e10,1E+2,1e-2,0.0,1.0,1e400,12345678901234567890.5]}";
	static const char *const expected[][2] = {
		{"/a", "9007199254740992"},
		{"/b~1c~0d/1/e", "-9223372036854775808"},
		{"/", "18446744073709551615"},
		{"/x/1/1", "9007199254740993"},
		{"/y/0", "-0"},
		{"/y/1", "1.5"},
		{"/y/2", "-1.5e10"},
		{"/y/3", "1E+2"},
		{"/y/4", "1e-2"},
		{"/y/5", "0.0"},
		{"/y/6", "1.0"},
		{"/y/7", "1e400"},
		{"/y/8", "12345678901234567890.5"},
	};
	const size_t count = sizeof expected / sizeof *expected;
	struct host_call call;

	CHECK(CALL(&call, checkJson, hv_str(text)) == 0, "%s", why(&call));
	CHECK(call.result.list.count == count, "%zu numbers", call.result.list.count);
	for (size_t i = 0; i < count && i < call.result.list.count; i++) {
		const struct hv *pair = call.result.list.items[i].list.items;

		CHECK(is_text(&pair[0], expected[i][0]) && is_text(&pair[1], expected[i][1]),
		      "number %zu: %.*s is %.*s", i, (int)pair[0].str.len, pair[0].str.ptr,
		      (int)pair[1].str.len, pair[1].str.ptr);
	}
	host_call_end(&call);
}

/* {"a":{"a":...{}...}} with this many levels in all */
static void nest(char *text, int levels)
{
	*text = '\0';
	for (int i = 1; i < levels; i++)
		strcat(text, i % 2 == 0 ? "[" : "{\"a\":");
	strcat(text, levels % 2 == 0 ? "[" : "{");
	for (int i = levels; i > 0; i--)
		strcat(text, i % 2 == 0 ? "]" : "}");
}

static void limits_depth(void)
{
	struct host_call call;
	char text[1024];

	nest(text, 64);
	CHECK(CALL(&call, checkJson, hv_str(text)) == 0, "64 levels: %s", why(&call));
	host_call_end(&call);
	nest(text, 65);
	CHECK(CALL(&call, checkJson, hv_str(text)) < 0 && strstr(call.failure.subject, "nested deeper than 64 levels"),
	      "65 levels: %s", why(&call));
	host_call_end(&call);
}

/* Many keys, in one object and in many: all found different, one found twice, in linear time. */
static void finds_duplicates_among_many(void)
{
	enum { KEYS = 200000 };
	char *text = malloc((size_t)KEYS * 24 + 64), *to = text;
	struct host_call call;
	clock_t start = clock();

	if (text == NULL)
		abort();
	*to++ = '{';
	for (int i = 0; i < KEYS; i++)
		to += sprintf(to, "\"k%d\":{\"k0\":1},\n", i);
	strcpy(to, "\"last\":1}");
	CHECK(CALL(&call, checkJson, hv_str(text)) == 0, "%s", why(&call));
	host_call_end(&call);
	sprintf(to, "\"k%d\":1}", KEYS / 2);
	CHECK(CALL(&call, checkJson, hv_str(text)) < 0 && strcmp(call.failure.subject,
	      "line 200001, column 1: duplicate key \"k100000\"") == 0, "%s", why(&call));
	host_call_end(&call);
	/* quadratic would be minutes */
	CHECK(clock() - start < 10 * CLOCKS_PER_SEC, "too slow: %ld ms", (clock() - start) * 1000 / CLOCKS_PER_SEC);
	free(text);
}

static void cuts_long_keys(void)
{
	struct host_call call;
	char text[4096] = "{\"", key[1001];

	memset(key, 'k', 1000);
	key[1000] = '\0';
	sprintf(text, "{\"%s\":1,\"%s\":2}", key, key);
	CHECK(CALL(&call, checkJson, hv_str(text)) < 0, "accepted");
	CHECK(strlen(call.failure.subject) < 256 && strstr(call.failure.subject, "duplicate key \"kkk") != NULL, "%s",
	      why(&call));
	host_call_end(&call);
}

int main(void)
{
	refuses();
	accepts();
	lists_other_numbers();
	limits_depth();
	finds_duplicates_among_many();
	cuts_long_keys();
	return checked("json");
}

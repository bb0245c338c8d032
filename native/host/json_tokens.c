/* Strings and numbers of a JSON text. */
#include "json_tokens.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int json_wrong(struct json_cursor *c, const char *at, const char *what, ...)
{
	va_list args;

	c->wrong_at = at;
	va_start(args, what);
	vsnprintf(c->wrong, sizeof c->wrong, what, args);
	va_end(args);
	return -1;
}

/* ---- strings --------------------------------------------------------------------------------------------------- */

/* The four hexadecimal digits of \uXXXX, or -1. */
static int scan_unit(struct json_cursor *c)
{
	int unit = 0;

	if (c->end - c->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char digit = *c->at++;

		if (digit >= '0' && digit <= '9')
			unit = unit << 4 | (digit - '0');
		else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
			unit = unit << 4 | ((digit | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return unit;
}

/* c->at is behind the backslash. */
static int scan_escape(struct json_cursor *c)
{
	const char *start = c->at - 1;
	int unit;

	if (c->at == c->end)
		return json_wrong(c, start, "unterminated string");
	if (strchr("\"\\/bfnrt", *c->at) != NULL && *c->at != '\0') {
		c->at++;
		return 0;
	}
	if (*c->at != 'u')
		return json_wrong(c, start, "unknown escape in a string");
	c->at++;
	unit = scan_unit(c);
	if (unit < 0)
		return json_wrong(c, start, "\\u without four hexadecimal digits");
	if (unit == 0)
		return json_wrong(c, start, "NUL character in a string");
	if (unit < 0xd800 || unit > 0xdfff)
		return 0;
	/* A high surrogate, and right behind it a low one: together they are a character, alone they are none. */
	if (unit <= 0xdbff && c->end - c->at >= 6 && c->at[0] == '\\' && c->at[1] == 'u') {
		c->at += 2;
		unit = scan_unit(c);
		if (unit >= 0xdc00 && unit <= 0xdfff)
			return 0;
	}
	return json_wrong(c, start, "lone surrogate in a string");
}

int json_string(struct json_cursor *c, struct json_key *text)
{
	const char *start = c->at++;

	text->has_escapes = false;
	for (;;) {
		while (c->at < c->end && (unsigned char)*c->at >= 0x20 && *c->at != '"' && *c->at != '\\')
			c->at++;
		if (c->at == c->end)
			return json_wrong(c, start, "unterminated string");
		if (*c->at == '"')
			break;
		if (*c->at != '\\')
			return json_wrong(c, c->at, "control character in a string");
		c->at++;
		text->has_escapes = true;
		if (scan_escape(c) < 0)
			return -1;
	}
	text->ptr = start + 1;
	text->len = (size_t)(c->at - text->ptr);
	c->at++;
	return 0;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static bool is_digit(const struct json_cursor *c)
{
	return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static void skip_digits(struct json_cursor *c)
{
	while (is_digit(c))
		c->at++;
}

/* Behind the integer: a fraction, an exponent, or both. */
static int scan_fraction(struct json_cursor *c, const char *start)
{
	if (*c->at == '.') {
		c->at++;
		if (!is_digit(c))
			return json_wrong(c, start, "number without digits after the point");
		skip_digits(c);
	}
	if (c->at < c->end && (*c->at | 0x20) == 'e') {
		c->at++;
		if (c->at < c->end && (*c->at == '+' || *c->at == '-'))
			c->at++;
		if (!is_digit(c))
			return json_wrong(c, start, "number without digits in the exponent");
		skip_digits(c);
	}
	return 0;
}

int json_number(struct json_cursor *c, bool *keeps)
{
	static const char largest_exact[] = "9007199254740991"; /* 2^53 - 1 */
	const size_t exact_digits = sizeof largest_exact - 1;
	const char *start = c->at, *digits;
	size_t count;

	*keeps = false;
	if (*c->at == '-')
		c->at++;
	digits = c->at;
	if (!is_digit(c))
		return json_wrong(c, start, "number without digits");
	skip_digits(c);
	count = (size_t)(c->at - digits);
	if (*digits == '0' && count > 1)
		return json_wrong(c, start, "number with a leading zero");
	if (c->at < c->end && (*c->at == '.' || (*c->at | 0x20) == 'e'))
		return scan_fraction(c, start);
	/* JSON.parse makes the same of 1.0, 1e0 and 1, and of -0 no integer. */
	if (*start == '-' && *digits == '0')
		return 0;
	*keeps = count < exact_digits || (count == exact_digits && memcmp(digits, largest_exact, count) <= 0);
	return 0;
}

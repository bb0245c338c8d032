/*
 * The one thing init reads of the container's /etc/passwd: a home directory. The file is the image's, so it is
 * hostile.
 */
#include <string.h>

#include "init.h"

/* Decimal digits only, no overflow. Returns 1 and *id, or 0. */
static int parse_id(const char *text, size_t len, uint32_t *id)
{
	uint64_t number = 0;

	if (len == 0 || len > 10)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		number = number * 10 + (uint64_t)(text[i] - '0');
	}
	if (number >= UINT32_MAX)
		return 0;
	*id = (uint32_t)number;
	return 1;
}

/* The home in a line "name:password:uid:gid:comment:home:shell" of this uid; its length, 0 when it is another's. */
static size_t home_in_line(const char *line, size_t len, uint32_t uid, const char **home)
{
	const char *fields[7];
	size_t sizes[7];
	const char *end = line + len;
	uint32_t id;

	for (int i = 0; i < 7; i++) {
		const char *stop = i < 6 ? memchr(line, ':', (size_t)(end - line)) : end;

		if (stop == NULL)
			return 0;
		fields[i] = line;
		sizes[i] = (size_t)(stop - line);
		line = stop + 1;
	}
	if (!parse_id(fields[2], sizes[2], &id) || id != uid)
		return 0;
	*home = fields[5];
	return sizes[5];
}

size_t passwd_home(const char *text, size_t len, uint32_t uid, const char **home)
{
	const char *end = text + len;

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t line = (size_t)((stop != NULL ? stop : end) - text);
		size_t found = 0;

		if (line < 65536)
			found = home_in_line(text, line, uid, home);
		/* the first entry of the uid counts, if it is sane: absolute, of a possible length, without NUL */
		if (found > 0)
			return (*home)[0] == '/' && found < 4096 && memchr(*home, 0, found) == NULL ? found : 0;
		text += line + 1;
	}
	return 0;
}

/* Failure records and the little text building that init needs; there is no stdio in it. */
#include "init.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

int fail(struct failure *why, int err, const char *call, ...)
{
	struct text detail = text_in(why->detail, sizeof(why->detail));
	const char *part;
	va_list parts;

	why->err = err;
	why->call = call;
	va_start(parts, call);
	while ((part = va_arg(parts, const char *)) != NULL)
		text_add(&detail, part);
	va_end(parts);
	return -1;
}

const char *text_find(const char *text, const char *part)
{
	size_t len = strlen(part);

	for (; *text != 0; text++)
		if (strncmp(text, part, len) == 0)
			return text;
	return NULL;
}

struct text text_in(char *buffer, size_t size)
{
	buffer[0] = 0;
	return (struct text){buffer, size, 0};
}

void text_add_bytes(struct text *text, const char *bytes, size_t len)
{
	size_t room = text->size - 1 - text->len;

	if (len > room)
		len = room;
	memcpy(text->at + text->len, bytes, len);
	text->len += len;
	text->at[text->len] = 0;
}

void text_add(struct text *text, const char *part)
{
	text_add_bytes(text, part, strlen(part));
}

struct digits digits_of(uint64_t number)
{
	struct digits result = {{0}};
	char reversed[24];
	size_t len = 0;

	do
		reversed[len++] = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	for (size_t i = 0; i < len; i++)
		result.text[i] = reversed[len - 1 - i];
	return result;
}

void text_add_number(struct text *text, uint64_t number)
{
	struct digits digits = digits_of(number);

	text_add(text, digits.text);
}

void close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

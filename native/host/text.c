/* UTF-8: checked strictly where text comes in, repaired where foreign bytes are only shown. */
#include "host.h"

#include <string.h>

#include "text.h"

size_t text_sequence(const char *at, size_t left)
{
	const unsigned char *b = (const unsigned char *)at;
	unsigned char low = 0x80, high = 0xbf; /* range of the second byte: where overlong forms and surrogates show */
	size_t length;

	if (b[0] < 0x80)
		return 1;
	if (b[0] < 0xc2 || b[0] > 0xf4)
		return 0;
	length = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
	if (left < length)
		return 0;
	if (b[0] == 0xe0)
		low = 0xa0;
	else if (b[0] == 0xed)
		high = 0x9f;
	else if (b[0] == 0xf0)
		low = 0x90;
	else if (b[0] == 0xf4)
		high = 0x8f;
	if (b[1] < low || b[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

bool text_is_utf8(const char *text, size_t len, size_t *bad)
{
	size_t at = 0;

	while (at < len) {
		uint64_t eight;
		size_t length;

		/* Nearly all of it is ASCII: eight bytes at a time. */
		if (len - at >= sizeof eight) {
			memcpy(&eight, text + at, sizeof eight);
			if ((eight & 0x8080808080808080u) == 0) {
				at += sizeof eight;
				continue;
			}
		}
		length = text_sequence(text + at, len - at);
		if (length == 0) {
			*bad = at;
			return false;
		}
		at += length;
	}
	return true;
}

size_t text_to_utf8(char *to, size_t room, const char *from, size_t len)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t written = 0;

	for (size_t at = 0; at < len;) {
		size_t length = text_sequence(from + at, len - at);
		const char *source = length == 0 ? replacement : from + at;
		size_t bytes = length == 0 ? sizeof replacement - 1 : length;

		if (bytes > room - written)
			break;
		memcpy(to + written, source, bytes);
		written += bytes;
		at += length == 0 ? 1 : length;
	}
	return written;
}

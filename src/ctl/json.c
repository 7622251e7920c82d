#include "inside.h"

#include "base/id.h"

#include <time.h>

/* How many octets of s make its first character; 0: it does not begin with one. */
static size_t character_octets(struct span s)
{
	for (size_t n = 1; n <= 4 && n <= s.len; n++)
		if (span_is_utf8(span_first(s, n)))
			return n;
	return 0;
}

json_t *ctl_text(const char *text)
{
	struct span rest = span_text(text);
	struct buf out = { 0 };
	json_t *made;

	if (text == NULL)
		return json_null();
	if (span_is_utf8(rest))
		return json_stringn((const char *)rest.at, rest.len);
	while (rest.len) {
		size_t n = character_octets(rest);

		if (n)
			buf_put(&out, rest.at, n);
		else
			buf_put_text(&out, "\xef\xbf\xbd");
		rest = span_from(rest, n ? n : 1);
	}
	made = json_stringn((const char *)buf_span(&out).at, out.len);
	buf_fini(&out);
	return made;
}

json_t *ctl_time(int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm parts;
	char text[32];

	if (ms <= 0 || gmtime_r(&seconds, &parts) == NULL)
		return json_null();
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
	return json_string(text);
}

json_t *ctl_seconds(int64_t ms)
{
	return json_integer(ms > 0 ? ms / 1000 : 0);
}

json_t *ctl_id(uint64_t id)
{
	char text[ID_TEXT_MAX];

	id_format(id, text);
	return json_string(text);
}

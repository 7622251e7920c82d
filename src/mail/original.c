#include "original.h"

#define ID_MAX 250

struct span mail_original_header(struct span header)
{
	while (header.len && header.at[header.len - 1] != '\n')
		header.len--;
	while (header.len >= 4 && memcmp(header.at + header.len - 4, "\r\n\r\n", 4) == 0)
		header.len -= 2;
	return span_eq(header, span_text("\r\n")) ? span_first(header, 0) : header;
}

/* The first field with its folded lines, without the last line end. */
static struct span first_field(struct span header)
{
	size_t end = span_find(header, '\n');

	while (end + 1 < header.len && (header.at[end + 1] == ' ' || header.at[end + 1] == '\t'))
		end += 1 + span_find(span_from(header, end + 1), '\n');
	return span_first(header, end);
}

static bool is_blank_line(struct span field)
{
	return field.len == 0 || span_eq(field, span_text("\r"));
}

/* RFC 5322 3.6.4: no white space within, so a folded one is none. */
static struct span id_of(struct span value)
{
	struct span id = span_from(value, span_find(value, '<'));
	size_t end = span_find(id, '>');

	if (end == id.len || end < 2 || end >= ID_MAX)
		return span_first(id, 0);
	for (size_t i = 1; i < end; i++)
		if (id.at[i] <= ' ' || id.at[i] > 126 || id.at[i] == '<')
			return span_first(id, 0);
	return span_first(id, end + 1);
}

struct span mail_original_id(struct span header)
{
	while (header.len) {
		struct span field = first_field(header);
		size_t colon = span_find(field, ':');

		if (is_blank_line(field))
			break;
		if (span_ieq_text(span_trim(span_first(field, colon)), "Message-ID"))
			return id_of(span_from(field, colon + 1));
		header = span_from(header, field.len + 1);
	}
	return span_of(NULL, 0);
}

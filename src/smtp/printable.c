#include "printable.h"

void smtp_put_printable(struct span text, struct buf *out)
{
	unsigned char *at;

	if (span_is_printable(text)) {
		buf_put_span(out, text);
		return;
	}
	at = buf_room(out, text.len);
	for (size_t i = 0; i < text.len; i++)
		at[i] = text.at[i] < ' ' || text.at[i] == 127 ? '?' : text.at[i];
	buf_grew(out, text.len);
}

#include "smtp/dsn.h"

#include "smtp/path.h"

#include <errno.h>

/* notify-esmtp-value = "NEVER" / (notify-list-element *( "," notify-list-element))
 * notify-list-element = "SUCCESS" / "FAILURE" / "DELAY" (RFC 3461 4.1) */

static const struct {
	const char *word;
	unsigned flag;
} words[] = {
	{ "NEVER", SMTP_NOTIFY_NEVER },
	{ "SUCCESS", SMTP_NOTIFY_SUCCESS },
	{ "FAILURE", SMTP_NOTIFY_FAILURE },
	{ "DELAY", SMTP_NOTIFY_DELAY },
};

#define WORDS (sizeof(words) / sizeof(words[0]))

static unsigned word_flag(struct span word)
{
	for (size_t i = 0; i < WORDS; i++)
		if (span_ieq_text(word, words[i].word))
			return words[i].flag;
	return 0;
}

int smtp_notify_parse(struct span value, unsigned *out)
{
	unsigned all = 0;

	for (bool is_last = false; !is_last;) {
		size_t n = span_find(value, ',');
		unsigned flag = word_flag(span_first(value, n));

		if (flag == 0 || all & flag)
			return -EINVAL;
		all |= flag;
		is_last = n == value.len;
		value = span_from(value, n + 1);
	}
	if (all & SMTP_NOTIFY_NEVER && all != SMTP_NOTIFY_NEVER)
		return -EINVAL;
	*out = all;
	return 0;
}

void smtp_notify_format(unsigned notify, struct buf *out)
{
	const char *comma = "";

	for (size_t i = 0; i < WORDS; i++) {
		if (!(notify & words[i].flag))
			continue;
		buf_printf(out, "%s%s", comma, words[i].word);
		comma = ",";
	}
}

/* RFC 3461 4.2, 4.4: what is decoded is "composed entirely of printable (graphic and white space)
 * characters from the US-ASCII repertoire". */
static bool is_printable_xtext(struct span value)
{
	struct buf decoded = { 0 };
	bool is_good = smtp_xtext_decode(value, &decoded) == 0 && span_is_ascii(buf_span(&decoded));

	buf_fini(&decoded);
	return is_good;
}

bool smtp_envid_is_valid(struct span value)
{
	return value.len && value.len <= SMTP_ENVID_MOST && is_printable_xtext(value);
}

/* atext (RFC 5322 3.2.3). */
static bool is_atext(unsigned char c)
{
	return ascii_is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* original-recipient-address = addr-type ";" xtext, addr-type = atom (RFC 3461 4.2) */
bool smtp_orcpt_is_valid(struct span value)
{
	size_t type = 0;

	while (type < value.len && is_atext(value.at[type]))
		type++;
	if (type == 0 || type + 1 >= value.len || value.at[type] != ';')
		return false;
	return value.len <= SMTP_ORCPT_MOST && is_printable_xtext(span_from(value, type + 1));
}

#include "client_private.h"

static bool is_mechanism_octet(unsigned char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* RFC 4422 3.1: sasl-mech = 1*20 of upper case, digits, "-" and "_". */
static bool is_mechanism(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!is_mechanism_octet(name.at[i]))
			return false;
	return name.len > 0 && name.len <= 20;
}

static struct span next_word(struct span *in)
{
	struct span word;

	*in = span_trim(*in);
	word = span_first(*in, span_find(*in, ' '));
	*in = span_from(*in, word.len);
	return word;
}

static bool has_mechanism(const char *list, struct span name)
{
	struct span rest = span_text(list);

	for (struct span word = next_word(&rest); word.len; word = next_word(&rest))
		if (span_ieq(word, name))
			return true;
	return false;
}

static void add_mechanism(struct smtp_client_offers *o, struct span name)
{
	size_t len = strlen(o->mechanisms);

	if (!is_mechanism(name) || has_mechanism(o->mechanisms, name) ||
	    len + 1 + name.len >= sizeof(o->mechanisms))
		return;
	if (len)
		o->mechanisms[len++] = ' ';
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = ascii_lower(name.at[i]);

		o->mechanisms[len++] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
	}
	o->mechanisms[len] = '\0';
	o->auth = true;
}

static void take_auth(struct smtp_client_offers *o, struct span values)
{
	for (struct span word = next_word(&values); word.len; word = next_word(&values))
		add_mechanism(o, word);
}

static void take_size(struct smtp_client_offers *o, struct span values)
{
	o->size = true;
	/* 0, none and nonsense alike: no limit is told (RFC 1870 4.). */
	if (span_number(next_word(&values), &o->size_octets))
		o->size_octets = 0;
}

static void take_line(struct smtp_client_offers *o, struct span line)
{
	struct span values = line, keyword = next_word(&values);

	if (span_ieq_text(keyword, "PIPELINING"))
		o->pipelining = true;
	else if (span_ieq_text(keyword, "8BITMIME"))
		o->eightbitmime = true;
	else if (span_ieq_text(keyword, "STARTTLS"))
		o->starttls = true;
	else if (span_ieq_text(keyword, "SMTPUTF8"))
		o->smtputf8 = true;
	else if (span_ieq_text(keyword, "DSN"))
		o->dsn = true;
	else if (span_ieq_text(keyword, "CHUNKING"))
		o->chunking = true;
	else if (span_ieq_text(keyword, "SIZE"))
		take_size(o, values);
	else if (span_ieq_text(keyword, "AUTH"))
		take_auth(o, values);
	else if (span_istarts(line, "AUTH="))
		take_auth(o, span_from(line, 5)); /* as before RFC 2554 */
}

void client_offers_parse(struct span text, struct smtp_client_offers *out)
{
	/* The first line is the peer's name. */
	text = span_from(text, span_find(text, '\n') + 1);
	while (text.len) {
		size_t end = span_find(text, '\n');

		take_line(out, span_first(text, end));
		text = span_from(text, end + 1);
	}
}

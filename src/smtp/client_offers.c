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

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* The first octets of a line up to blanks, or also to "=": some put it between a keyword and its
 * value. */
static struct span next_until(struct span *in, bool ends_at_equals)
{
	struct span word;
	size_t n = 0;

	*in = span_trim(*in);
	while (n < in->len && !is_blank(in->at[n]) && !(ends_at_equals && in->at[n] == '='))
		n++;
	word = span_first(*in, n);
	*in = span_from(*in, n + (n < in->len));
	return word;
}

static struct span next_word(struct span *in)
{
	return next_until(in, false);
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

static void take_smaller(unsigned *limit, unsigned n)
{
	if (*limit == 0 || n < *limit)
		*limit = n;
}

/* RFC 9422 4.: a limit is 1 to 999999; what is none is as if it were not there. */
static void take_limit(struct smtp_client_offers *o, struct span limit)
{
	struct span name = next_until(&limit, true);
	uint64_t n;

	if (span_number(limit, &n) || n == 0 || n > 999999)
		return;
	if (span_ieq_text(name, "MAILMAX"))
		take_smaller(&o->mail_most, (unsigned)n);
	else if (span_ieq_text(name, "RCPTMAX"))
		take_smaller(&o->rcpt_most, (unsigned)n);
	else if (span_ieq_text(name, "RCPTDOMAINMAX"))
		take_smaller(&o->rcpt_domains_most, (unsigned)n);
}

static void take_limits(struct smtp_client_offers *o, struct span values)
{
	for (struct span word = next_word(&values); word.len; word = next_word(&values))
		take_limit(o, word);
}

/* Keywords that stand for themselves. */
static const struct {
	const char *keyword;
	size_t place;
} flags[] = {
	{ "PIPELINING", offsetof(struct smtp_client_offers, pipelining) },
	{ "8BITMIME", offsetof(struct smtp_client_offers, eightbitmime) },
	{ "STARTTLS", offsetof(struct smtp_client_offers, starttls) },
	{ "SMTPUTF8", offsetof(struct smtp_client_offers, smtputf8) },
	{ "DSN", offsetof(struct smtp_client_offers, dsn) },
	{ "CHUNKING", offsetof(struct smtp_client_offers, chunking) },
	{ "BINARYMIME", offsetof(struct smtp_client_offers, binarymime) },
	{ "REQUIRETLS", offsetof(struct smtp_client_offers, require_tls) },
};

static void take_flag(struct smtp_client_offers *o, struct span keyword)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (span_ieq_text(keyword, flags[i].keyword))
			*(bool *)((char *)o + flags[i].place) = true;
}

static void take_line(struct smtp_client_offers *o, struct span line)
{
	/* "AUTH=LOGIN" as before RFC 2554, and "SIZE=1000" in the same manner. */
	struct span values = line, keyword = next_until(&values, true);

	if (span_ieq_text(keyword, "SIZE"))
		take_size(o, values);
	else if (span_ieq_text(keyword, "AUTH"))
		take_auth(o, values);
	else if (span_ieq_text(keyword, "LIMITS"))
		take_limits(o, values);
	else
		take_flag(o, keyword);
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

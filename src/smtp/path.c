#include "smtp/path.h"

#include "domain.h"

#include <errno.h>

/* Reverse-path   = Path / "<>"
 * Forward-path   = Path / "<Postmaster>"
 * Path           = "<" [ A-d-l ":" ] Mailbox ">"
 * A-d-l          = At-domain *( "," At-domain ) ; At-domain = "@" Domain
 * Mailbox        = Local-part "@" ( Domain / address-literal )
 * Local-part     = Dot-string / Quoted-string
 * Dot-string     = Atom *("."  Atom)
 * Quoted-string  = DQUOTE *QcontentSMTP DQUOTE
 *
 * with UTF-8 beyond ASCII in atoms, quoted strings and labels (RFC 6531 section 3.3). */

enum {
	LOCAL_MOST = 64,   /* RFC 5321 4.5.3.1.1 */
	DOMAIN_MOST = 255, /* 4.5.3.1.2 */
	PATH_MOST = 256,   /* 4.5.3.1.3, with its punctuation */
};

#define TEXT(t)                                                                                    \
	{                                                                                          \
		(const unsigned char *)(t), sizeof(t) - 1                                          \
	}

static const struct span no_address = TEXT("No address here; write <name@example.com>");
static const struct span no_end = TEXT("The address has no > at its end; write <name@example.com>");
static const struct span junk =
	TEXT("Something stands behind the address; write <name@example.com>");
static const struct span bad_route = TEXT("The source route is malformed; leave it out");
static const struct span bad_local =
	TEXT("The part before the @ is malformed; put it in quotes if it holds spaces or commas");
static const struct span long_local =
	TEXT("The part before the @ is over 64 octets; check the address");
static const struct span no_domain = TEXT("The address has no domain; write <name@example.com>");
static const struct span bad_domain = TEXT("The part behind the @ is no domain; check the address");
static const struct span long_path = TEXT("The address is over 256 octets; check it");
static const struct span bad_utf8 = TEXT("The address is not well-formed UTF-8; check it");
static const struct span null_path =
	TEXT("An empty address cannot receive; write <name@example.com>");

static int fail(struct smtp_reply *why, enum smtp_path_kind kind, struct span text)
{
	uint16_t detail = kind == SMTP_PATH_REVERSE ? 7 : 3;

	*why = (struct smtp_reply){ 501, { 5, 1, detail }, text };
	return -EINVAL;
}

static const bool is_atext[256] = {
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, [128 ... 255] = true,
	['!'] = true,	      ['#'] = true,	    ['$'] = true,	  ['%'] = true,
	['&'] = true,	      ['\''] = true,	    ['*'] = true,	  ['+'] = true,
	['-'] = true,	      ['/'] = true,	    ['='] = true,	  ['?'] = true,
	['^'] = true,	      ['_'] = true,	    ['`'] = true,	  ['{'] = true,
	['|'] = true,	      ['}'] = true,	    ['~'] = true,
};

/* The octets of a Dot-string at the front; 0 when there is none. */
static size_t dot_string_length(struct span in)
{
	size_t n = 0;

	for (;;) {
		size_t atom = n;

		while (n < in.len && is_atext[in.at[n]])
			n++;
		if (n == atom)
			return 0;
		if (n == in.len || in.at[n] != '.')
			return n;
		n++;
	}
}

/* qtextSMTP = %d32-33 / %d35-91 / %d93-126 ; quoted-pairSMTP = %d92 %d32-126 */
static size_t quoted_string_length(struct span in)
{
	for (size_t n = 1; n < in.len; n++) {
		if (in.at[n] == '"')
			return n + 1;
		if (in.at[n] == '\\') {
			if (++n == in.len || in.at[n] < ' ' || in.at[n] > 126)
				return 0;
		} else if (in.at[n] < ' ' || in.at[n] == 127) {
			return 0;
		}
	}
	return 0;
}

static size_t local_length(struct span in)
{
	return in.len && in.at[0] == '"' ? quoted_string_length(in) : dot_string_length(in);
}

/* A-d-l ":" at the front, left out of *in. */
static int skip_source_route(struct span *in, struct smtp_path *out)
{
	while (in->len && in->at[0] == '@') {
		size_t n = smtp_domain_length(span_from(*in, 1));

		if (n == 0 || n + 1 >= in->len)
			return -EINVAL;
		out->has_source_route = true;
		*in = span_from(*in, n + 1);
		if (in->at[0] == ':') {
			*in = span_from(*in, 1);
			return 0;
		}
		if (in->at[0] != ',' || in->len == 1 || in->at[1] != '@')
			return -EINVAL;
		*in = span_from(*in, 1);
	}
	return 0;
}

/* How far the path at the front can reach: to the ">" outside quotes, or to the next space. */
static size_t reach(struct span in, bool is_bracketed)
{
	size_t end = span_find(in, is_bracketed ? '>' : ' ');
	bool is_quoted = false;

	if (span_find(span_first(in, end), '"') == end)
		return end;
	for (size_t n = 0; n < in.len; n++) {
		unsigned char c = in.at[n];

		if (is_quoted && c == '\\')
			n++;
		else if (c == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && (is_bracketed ? c == '>' : c == ' '))
			return n;
	}
	return in.len;
}

static int parse_domain(struct span in, enum smtp_path_kind kind, struct smtp_path *out,
			struct smtp_reply *why)
{
	size_t n = in.len && in.at[0] == '[' ? smtp_literal_length(in) : smtp_domain_length(in);

	if (in.len == 0)
		return fail(why, kind, no_domain);
	if (n != in.len || n > DOMAIN_MOST)
		return fail(why, kind, bad_domain);
	out->domain = in;
	return 0;
}

/* All of `in` is what stands between the angle brackets. */
static int parse_mailbox(struct span in, enum smtp_path_kind kind, struct smtp_path *out,
			 struct smtp_reply *why)
{
	size_t n;

	if (skip_source_route(&in, out) < 0)
		return fail(why, kind, bad_route);
	out->mailbox = in;
	out->is_utf8 = !span_is_ascii(in);
	if (out->is_utf8 && !span_is_utf8(in))
		return fail(why, kind, bad_utf8);
	n = local_length(in);
	if (n == 0 || (n < in.len && in.at[n] != '@'))
		return fail(why, kind, bad_local);
	if (n > LOCAL_MOST)
		return fail(why, kind, long_local);
	out->local = span_first(in, n);
	if (n < in.len)
		return parse_domain(span_from(in, n + 1), kind, out, why);
	/* RFC 5321 4.5.1: "Any system that includes an SMTP server supporting mail relaying or
	 * delivery MUST support the reserved mailbox "postmaster"". */
	if (kind == SMTP_PATH_REVERSE || !span_ieq_text(in, "postmaster"))
		return fail(why, kind, no_domain);
	return 0;
}

int smtp_path_parse(struct span *in, enum smtp_path_kind kind, struct smtp_path *out,
		    struct smtp_reply *why)
{
	struct span rest = *in, inner;
	bool is_bracketed;

	*out = (struct smtp_path){ 0 };
	while (rest.len && rest.at[0] == ' ')
		rest = span_from(rest, 1);
	is_bracketed = rest.len && rest.at[0] == '<';
	if (is_bracketed)
		rest = span_from(rest, 1);
	inner = span_first(rest, reach(rest, is_bracketed));
	rest = span_from(rest, inner.len);
	if (is_bracketed && rest.len == 0)
		return fail(why, kind, no_end);
	if (is_bracketed)
		rest = span_from(rest, 1);
	if (rest.len && rest.at[0] != ' ')
		return fail(why, kind, junk);
	if (inner.len == 0 && !(is_bracketed && kind == SMTP_PATH_REVERSE))
		return fail(why, kind, is_bracketed ? null_path : no_address);
	if (inner.len && parse_mailbox(inner, kind, out, why) < 0)
		return -EINVAL;
	if (inner.len + 2 > PATH_MOST)
		return fail(why, kind, long_path);
	*in = rest;
	return 0;
}

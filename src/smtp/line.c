#include "line.h"

#include "base/require.h"
#include "run.h"

enum {
	ENDLESS_OCTETS = 1 << 20,
	AUTH_OCTETS = 26, /* "AUTH ", a mechanism (RFC 4422 3.1) and a space */
};

void line_reset(struct line *l)
{
	buf_wipe(&l->part);
	*l = (struct line){ 0 };
}

void line_release(struct line *l)
{
	if (!l->is_taken)
		return;
	if (l->is_secret)
		buf_wipe(&l->part);
	else
		buf_clear(&l->part);
	l->is_taken = l->is_secret = false;
}

/* How many octets from the front belong to the line; *kind is MORE when it goes on behind them. */
static size_t scan(struct line *l, struct span in, enum line_kind *kind)
{
	bool is_behind_cr = l->is_behind_cr;

	*kind = LINE_MORE;
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c;

		if (!is_behind_cr)
			i += smtp_plain_length(span_from(in, i));
		if (i == in.len)
			break;
		c = in.at[i];
		if (c == '\n' && is_behind_cr) {
			*kind = LINE_WHOLE;
			l->is_behind_cr = false;
			return i + 1;
		}
		if (c == '\n' || c == 0 || is_behind_cr) {
			*kind = LINE_BAD;
			return i;
		}
		is_behind_cr = c == '\r';
	}
	l->is_behind_cr = is_behind_cr;
	return in.len;
}

enum { VERB_OCTETS = 5 };

/* The first octets of the line, of which `in` is what has come last. */
static struct span front_of(const struct line *l, struct span in, unsigned char room[VERB_OCTETS])
{
	size_t held = l->part.len < VERB_OCTETS ? l->part.len : VERB_OCTETS;

	in = span_first(in, VERB_OCTETS - held);
	if (held == 0)
		return in;
	memcpy(room, buf_span(&l->part).at, held);
	memcpy(room + held, in.at, in.len);
	return span_of(room, held + in.len);
}

static bool is_over(struct line *l, const struct line_limits *limits, struct span in)
{
	unsigned char room[VERB_OCTETS];
	struct span front = front_of(l, in, room);
	size_t most = limits->command;

	if (l->is_long)
		return true;
	l->is_auth = limits->is_response || span_istarts(front, "AUTH ");
	l->is_chunk = !limits->is_response && span_istarts(front, "BDAT ");
	if (l->is_auth)
		most = limits->auth + (limits->is_response ? 0 : AUTH_OCTETS);
	return l->part.len + in.len > most;
}

static enum line_kind swallow(struct line *l, size_t octets, enum line_kind kind)
{
	l->swallowed += l->part.len + octets;
	buf_wipe(&l->part);
	l->is_long = kind == LINE_MORE;
	if (l->swallowed > ENDLESS_OCTETS)
		return LINE_ENDLESS;
	if (kind != LINE_WHOLE)
		return kind;
	l->swallowed = 0;
	return LINE_LONG;
}

static enum line_kind give_text(struct line *l, struct span text, struct span *out)
{
	text.len -= 2;
	l->text = text;
	*out = text;
	return LINE_WHOLE;
}

enum line_kind line_take(struct line *l, const struct line_limits *limits, struct span *in,
			 struct span *out)
{
	enum line_kind kind;
	struct span taken;

	require(!l->is_taken);
	l->before = *in;
	l->is_secret |= limits->is_response;
	if (l->is_kept) {
		l->is_kept = false;
		l->is_taken = true;
		return give_text(l, buf_span(&l->part), out);
	}
	if (in->len == 0)
		return LINE_MORE;
	taken = span_first(*in, scan(l, *in, &kind));
	*in = span_of(in->at + taken.len, in->len - taken.len);
	if (kind == LINE_BAD)
		return kind;
	if (is_over(l, limits, taken))
		return swallow(l, taken.len, kind);
	l->is_secret |= l->is_auth;
	if (kind == LINE_WHOLE && l->part.len == 0)
		return give_text(l, taken, out);
	buf_put_span(&l->part, taken);
	if (kind == LINE_MORE)
		return kind;
	l->is_taken = true;
	return give_text(l, buf_span(&l->part), out);
}

void line_give_back(struct line *l, struct span *in)
{
	if (l->is_taken) {
		l->is_taken = false;
		l->is_kept = true;
	} else {
		*in = l->before;
	}
}

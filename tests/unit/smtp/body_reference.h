/* body_reference.h: the content's rules again, in the dullest way, to hold the decoder against.
 *
 * One octet at a time, five states, no runs and no borrowed octets.
 */
#pragma once

#include "base/buf.h"

struct body_reference {
	enum { REF_START, REF_TEXT, REF_CR, REF_DOT, REF_DOT_CR } state;
	bool is_chunked; /* no dots, and no end within */
	bool refuse_bare_lf, is_bad, is_ended;
	struct buf content; /* up to what is bad */
};

static inline void body_reference_put(struct body_reference *r, const char *octets, size_t n)
{
	if (!r->is_bad)
		buf_put(&r->content, octets, n);
}

static inline void body_reference_step(struct body_reference *r, unsigned char c)
{
	bool is_behind_cr = r->state == REF_CR || r->state == REF_DOT_CR;
	char octet = (char)c;

	if (r->state == REF_DOT_CR && c == '\n') {
		r->is_ended = true;
	} else if (r->state == REF_CR && c == '\n') {
		body_reference_put(r, "\r\n", 2);
		r->state = REF_START;
	} else {
		r->is_bad |= is_behind_cr || c == 0 || (c == '\n' && r->refuse_bare_lf);
		if (c == '\r') {
			r->state = r->state == REF_DOT ? REF_DOT_CR : REF_CR;
		} else if (c == '.' && r->state == REF_START && !r->is_chunked) {
			r->state = REF_DOT;
		} else {
			body_reference_put(r, c == '\n' ? "\r\n" : &octet, c == '\n' ? 2 : 1);
			r->state = REF_TEXT;
		}
	}
}

/* The end of chunked content. */
static inline void body_reference_end(struct body_reference *r)
{
	r->is_bad |= r->state == REF_CR;
}

/* Returns how many octets were used up. */
static inline size_t body_reference_run(struct body_reference *r, struct span in)
{
	size_t n = 0;

	while (n < in.len && !r->is_ended)
		body_reference_step(r, in.at[n++]);
	return n;
}

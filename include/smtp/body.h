/* smtp/body.h: the octets between 354 and CRLF.CRLF, both ways.
 *
 * Source   RFC 5321 4.1.1.4, 4.5.2. Only CRLF ends a line and only CRLF.CRLF ends the data; what a
 *          bare CR, a bare LF or a NUL means is decided here and nowhere else.
 */
#pragma once

#include "base/buf.h"

/* In: dot-unstuffing, the end of data, and lone line ends. */
struct smtp_body_decoder {
	int state;	     /* private; 0 is the start of a line */
	bool refuse_bare_lf; /* else a bare LF becomes CRLF */
	bool has_bare_cr, has_bare_lf, has_nul;
	bool has_dot_lines;  /* private: a line begins with a dot, or may */
	bool is_dotless;     /* behind END: SMTP_FORM_DOTLESS (smtp/content.h). Never of chunks */
	bool has_long_lines; /* a line above SMTP_LINE_MOST (smtp/content.h), after changes */
	size_t line;	     /* private: octets of the line under way */
	uint64_t octets;     /* content so far, after changes */
};

enum smtp_body_step {
	SMTP_BODY_MORE,	 /* the input is used up */
	SMTP_BODY_CHUNK, /* *out is content: call again */
	SMTP_BODY_END,	 /* CRLF.CRLF: the input is used up to its end */
};

/* Takes octets from the front of *in. *out points into *in's octets or at a constant, and lives
 * as long as those do. The final CRLF before the dot belongs to the content. Once
 * the content is bad there are no more chunks, but END still comes. */
enum smtp_body_step smtp_body_decode(struct smtp_body_decoder *d, struct span *in,
				     struct span *out);
/* The content so far must not be accepted: a bare CR, a NUL, or a bare LF where refused. The end is
 * still searched for, so that the client reads its reply. */
bool smtp_body_is_bad(const struct smtp_body_decoder *d);

/* The same for content that comes in counted chunks (BDAT): no dots, and its end is known from
 * outside. Takes octets from the front of *in, all of which belong to the content; MORE or CHUNK. A
 * line end may stand across two chunks. end(): the content is complete; what a lone CR at its end
 * means is judged then. */
enum smtp_body_step smtp_chunk_decode(struct smtp_body_decoder *d, struct span *in,
				      struct span *out);
void smtp_chunk_decode_end(struct smtp_body_decoder *d);

/* Out: dot-stuffing. The content has CRLF line ends only (the spool holds nothing else); should it
 * be otherwise, what goes out is clean all the same: a CR or LF alone becomes CRLF, a NUL nothing.
 * With is_dotless all of that is left out: the content goes as it is given, and a dot alone in a line
 * would end it, so that the rest is taken for commands. */
struct smtp_body_encoder {
	int state;	 /* private; 0 is the start of a line */
	bool is_dotless; /* the content has SMTP_FORM_DOTLESS (smtp/content.h) */
};

void smtp_body_encode(struct smtp_body_encoder *e, struct span content, struct buf *out);
/* The same, without a copy of what goes out as it stands: takes octets from the front of *content, and what
 * they become is *out and behind it the span that is returned, which is empty or SMTP_BODY_RUN long at
 * least, and points into the content. Call again until *content is empty. */
struct span smtp_body_pass(struct smtp_body_encoder *e, struct span *content, struct buf *out);
enum { SMTP_BODY_RUN = 2048 }; /* below, a copy is cheaper than another write */
/* Appends what ends the data: ".CRLF", with a CRLF before it when the last line has none. */
void smtp_body_encode_end(struct smtp_body_encoder *e, struct buf *out);

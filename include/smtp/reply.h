/* smtp/reply.h: replies, as we give them and as a peer gives them.
 *
 * Shape    struct smtp_reply is what a handler answers with; smtp_reply_format() makes its octets;
 *          struct smtp_reply_parser takes a peer's reply apart
 * Owns     text is borrowed: for constants and for the length of one call
 * Source   RFC 5321 4.2, RFC 2034, RFC 3463, RFC 5248
 */
#pragma once

#include "base/buf.h"

/* class.subject.detail; all 0: none is sent. */
struct smtp_status {
	uint8_t class;
	uint16_t subject, detail;
};

struct smtp_reply {
	int code; /* 200 to 599 */
	struct smtp_status status;
	struct span text; /* one line, without CR and LF; other controls become '?' */
};

#define SMTP_REPLY(c, x, y, z, t)                                                                  \
	(struct smtp_reply){ (c), { (x), (y), (z) }, { (const unsigned char *)(t), sizeof(t) - 1 } }

/* One line of at most 512 octets with CRLF (RFC 5321 4.5.3.1.5); longer text is cut at a character.
 * `suffix`, where not empty, is never cut: " (ref 0123)" stands at the end whatever the text. */
void smtp_reply_format(const struct smtp_reply *reply, struct span suffix, struct buf *out);

/* "5.7.1" at the start of text; true and the rest after the space when it is one, with the class of
 * `code`. */
bool smtp_status_parse(struct span text, int code, struct smtp_status *out, struct span *rest);

/* A peer's reply, of one line or many, in parts as they come. A line may end in LF alone. Lines whose
 * codes differ, a NUL, or a code outside 200 to 599 make no reply. A zeroed one is ready. */
struct smtp_reply_parser {
	int code;
	bool is_done;
	size_t octets, lines;
	struct buf line; /* the line that is not complete yet */
	struct buf text; /* all lines after the code, joined by LF */
};

enum smtp_parse {
	SMTP_PARSE_MORE, /* all of the input is used up; the reply goes on */
	SMTP_PARSE_DONE, /* code and text are whole; the input is used up to the reply's end */
	SMTP_PARSE_BAD,	 /* not a reply, or over a cap: 1,000 octets a line, 100,000 a reply */
};

void smtp_reply_parser_reset(struct smtp_reply_parser *p);
void smtp_reply_parser_fini(struct smtp_reply_parser *p);
/* Takes octets from the front of *in. After DONE: reset before the next reply. */
enum smtp_parse smtp_reply_parse(struct smtp_reply_parser *p, struct span *in);

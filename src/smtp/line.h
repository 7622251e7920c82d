/* smtp/line.h: command lines out of octets that come in any pieces.
 *
 * Shape    line_take() -> whole line, line_give_back() when it must wait, line_release() when done
 * Owns     at most the limit in octets, of a line that came in parts
 * Source   RFC 5321 2.3.8: "the only valid line terminator is CRLF", and neither octet alone
 */
#pragma once

#include "base/buf.h"

enum line_kind {
	LINE_MORE,    /* all input is used up */
	LINE_WHOLE,   /* *out is the line without CRLF; lives until line_release() */
	LINE_LONG,    /* it was over the limit and is swallowed to its end */
	LINE_ENDLESS, /* it was over the limit and does not end */
	LINE_BAD,     /* a bare CR, a bare LF or a NUL */
};

struct line_limits {
	size_t command, auth; /* with CRLF; `auth` of what stands behind AUTH and its mechanism */
	bool is_response;     /* within AUTH: `auth` holds whatever the line begins with */
};

struct line {
	struct buf part;    /* what came in earlier feeds */
	struct span text;   /* of the line taken */
	struct span before; /* the input before it was taken */
	bool is_kept;	    /* the line in `part` is whole and was given back */
	bool is_taken;	    /* the line taken lies in `part` */
	bool is_secret;	    /* wipe instead of clear */
	bool is_behind_cr;  /* the last octet of an earlier feed was a CR */
	bool is_long;
	bool is_auth, is_chunk; /* what is swallowed began with AUTH, with BDAT */
	size_t swallowed;
};

enum line_kind line_take(struct line *l, const struct line_limits *limits, struct span *in,
			 struct span *out);
/* The line just taken was not used: the next line_take() gives it again. */
void line_give_back(struct line *l, struct span *in);
/* The text of the line taken is not needed any more. */
void line_release(struct line *l);
void line_reset(struct line *l);

/* mail/walk_private.h: what the files of the walk share.
 *
 * walk.c        parts begin and end, delimiters, the whole
 * walk_head.c   header sections
 * walk_body.c   bodies, in which delimiters are looked for
 */
#pragma once

#include "walk.h"

enum {
	WALK_LEVELS = MAIL_NESTING_MOST + 1,
	WALK_LINE_MOST = SMTP_LINE_MOST + 2, /* with its CRLF */
};

enum walk_state {
	WALK_HEADER,
	WALK_BODY,
	WALK_REST, /* behind MAIL_PARTS_MOST parts */
};

struct walk_level {
	unsigned part;
	struct buf boundary; /* empty: no delimiters, or the last of them has come */
	bool is_digest;
};

struct mail_walk {
	const struct mail_walk_calls *calls;
	void *user;
	enum walk_state state;
	struct walk_level levels[WALK_LEVELS];
	unsigned depth; /* levels in use; the last is where we are */
	unsigned parts; /* begun so far */
	unsigned open;	/* levels with a boundary */

	/* In WALK_HEADER */
	struct mail_head head;
	struct buf line;     /* that has no end yet */
	struct buf field;    /* whole lines of the last field, or of its last piece */
	struct buf boundary; /* that the Content-Type named */
	bool has_field;	     /* `field` may be continued */
	bool is_piece;	     /* and pieces of it were handed on */
	bool is_cut;	     /* the start of this line was handed on already */
	bool is_first;	     /* no line of this header section has come yet */
	bool is_headless;    /* there is none, and its first line is the body's */
	bool is_message;     /* it is one of a message, as against a part of a multipart */

	/* In WALK_BODY */
	struct buf held; /* what may be a delimiter, with the CRLF in front of it */
	bool at_line;	 /* the body, or what is behind a delimiter, begins: no CRLF in front */
};

/* walk.c */
void walk_begin_part(struct mail_walk *w, bool is_message);
/* The delimiters of a level from here on; empty: there are none. */
void walk_set_boundary(struct mail_walk *w, struct walk_level *level, struct span boundary);
/* line: without its CRLF. The level that it is of, or NULL. */
struct walk_level *walk_find_delimiter(struct mail_walk *w, struct span line, bool *closes_out);
/* whole: with the line ends that are its own. */
void walk_pass_delimiter(struct mail_walk *w, struct walk_level *level, bool closes,
			 struct span whole);
/* Where we are. */
struct walk_level *walk_here(struct mail_walk *w);
bool walk_ends_line(struct span s);

/* walk_head.c */
/* Takes some octets from the front of *in; the state may be another then. */
void walk_feed_head(struct mail_walk *w, struct span *in);
/* The content ends: first what is held of a line, then of a field. */
void walk_end_line(struct mail_walk *w);
void walk_end_head(struct mail_walk *w);

/* walk_body.c */
/* Also takes some, or decides on what is held. */
void walk_feed_body(struct mail_walk *w, struct span *in);
/* The content ends: what is held may be a delimiter. */
void walk_end_body(struct mail_walk *w);

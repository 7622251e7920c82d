/* mail/words.h: the value of a header field, written anew with its words as they are, but for those that
 * cannot stay.
 *
 * Shape    mail_words_start() -> mail_words_put(), mail_words_mark()... -> mail_words_end()
 * Source   RFC 2047 5. (where encoded words stand, and that white space between two of them is not
 *          shown), 2. (76 columns); RFC 5322 2.1.1; RFC 1428 3. (unknown-8bit)
 *
 * Unfolded and decoded the field says what it said before. A gap is the white space in front of a word
 * or mark; lines are folded there.
 */
#pragma once

#include "base/buf.h"

struct mail_words {
	struct buf *out;
	bool is_ascii; /* what is beyond ASCII becomes encoded words */
	bool is_text;  /* unstructured: what is too long for a line becomes encoded words too */

	/* private */
	size_t column;
	struct buf run, run_gap; /* words that become encoded ones, and what stood before them */
	bool has_run;
	bool is_after_word;	   /* an encoded word came last, */
	bool is_after_run;	   /* one of ours: no mark may touch it */
	struct buf unit, unit_gap; /* what stands in one line, and the gap before it */
	bool in_angle, may_fold, may_fold_unit;
	unsigned char after; /* the octet that came last; 0: none yet */
};

/* Behind `start`: the field's name with its colon, or empty where the field was begun before. */
void mail_words_start(struct mail_words *w, struct buf *out, struct span start, bool is_ascii,
		      bool is_text);
/* word: as it stands, without white space but in quotes. text: what is to be encoded if that is needed. */
void mail_words_put(struct mail_words *w, struct span gap, struct span word, struct span text);
/* One of the octets that structure a field. */
void mail_words_mark(struct mail_words *w, struct span gap, unsigned char mark);
/* Appends the CRLF; nothing where nothing was written. */
void mail_words_end(struct mail_words *w);

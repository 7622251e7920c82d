/* mail/fold.h: one header field, word by word, folded before it gets too long.
 *
 * Shape    fold_start("Received:") -> fold_word()... -> fold_end()
 * Units    columns as a reader counts them; a tab that begins a folded line counts 8
 * Source   RFC 5322 2.1.1 (78 where possible, 998 always), 2.2.3
 */
#pragma once

#include "base/buf.h"

struct mail_fold {
	struct buf *out;
	size_t column;
	size_t word;	/* private: where the open word begins in *out */
	bool is_broken; /* the next word begins a line */
	/* Set after the start, for a text that is shown as it is: folded lines begin with a space,
	 * since unfolding keeps what they begin with. */
	bool is_text;
};

void mail_fold_start(struct mail_fold *f, struct buf *out, const char *name_and_colon);
/* A space or a fold, then the word. Words hold neither spaces nor line ends; one of more than 900
 * octets is broken up. Nothing happens for an empty one. */
void mail_fold_word(struct mail_fold *f, struct span word);
/* The same for a word that is appended to *out between the two. */
void mail_fold_open(struct mail_fold *f);
void mail_fold_close(struct mail_fold *f);
static inline size_t mail_fold_open_octets(const struct mail_fold *f)
{
	return f->out->len - f->word;
}
/* All words of a text. */
void mail_fold_words(struct mail_fold *f, struct span text);
/* The next word begins a line. */
void mail_fold_break(struct mail_fold *f);
void mail_fold_end(struct mail_fold *f);

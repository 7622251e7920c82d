#include "fold.h"

#include "text.h"

#define COLUMNS 78
#define WORD_MAX 900
#define TAB 8

void mail_fold_start(struct mail_fold *f, struct buf *out, const char *name_and_colon)
{
	*f = (struct mail_fold){ .out = out, .column = strlen(name_and_colon) };
	buf_put_text(out, name_and_colon);
}

void mail_fold_break(struct mail_fold *f)
{
	f->is_broken = true;
}

/* What stands between a word and that before it. */
static struct span gap_before(struct mail_fold *f, size_t octets)
{
	bool is_folded = f->is_broken || f->column + 1 + octets > COLUMNS;

	f->is_broken = false;
	if (!is_folded) {
		f->column += 1 + octets;
		return span_text(" ");
	}
	f->column = (f->is_text ? 1 : TAB) + octets;
	return span_text(f->is_text ? "\r\n " : "\r\n\t");
}

void mail_fold_word(struct mail_fold *f, struct span word)
{
	while (word.len) {
		struct span part = mail_text_first(word, WORD_MAX);

		buf_put_span(f->out, gap_before(f, part.len));
		buf_put_span(f->out, part);
		word = span_from(word, part.len);
	}
}

void mail_fold_open(struct mail_fold *f)
{
	f->word = f->out->len;
}

/* The word moves to make room for the gap before it. */
void mail_fold_close(struct mail_fold *f)
{
	struct buf rest = { 0 };
	struct span part, gap;
	unsigned char *at;

	if (mail_fold_open_octets(f) > WORD_MAX) {
		part = mail_text_first(span_from(buf_span(f->out), f->word), WORD_MAX);
		buf_put_span(&rest, span_from(buf_span(f->out), f->word + part.len));
		f->out->len = f->word + part.len;
	}
	part = span_from(buf_span(f->out), f->word);
	if (part.len) {
		gap = gap_before(f, part.len);
		buf_put_span(f->out, gap);
		at = f->out->at + f->out->from + f->word;
		memmove(at + gap.len, at, part.len);
		memcpy(at, gap.at, gap.len);
	}
	mail_fold_word(f, buf_span(&rest));
	buf_fini(&rest);
}

void mail_fold_words(struct mail_fold *f, struct span text)
{
	while (text.len) {
		size_t end = span_find(text, ' ');

		mail_fold_word(f, span_first(text, end));
		text = span_from(text, end + 1);
	}
}

void mail_fold_end(struct mail_fold *f)
{
	buf_put_text(f->out, "\r\n");
}

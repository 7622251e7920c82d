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

static void put_part(struct mail_fold *f, struct span part)
{
	if (f->is_broken || f->column + 1 + part.len > COLUMNS) {
		buf_put_text(f->out, f->is_text ? "\r\n " : "\r\n\t");
		f->column = f->is_text ? 1 : TAB;
	} else {
		buf_put_char(f->out, ' ');
		f->column++;
	}
	buf_put_span(f->out, part);
	f->column += part.len;
	f->is_broken = false;
}

void mail_fold_word(struct mail_fold *f, struct span word)
{
	while (word.len) {
		struct span part = mail_text_first(word, WORD_MAX);

		put_part(f, part);
		word = span_from(word, part.len);
	}
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

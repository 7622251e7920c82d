#include "words.h"

#include "encoded.h"

enum {
	COLUMNS = 76,
	GAP_MOST = 60,
	LINE_MOST = 990, /* of 998: a mark may follow */
};

void mail_words_start(struct mail_words *w, struct buf *out, struct span start, bool is_ascii,
		      bool is_text)
{
	*w = (struct mail_words){
		.out = out, .is_ascii = is_ascii, .is_text = is_text, .column = start.len
	};
	buf_put_span(out, start);
}

/* Folded lines consist of white space alone only where there is too much of it. */
static struct span fit_gap(struct span gap)
{
	return gap.len > GAP_MOST ? span_text(" ") : gap;
}

/* What has no blanks to be folded at is cut. */
static void put_octets(struct mail_words *w, struct span octets)
{
	while (octets.len) {
		size_t room = w->column < LINE_MOST ? LINE_MOST - w->column : 0;
		struct span part = span_first(octets, room);

		if (part.len == 0) {
			buf_put_text(w->out, "\r\n ");
			w->column = 1;
			continue;
		}
		buf_put_span(w->out, part);
		w->column += part.len;
		octets = span_from(octets, part.len);
	}
}

static void put_unit(struct mail_words *w)
{
	struct span gap = buf_span(&w->unit_gap), unit = buf_span(&w->unit);
	bool is_too_long = w->column + gap.len + unit.len > COLUMNS;

	if (unit.len == 0)
		return;
	/* Folding makes a blank where there was none; and a line that goes on begins with one. */
	if (gap.len == 0 && (w->column == 0 || (w->may_fold_unit && is_too_long)))
		gap = span_text(" ");
	if (gap.len && w->column && is_too_long) {
		buf_put_text(w->out, "\r\n");
		w->column = 0;
	}
	buf_put_span(w->out, gap);
	w->column += gap.len;
	put_octets(w, unit);
	buf_clear(&w->unit_gap);
	buf_clear(&w->unit);
}

/* What stands without a gap behind something else belongs to its unit. */
static void put_word(struct mail_words *w, struct span gap, struct span word)
{
	if (word.len == 0)
		return;
	if (gap.len || w->may_fold) {
		put_unit(w);
		buf_put_span(&w->unit_gap, fit_gap(gap));
		w->may_fold_unit = w->may_fold;
	}
	buf_put_span(&w->unit, word);
	w->after = word.at[word.len - 1];
	w->may_fold = false;
}

static bool is_encoded(struct span word)
{
	return word.len > 6 && memcmp(word.at, "=?", 2) == 0 &&
	       memcmp(word.at + word.len - 2, "?=", 2) == 0;
}

/* An encoded word stands alone (RFC 2047 5.), but for the parentheses of a comment. What stands in angle
 * brackets is no phrase, and is to stay in one piece. */
static struct span gap_beside(const struct mail_words *w, struct span gap, unsigned char neighbour)
{
	bool may_touch = w->in_angle || neighbour == '(' || neighbour == ')';

	return gap.len || may_touch ? gap : span_text(" ");
}

static void flush_run(struct mail_words *w)
{
	struct buf word = { 0 };
	struct span text = buf_span(&w->run);
	struct span gap = gap_beside(w, buf_span(&w->run_gap), w->after);
	const char *charset = span_is_utf8(text) ? "UTF-8" : "unknown-8bit";

	while (w->has_run && text.len) {
		size_t n = mail_encoded_word(charset, text, MAIL_ENCODED_MOST, &word);

		put_word(w, gap, buf_span(&word));
		buf_clear(&word);
		text = span_from(text, n);
		gap = span_text(" ");
	}
	w->is_after_run = w->has_run;
	w->is_after_word = w->is_after_word || w->has_run;
	w->has_run = false;
	buf_clear(&w->run);
	buf_clear(&w->run_gap);
	buf_fini(&word);
}

/* Readers drop the white space between two encoded words, so it goes into one of them. */
static void add_to_run(struct mail_words *w, struct span gap, struct span text)
{
	if (w->has_run || w->is_after_word)
		buf_put_span(&w->run, fit_gap(gap));
	if (!w->has_run)
		buf_put_span(&w->run_gap, gap);
	w->has_run = true;
	buf_put_span(&w->run, text);
}

static bool must_be_encoded(const struct mail_words *w, struct span word)
{
	return (w->is_ascii && !span_is_ascii(word)) || (w->is_text && word.len > LINE_MOST - 100);
}

void mail_words_put(struct mail_words *w, struct span gap, struct span word, struct span text)
{
	if (must_be_encoded(w, word)) {
		add_to_run(w, gap, text);
		return;
	}
	if (w->has_run && is_encoded(word))
		buf_put_span(&w->run, fit_gap(gap));
	flush_run(w);
	put_word(w, w->is_after_run ? gap_beside(w, gap, 0) : gap, word);
	w->is_after_word = is_encoded(word);
	w->is_after_run = false;
}

void mail_words_mark(struct mail_words *w, struct span gap, unsigned char mark)
{
	flush_run(w);
	put_word(w, w->is_after_run ? gap_beside(w, gap, mark) : gap, span_of(&mark, 1));
	w->is_after_word = w->is_after_run = false;
	if (mark == '<' || mark == '>')
		w->in_angle = mark == '<';
	/* Not all programs put a blank there. Within angle brackets it might be a URL's. */
	w->may_fold = !w->in_angle && (mark == ',' || mark == ';');
}

void mail_words_end(struct mail_words *w)
{
	flush_run(w);
	put_unit(w);
	/* Where nothing was written, not even a name, this would be a blank line. */
	if (w->column)
		buf_put_text(w->out, "\r\n");
	buf_fini(&w->run);
	buf_fini(&w->run_gap);
	buf_fini(&w->unit);
	buf_fini(&w->unit_gap);
}

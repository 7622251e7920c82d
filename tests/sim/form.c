#include "form.h"

#include "base/base64.h"

#include <stdlib.h>
#include <string.h>

/* What they send */

static void put_lines(struct buf *out, size_t octets, const char *word)
{
	size_t n = strlen(word);

	while (out->len < octets) {
		if (once_in(8))
			buf_put_text(out, once_in(2) ? "." : "..");
		for (size_t i = 0, most = (size_t)pick(78); i < most; i += n)
			buf_put(out, word, n);
		buf_put_text(out, "\r\n");
	}
}

static void put_binary(struct buf *out, size_t octets)
{
	static const char *const pieces[] = { "\r", "\n", "\n\r", "\r\n", ".\r\n", "=\xff\x80" };

	for (size_t to = out->len + octets % 3000 + 1; out->len < to;) {
		if (once_in(6))
			buf_put_text(out, pieces[pick(6)]);
		else
			buf_put_char(out, (char)pick(256));
	}
}

static void put_long_line(struct buf *out)
{
	for (size_t i = 0, most = (size_t)pick_between(999, 5000); i < most; i++)
		buf_put_char(out, (char)('a' + (char)pick(26)));
	buf_put_text(out, "\r\n");
}

static bool is_8bit(struct span text)
{
	return !span_is_ascii(text);
}

static bool has_long_lines(struct span text)
{
	size_t length = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '\n' && i && text.at[i - 1] == '\r')
			length = 0;
		else if (++length > SMTP_LINE_MOST + 1) /* its CR is counted */
			return true;
	}
	return length > SMTP_LINE_MOST;
}

static struct span body_of(struct span content, struct span *header_out)
{
	const unsigned char *end = memmem(content.at, content.len, "\r\n\r\n", 4);
	size_t n = end ? (size_t)(end - content.at) + 4 : content.len;

	*header_out = span_first(content, n);
	return span_from(content, n);
}

static unsigned form_of(struct span content, bool is_binary)
{
	struct span header;
	unsigned form = is_binary ? SMTP_FORM_BINARY : 0;

	body_of(content, &header);
	if (is_8bit(content))
		form |= SMTP_FORM_8BIT;
	if (is_8bit(header))
		form |= SMTP_FORM_8BIT_HEADER;
	if (has_long_lines(content))
		form |= SMTP_FORM_LONG_LINES;
	return form;
}

void form_draw(struct letter *l, size_t octets)
{
	bool has_8bit = once_in(4), is_binary = once_in(10);
	struct buf *out = &l->content;

	l->is_utf8 = once_in(10);
	l->require_tls = once_in(20);
	buf_printf(out, "X-Sim-Letter: %u\r\nFrom: %s\r\nSubject: %s letter\r\n", l->number,
		   l->sender, l->is_utf8 && once_in(2) ? "ein sch\xc3\xb6ner" : "a");
	if (is_binary)
		buf_put_text(out, "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
				  "Content-Transfer-Encoding: binary\r\n");
	else if (has_8bit)
		buf_put_text(out, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
				  "Content-Transfer-Encoding: 8bit\r\n");
	buf_put_text(out, "\r\n");
	if (is_binary) {
		put_binary(out, octets);
	} else {
		if (once_in(16))
			put_long_line(out);
		put_lines(out, octets,
			  has_8bit ? "gr\xc3\xbc\xc3\x9f"
				     "en "
				   : "letters ");
	}
	l->form = form_of(buf_span(out), is_binary);
}

/* What came */

static int hex(unsigned char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 2045 6.7 */
static bool decode_quoted(struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.at[i] != '=') {
			buf_put_char(out, (char)in.at[i]);
			continue;
		}
		if (i + 2 >= in.len)
			return false;
		if (in.at[i + 1] == '\r' && in.at[i + 2] == '\n') {
			i += 2;
			continue;
		}
		if (hex(in.at[i + 1]) < 0 || hex(in.at[i + 2]) < 0)
			return false;
		buf_put_char(out, (char)(hex(in.at[i + 1]) * 16 + hex(in.at[i + 2])));
		i += 2;
	}
	return true;
}

static bool decode_base64(struct span in, struct buf *out)
{
	struct buf bare = { 0 };
	bool is_good;

	for (size_t i = 0; i < in.len; i++)
		if (in.at[i] != '\r' && in.at[i] != '\n')
			buf_put_char(&bare, (char)in.at[i]);
	is_good = base64_decode(buf_span(&bare), out) == 0;
	buf_fini(&bare);
	return is_good;
}

/* The value of a field; empty: it is not there. */
static struct span field_of(struct span header, const char *name)
{
	size_t n = strlen(name);

	while (header.len) {
		size_t end = span_find(header, '\r');

		if (span_istarts(header, name))
			return span_trim(span_from(span_first(header, end), n));
		header = span_from(header, end + 2);
	}
	return span_text("");
}

static bool is_same_decoded(struct span header, struct span body, struct span wanted)
{
	struct span encoding = field_of(header, "Content-Transfer-Encoding:");
	struct buf plain = { 0 };
	bool is_good = true;

	if (span_ieq_text(encoding, "quoted-printable")) {
		is_good = decode_quoted(body, &plain);
	} else if (span_ieq_text(encoding, "base64")) {
		is_good = decode_base64(body, &plain);
	} else {
		buf_put_span(&plain, body);
	}
	is_good = is_good && span_eq(buf_span(&plain), wanted);
	buf_fini(&plain);
	return is_good;
}

static void check_converted(const struct letter *l, struct span content)
{
	static const char *const kept[] = { "X-Sim-Letter:", "From:" };
	struct span was_header, was_body = body_of(buf_span(&l->content), &was_header);
	struct span header, body = body_of(content, &header);

	for (size_t i = 0; i < 2; i++)
		if (!span_eq(field_of(header, kept[i]), field_of(was_header, kept[i])))
			fail("letter %u came with another %s", l->number, kept[i]);
	if (!span_is_ascii(header) && span_is_ascii(was_header))
		fail("letter %u came with a header section that is 8-bit now", l->number);
	if (!is_same_decoded(header, body, was_body)) {
		fail("letter %u came with another body, decoded", l->number);
		tell("%.*s", (int)content.len, (const char *)content.at);
	}
	ledger_sums.converted++;
}

/* A reason to change anything at all. */
static bool must_change(const struct letter *l, const struct terms *t)
{
	if ((l->form & SMTP_FORM_8BIT_HEADER) && !t->offers_utf8)
		return true;
	if (l->form & SMTP_FORM_BINARY)
		return !t->offers_binary;
	return ((l->form & SMTP_FORM_8BIT) && !t->offers_8bit) || (l->form & SMTP_FORM_LONG_LINES);
}

/* What a smarthost was told to expect. */
static void check_promise(const struct letter *l, struct span content, const struct terms *t)
{
	struct span header;

	body_of(content, &header);
	if (!t->says_binary && !t->says_8bit && is_8bit(content))
		fail("letter %u came 8-bit, which MAIL did not say", l->number);
	if (!t->says_binary && has_long_lines(content))
		fail("letter %u came with lines that are too long", l->number);
	if (l->is_utf8 && !t->says_utf8 && is_8bit(header))
		fail("letter %u came with an 8-bit header section, without SMTPUTF8", l->number);
	if (l->require_tls && !t->says_require_tls && l->sender[0])
		fail("letter %u came without REQUIRETLS", l->number);
}

void form_check_notice(struct span content, const struct terms *terms)
{
	if (!terms->says_8bit && is_8bit(content))
		fail("a notice came 8-bit, which MAIL did not say");
	if (has_long_lines(content))
		fail("a notice came with lines that are too long");
	if (terms->says_binary)
		fail("a notice came as a binary one");
}

void form_check(const struct letter *l, struct span content, const struct terms *terms)
{
	check_promise(l, content, terms);
	if (span_eq(content, buf_span(&l->content)))
		return;
	if (must_change(l, terms))
		check_converted(l, content);
	else
		fail("letter %u came with other octets: %zu instead of %zu", l->number, content.len,
		     l->content.len);
}

/* Content by BDAT: dialogues, and a peer that counts. */
#include "client_dialogue.h"

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#define UP_CHUNKING                                                                                \
	"<220 mx", ">EHLO relay", "<250-mx", "<250-CHUNKING", "<250-BINARYMIME",                   \
		"<250 PIPELINING", "=READY"
#define ASKED                                                                                      \
	UP_CHUNKING, "!message 1 binary", ">MAIL FROM:<s@x> BODY=BINARYMIME", ">RCPT TO:<r0@y>",   \
		"<250 ok", "<250 ok", "=RCPT 0 250 ok", "=SEND_BODY"
#define NO_BDAT "RESULT 451 4.3.5 The smarthost offers CHUNKING and does not know it (ours)"

static const struct dialogue dialogues[] = {
	{ "one line is one chunk",
	  PLAIN,
	  { ASKED, "!waits sending the message 180", "!body x", "!end", ">BDAT 1 LAST", ">~x",
	    "!waits waiting for the reply to the end of the message 600", "<250 taken",
	    "=RESULT 250 taken", "=READY" } },
	{ "no content is one empty chunk",
	  PLAIN,
	  { ASKED, "!end", ">BDAT 0 LAST", "<250 taken", "=RESULT 250 taken", "=READY" } },
	{ "one line first, then the rest",
	  PLAIN,
	  { ASKED, "!body a\r\nb\nc", ">BDAT 3", ">a", "!body d", "!end",
	    "!waits waiting for the reply to a part of the message 300", "<250 3 octets",
	    ">BDAT 4 LAST", ">~b\ncd", "<250 taken", "=RESULT 250 taken", "=READY",
	    /* the next may be for another server behind the same gateway */
	    "!message 1 binary", ">MAIL FROM:<s@x> BODY=BINARYMIME", ">RCPT TO:<r0@y>", "<250 ok",
	    "<250 ok", "=RCPT 0 250 ok", "=SEND_BODY", "!body a\r\nb", "!end", ">BDAT 3", ">a",
	    "<250 ok", ">BDAT 1 LAST", ">~b", "<250 taken", "=RESULT 250 taken", "=READY" } },
	{ "the content waits for the replies to all recipients",
	  PLAIN,
	  { UP_CHUNKING, "!message 2 binary", ">MAIL FROM:<s@x> BODY=BINARYMIME", ">RCPT TO:<r0@y>",
	    ">RCPT TO:<r1@y>", "<250 ok", "<250 a", "=RCPT 0 250 a",
	    "!waits waiting for the reply to RCPT 300", "<550 b", "=RCPT 1 550 b", "=SEND_BODY" } },
	{ "no recipient, no content",
	  PLAIN,
	  { UP_CHUNKING, "!message 1 binary", ">MAIL FROM:<s@x> BODY=BINARYMIME", ">RCPT TO:<r0@y>",
	    "<250 ok", "<550 b", "=RCPT 0 550 b",
	    "=RESULT 554 5.5.1 No recipient was accepted (before) (ours)", ">RSET", "<250 ok",
	    "=READY" } },
	{ "MAIL refused",
	  PLAIN,
	  { UP_CHUNKING, "!message 1 binary", ">MAIL FROM:<s@x> BODY=BINARYMIME", ">RCPT TO:<r0@y>",
	    "<550 no", "=RESULT 550 no (before)", "<503 no", "=READY" } },
	{ "one refused here is told before the content",
	  PLAIN,
	  { UP_CHUNKING, "!mail 1 binary", ">MAIL FROM:<s@x> BODY=BINARYMIME", ">RCPT TO:<r0@y>",
	    "!rcpt \x01@y", "!content binary", "<250 ok", "<250 a", "=RCPT 0 250 a",
	    "=RCPT 1 553 5.1.3 An address holds a control character (ours)", "=SEND_BODY",
	    "!body x", "!end", ">BDAT 1 LAST", ">~x" } },
	{ "content of an open message by chunks at once",
	  PLAIN,
	  { UP_CHUNKING, "!mail 1", MAIL_ONE, "<250 ok", "<250 a", "=RCPT 0 250 a",
	    "!content large", "=SEND_BODY" } },
	{ "a part refused",
	  PLAIN,
	  { ASKED, "!body a\r\nb", ">BDAT 3", ">a", "<552 5.3.4 full", "=RESULT 552 5.3.4 full",
	    ">RSET", "<250 ok", "=READY" } },
	{ "the end refused",
	  PLAIN,
	  { ASKED, "!body a", "!end", ">BDAT 1 LAST", ">~a", "<554 5.6.0 no",
	    "=RESULT 554 5.6.0 no", ">RSET", "<250 ok", "=READY" } },
	{ "421 to a part",
	  PLAIN,
	  { ASKED, "!body a\r\nb", ">BDAT 3", ">a", "<421 bye", "=RESULT 421 bye",
	    "=LOST 421 bye: sending the message" } },
	{ "421 to a part while the end waits for it",
	  PLAIN,
	  { ASKED, "!body a\r\nb", ">BDAT 3", ">a", "!end", "<421 bye", "=RESULT 421 bye",
	    "=LOST 421 bye: waiting for the reply to a part of the message" } },
	{ "421 to the end",
	  PLAIN,
	  { ASKED, "!end", ">BDAT 0 LAST", "<421 bye", "=RESULT 421 bye",
	    "=LOST 421 bye: waiting for the reply to the end of the message" } },
	{ "BDAT is not known",
	  PLAIN,
	  { ASKED, "!body RSET\r\nMAIL FROM:<e@x>\r\n", ">BDAT 6", ">RSET", "<500 what",
	    "=" NO_BDAT, "=LOST 500 what: sending the message", "!message 1" } },
	{ "BDAT is not known, and all is in one line",
	  PLAIN,
	  { ASKED, "!body RSET", "!end", ">BDAT 4 LAST", ">~RSET", "<502 what", "=" NO_BDAT,
	    "=LOST 502 what: waiting for the reply to the end of the message" } },
	{ "500 from one that knows BDAT is its word on the message",
	  PLAIN,
	  { ASKED, "!body a\r\nb", ">BDAT 3", ">a", "!end", "<250 ok", ">BDAT 1 LAST", ">~b",
	    "<500 5.6.0 odd", "=RESULT 500 5.6.0 odd", ">RSET", "<250 ok", "=READY" } },
	{ "one behind a gateway that has taken chunks does not know BDAT",
	  PLAIN,
	  { ASKED, "!body a\r\nb", ">BDAT 3", ">a", "!end", "<250 ok", ">BDAT 1 LAST", ">~b",
	    "<502 5.5.1 what", "=" NO_BDAT,
	    "=LOST 502 5.5.1 what: waiting for the reply to the end of the message" } },
	{ "a part answered 354",
	  PLAIN,
	  { ASKED, "!body a\r\nb", ">BDAT 3", ">a", "<354 go",
	    "=LOST 354 go: sending the message" } },
	{ "a reply before any part",
	  PLAIN,
	  { ASKED, "<250 what", "=LOST 250 what: reading a reply that nobody asked for" } },
	{ "lost between parts",
	  PLAIN,
	  { ASKED, "!body a\r\nb", ">BDAT 3", ">a", "!lost", "=LOST: sending the message",
	    "= false", "!body c", "!end" } },
	{ "lost with the reply to a part due before the end",
	  PLAIN,
	  { ASKED, "!body a\r\nb", ">BDAT 3", ">a", "!end", "!lost",
	    "=LOST: waiting for the reply to a part of the message", "= false" } },
	{ "lost with the last reply due",
	  PLAIN,
	  { ASKED, "!body a", "!end", ">BDAT 1 LAST", ">~a", "!lost",
	    "=LOST: waiting for the reply to the end of the message", "= true" } },
	{ "CHUNKING alone is nothing for binary content",
	  PLAIN,
	  { "<220 mx", ">EHLO relay", "<250-mx", "<250 CHUNKING", "=READY", "!message 1 binary",
	    "=RESULT 554 5.6.3 The smarthost takes no binary messages (before) (ours)",
	    "=READY" } },
	{ "nor BINARYMIME alone",
	  PLAIN,
	  { "<220 mx", ">EHLO relay", "<250-mx", "<250 BINARYMIME", "=READY", "!message 1 binary",
	    "=RESULT 554 5.6.3 The smarthost takes no binary messages (before) (ours)",
	    "=READY" } },
	{ "binary content that was not told of in MAIL",
	  PLAIN,
	  { UP_CHUNKING, "!mail 1", MAIL_ONE, "<250 ok", "<250 a", "=RCPT 0 250 a",
	    "!content binary",
	    "=RESULT 450 4.6.3 Binary content came too late to be told in MAIL (before) (ours)",
	    ">RSET", "<250 ok", "=READY" } },
	{ "MAIL said BINARYMIME, and it is not",
	  PLAIN,
	  { UP_CHUNKING, "!mail 1 binary", ">MAIL FROM:<s@x> BODY=BINARYMIME", ">RCPT TO:<r0@y>",
	    "!content", "<250 ok", "<250 a", "=RCPT 0 250 a", "=SEND_BODY", "!body x", "!end",
	    ">BDAT 3 LAST", ">x" } },
	{ "a small open message goes by DATA",
	  PLAIN,
	  { UP_CHUNKING, "!mail 1", MAIL_ONE, "<250 ok", "<250 a", "=RCPT 0 250 a", "!content size",
	    ">DATA", "<354 go", "=SEND_BODY" } },
	{ "an open message whose replies are due goes with DATA in one go",
	  PLAIN,
	  { UP_CHUNKING, "!mail 1", MAIL_ONE, "!content size", ">DATA", "<250 ok", "<250 a",
	    "=RCPT 0 250 a", "<354 go", "=SEND_BODY" } },
	{ "an open message that avoids chunks",
	  PLAIN,
	  { UP_CHUNKING, "!mail 1 avoids", MAIL_ONE, "<250 ok", "<250 a", "=RCPT 0 250 a",
	    "!content large", ">DATA", "<354 go", "=SEND_BODY" } },
	{ "binary content cannot avoid them",
	  PLAIN,
	  { UP_CHUNKING, "!message 1 binary avoids", ">MAIL FROM:<s@x> BODY=BINARYMIME",
	    ">RCPT TO:<r0@y>", "<250 ok", "<250 ok", "=RCPT 0 250 ok", "=SEND_BODY" } },
	{ "BDAT has no such parameter",
	  PLAIN,
	  { ASKED, "!body a\r\nb", ">BDAT 3", ">a", "<504 what", "=" NO_BDAT,
	    "=LOST 504 what: sending the message" } },
	{ "small content goes by DATA",
	  PLAIN,
	  { UP_CHUNKING, "!message 1 size", MAIL_ONE, ">DATA" } },
	{ "a text's line ends are made whole",
	  PLAIN,
	  { UP_CHUNKING, "!message 1 large", MAIL_ONE, "<250 ok", "<250 a", "=RCPT 0 250 a",
	    "=SEND_BODY", "!body .\r\n..x\n\ry", ">BDAT 3", ">.", "!end", "<250 ok",
	    ">BDAT 10 LAST", ">..x", ">", ">y", "<250 taken", "=RESULT 250 taken", "=READY" } },
};

static void test_dialogues(void **state)
{
	(void)state;
	dialogue_run_everywhere(dialogues, sizeof(dialogues) / sizeof(dialogues[0]));
}

/* A peer that reads chunks as they come and answers when it likes. */

enum { CHUNK_MOST = 128 * 1024, DUE_MOST = 8, RUNS = 60, REPLY_OCTETS = 8 };

struct counting {
	struct smtp_client *cl;
	uint32_t seed;
	struct buf in, taken;
	struct buf replies; /* not fed yet, each of REPLY_OCTETS */
	size_t left;	    /* of the chunk that is being read */
	bool is_last;
	unsigned chunks, due, most_due;
	unsigned refused; /* this chunk is; 0: none */
	int reply_code;
	bool has_result, is_ready;
};

static unsigned pick(struct counting *p, unsigned below)
{
	p->seed = p->seed * 1664525u + 1013904223u;
	return (p->seed >> 16) % below;
}

static void say(struct counting *p, const char *reply)
{
	buf_put_text(&p->replies, reply);
	p->due++;
}

static void take_chunk_line(struct counting *p)
{
	struct span in = buf_span(&p->in);
	size_t n = span_find(in, '\n') + 1;
	unsigned long octets;
	char line[64], *end;

	assert_true(n <= in.len && n < sizeof(line));
	snprintf(line, sizeof(line), "%.*s", (int)n, (const char *)in.at);
	buf_drop(&p->in, n);
	if (strcmp(line, "RSET\r\n") == 0) {
		assert_true(p->has_result && p->due == 0);
		say(p, "250 ok\r\n");
		return;
	}
	assert_memory_equal(line, "BDAT ", 5);
	octets = strtoul(line + 5, &end, 10);
	p->is_last = strcmp(end, " LAST\r\n") == 0;
	assert_true(p->is_last || strcmp(end, "\r\n") == 0);
	assert_true(octets <= CHUNK_MOST && octets > 0);
	assert_true(!p->has_result && (!p->is_last || p->due == 0));
	if (p->chunks == 0)
		assert_true(octets <= 998);
	else if (p->chunks == 1)
		assert_int_equal(p->due, 0);
	p->left = octets;
	p->chunks++;
	say(p, p->refused && p->chunks >= p->refused ? "552 no\r\n" : "250 ok\r\n");
	p->most_due = p->due > p->most_due ? p->due : p->most_due;
}

static void read_output(struct counting *p)
{
	struct span out = smtp_client_output(p->cl);

	buf_put_span(&p->in, out);
	smtp_client_sent(p->cl, out.len);
	while (p->in.len) {
		struct span part = span_first(buf_span(&p->in), p->left);

		if (p->left == 0) {
			take_chunk_line(p);
			continue;
		}
		buf_put_span(&p->taken, part);
		p->left -= part.len;
		buf_drop(&p->in, part.len);
	}
}

static void take_events(struct counting *p)
{
	struct smtp_client_event ev;

	while (smtp_client_next(p->cl, &ev) != SMTP_CLIENT_MORE) {
		if (ev.type == SMTP_CLIENT_RESULT) {
			assert_false(p->has_result || ev.is_before_body || ev.is_ours);
			p->has_result = true;
			p->reply_code = ev.reply.code;
		} else {
			assert_int_equal(ev.type, SMTP_CLIENT_READY);
			assert_true(p->has_result);
			p->is_ready = true;
		}
	}
	read_output(p);
}

static void answer_one(struct counting *p)
{
	if (p->due == 0)
		return;
	p->due--;
	smtp_client_feed(p->cl, span_first(buf_span(&p->replies), REPLY_OCTETS));
	buf_drop(&p->replies, REPLY_OCTETS);
	take_events(p);
}

static struct buf some_content(struct counting *p, size_t octets)
{
	struct buf content = { 0 };

	while (content.len < octets) {
		for (unsigned n = pick(p, 100); n; n--)
			buf_put_char(&content, (char)('a' + pick(p, 26)));
		buf_put_text(&content, "\r\n");
	}
	return content;
}

static void counted_run(unsigned number)
{
	struct counting p = { .seed = number * 2654435761u + 1 };
	bool has_pipelining = number % 2;
	struct buf content = some_content(&p, 1 + pick(&p, 3 * CHUNK_MOST) * (1 + number % 7));
	struct span rest = buf_span(&content);
	bool is_ended = false, minds = pick(&p, 4) > 0;
	struct run r;

	p.refused = pick(&p, 3) == 0 ? 1 + pick(&p, 5) : 0;
	run_begin(&r, SMTP_CLIENT_TLS_NONE, false,
		  has_pipelining ? "CHUNKING,PIPELINING" : "CHUNKING");
	p.cl = r.cl;
	run_message(&r, "1 large");
	run_turn(&r);
	run_feed(&r, span_text("250 ok\r\n"));
	run_feed(&r, span_text("250 ok\r\n"));
	assert_span_text(buf_span(&r.events), "RCPT 0 250 ok\nSEND_BODY\n");
	while (!p.is_ready) {
		size_t n = 1 + pick(&p, 40000);

		if (pick(&p, 3) == 0) {
			answer_one(&p);
		} else if (rest.len && !p.has_result && (!minds || smtp_client_wants_body(p.cl))) {
			smtp_client_body(p.cl, span_first(rest, n));
			rest = span_from(rest, n);
		} else if (rest.len == 0 && !is_ended && !p.has_result) {
			smtp_client_body_end(p.cl);
			is_ended = true;
		}
		take_events(&p);
	}
	assert_true(p.most_due <= (has_pipelining ? DUE_MOST : 1));
	if (p.reply_code == 250)
		assert_true(span_eq(buf_span(&p.taken), buf_span(&content)) && p.is_last);
	else
		assert_true(p.refused && p.chunks < p.refused + DUE_MOST);
	buf_fini(&content);
	buf_fini(&p.in);
	buf_fini(&p.taken);
	buf_fini(&p.replies);
	run_end(&r);
}

static void test_counted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RUNS; i++)
		counted_run(i);
}

/* A user who minds wants_body() leaves little here, however slow the peer is. */
static void test_held_content_is_bounded(void **state)
{
	static const char *const offers[] = { "CHUNKING", "CHUNKING,PIPELINING" };
	char piece[16384];

	(void)state;
	memset(piece, 'x', sizeof(piece));
	piece[0] = '\n';
	for (size_t i = 0; i < 2; i++) {
		size_t given = 0, sent;
		struct run r;

		run_begin(&r, SMTP_CLIENT_TLS_NONE, false, offers[i]);
		run_message(&r, "1 large");
		run_turn(&r);
		run_feed(&r, span_text("250 ok\r\n"));
		run_feed(&r, span_text("250 ok\r\n"));
		buf_clear(&r.output);
		while (smtp_client_wants_body(r.cl)) {
			smtp_client_body(r.cl, span_of(piece, sizeof(piece)));
			given += sizeof(piece);
			run_turn(&r);
		}
		assert_true(given <= CHUNK_MOST + 2 * sizeof(piece));
		assert_true(r.output.len < 100);
		run_feed(&r, span_text("250 ok\r\n"));
		while (smtp_client_wants_body(r.cl)) {
			smtp_client_body(r.cl, span_of(piece, sizeof(piece)));
			run_turn(&r);
		}
		sent = r.output.len;
		assert_true(sent > (i ? DUE_MOST - 1 : 0) * (size_t)CHUNK_MOST);
		assert_true(sent <= (i ? DUE_MOST : 1) * (size_t)(CHUNK_MOST + 100) + 100);
		run_end(&r);
	}
}

/* By BDAT nothing is passed uncopied, and little is taken before the caller looks at wants_body(). */
static void test_chunks_take_little_at_once(void **state)
{
	static char content[256 * 1024];
	struct span left = span_of(content, sizeof(content));
	struct run r;

	(void)state;
	memset(content, 'x', sizeof(content));
	run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "CHUNKING");
	run_message(&r, "1 large");
	run_turn(&r);
	run_feed(&r, span_text("250 ok\r\n"));
	run_feed(&r, span_text("250 ok\r\n"));
	while (smtp_client_wants_body(r.cl) && left.len) {
		size_t before = left.len;

		assert_int_equal(smtp_client_pass(r.cl, &left).len, 0);
		assert_in_range(before - left.len, 1, 16384);
		run_turn(&r);
	}
	assert_true(left.len > sizeof(content) - CHUNK_MOST - 2 * 16384);
	run_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_counted),
		cmocka_unit_test(test_held_content_is_bounded),
		cmocka_unit_test(test_chunks_take_little_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a client hears of a smarthost's answers. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "words.h"

static const char qid[] = "0QID123456789";

/* As it would stand on the line, without the reference that the engine puts behind it. */
static char *line_of(struct smtp_reply reply)
{
	struct buf line = { 0 };

	smtp_reply_format(&reply, span_of(NULL, 0), &line);
	return buf_take_text(&line);
}

static void assert_line(struct smtp_reply reply, const char *want)
{
	char *have = line_of(reply);

	assert_string_equal(have, want);
	free(have);
}

static void test_recipient(void **state)
{
	static const struct {
		struct smtp_reply reply;
		const char *line;
	} cases[] = {
		{ SMTP_REPLY(250, 2, 1, 5, "Recipient ok"), "250 2.1.5 Recipient ok\r\n" },
		{ SMTP_REPLY(250, 0, 0, 0, "ok"), "250 2.1.5 ok\r\n" },
		{ SMTP_REPLY(250, 0, 0, 0, ""), "250 2.1.5 Recipient accepted\r\n" },
		{ SMTP_REPLY(251, 2, 1, 5, "will forward"), "251 2.1.5 will forward\r\n" },
		{ SMTP_REPLY(220, 2, 0, 0, "odd"), "250 2.0.0 odd\r\n" },
		{ SMTP_REPLY(250, 5, 1, 1, "odd"), "250 2.1.5 odd\r\n" },
		{ SMTP_REPLY(550, 5, 1, 1, "No such person"), "550 5.1.1 No such person\r\n" },
		{ SMTP_REPLY(553, 0, 0, 0, "no"), "553 5.0.0 no\r\n" },
		{ SMTP_REPLY(550, 4, 2, 2, "no"), "550 5.0.0 no\r\n" },
		{ SMTP_REPLY(550, 0, 0, 0, ""),
		  "550 5.0.0 Refused by the smarthost, without a word\r\n" },
		{ SMTP_REPLY(550, 5, 7, 1,
			     "a\rb\x01"
			     "c"),
		  "550 5.7.1 a?b?c\r\n" },
	};

	(void)state;
	assert_line(words_for_recipient(NULL), "250 2.1.5 Recipient accepted\r\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_line(words_for_recipient(&cases[i].reply), cases[i].line);
}

static void assert_end(const struct handoff_end *end, const char *want)
{
	struct buf text = { 0 };

	assert_line(words_for_end(end, qid, &text), want);
	buf_fini(&text);
}

static void test_end(void **state)
{
	static const struct smtp_reply queued = SMTP_REPLY(250, 2, 0, 0, "Ok: queued as 4F2");
	static const struct smtp_reply silent = SMTP_REPLY(250, 0, 0, 0, "");
	static const struct smtp_reply spam = SMTP_REPLY(554, 5, 7, 1, "This is spam");

	(void)state;
	assert_end(&(struct handoff_end){ .outcome = HANDOFF_PASSED,
					  .reply = &queued,
					  .host = "smtp.example.net" },
		   "250 2.0.0 Accepted as 0QID123456789: smtp.example.net says: "
		   "Ok: queued as 4F2\r\n");
	assert_end(&(struct handoff_end){ .outcome = HANDOFF_PASSED,
					  .reply = &silent,
					  .host = "smtp.example.net" },
		   "250 2.0.0 Accepted as 0QID123456789\r\n");
	assert_end(&(struct handoff_end){ .outcome = HANDOFF_STORED },
		   "250 2.0.0 Accepted as 0QID123456789\r\n");
	assert_end(&(struct handoff_end){ .outcome = HANDOFF_REFUSED,
					  .reply = &spam,
					  .host = "smtp.example.net" },
		   "554 5.7.1 This is spam\r\n");
	assert_end(&(struct handoff_end){ .outcome = HANDOFF_FAILED, .status = -ENOSPC },
		   "452 4.3.1 The server has no room for mail now; try again later\r\n");
	assert_end(&(struct handoff_end){ .outcome = HANDOFF_FAILED, .status = -EDQUOT },
		   "452 4.3.1 The server has no room for mail now; try again later\r\n");
	assert_end(&(struct handoff_end){ .outcome = HANDOFF_FAILED, .status = -EIO },
		   "452 4.3.1 The message could not be stored; try again later\r\n");
}

/* RFC 5321 4.5.3.1.5: 512 octets with CRLF, whatever a smarthost says. */
static void test_long_words(void **state)
{
	char words[600];
	struct smtp_reply reply = { 250, { 2, 0, 0 }, { NULL, 0 } };
	struct buf text = { 0 };
	char *line;

	(void)state;
	memset(words, 'w', sizeof(words));
	reply.text = span_of(words, sizeof(words));
	line = line_of(words_for_end(&(struct handoff_end){ .outcome = HANDOFF_PASSED,
							    .reply = &reply,
							    .host = "smtp.example.net" },
				     qid, &text));
	assert_in_range(strlen(line), 500, 512);
	free(line);
	buf_fini(&text);
}

static void test_other_users(void **state)
{
	struct buf text = { 0 };

	(void)state;
	assert_line(words_for_other_users(0, &text),
		    "535 5.7.8 This port is kept for certain accounts; use another port of "
		    "this server\r\n");
	assert_line(words_for_other_users(4650, &text),
		    "535 5.7.8 This port is kept for certain accounts; use another port of "
		    "this server: SSL/TLS on port 4650\r\n");
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recipient),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_other_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tests/unit/relay/forms.c: content of every form to smarthosts that take all, some or none of it. */
#include "test.h"

#include "pool.h"
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define MIME "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
#define LINE_100                                                                                   \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xx"                                                                                       \
	"xxxxxxxxxx"

static const char plain[] = "Subject: t\r\n\r\nHello\r\n.dot\r\n";
static const char body[] = "Subject: t\r\n" MIME "Content-Transfer-Encoding: 8bit\r\n\r\n"
			   "Gr\xC3\xBC\xC3\x9F\r\n";
static const char header[] = "Subject: Gr\xC3\xBC\xC3\x9F\r\n" MIME "\r\nHello\r\n";
static const char lines[] = "Subject: t\r\n" MIME "\r\n" LINE_100 LINE_100 LINE_100 LINE_100
	LINE_100 LINE_100 LINE_100 LINE_100 LINE_100 LINE_100 "\r\n";
static const char binary[] = "Subject: t\r\n" MIME "Content-Transfer-Encoding: binary\r\n\r\n"
			     "\xC3\xBC\nz";
static const char is_signed[] =
	"Subject: t\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b; "
	"protocol=\"application/pgp-signature\"; micalg=pgp-sha256\r\n\r\n"
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	"\xC3\xBC\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n";

static struct rig rig;
static struct fake fake;
static struct relay_limit *limit;
static struct test_job job;

static int set_up(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	limit = relay_limit_new(2, 0);
	rig_start(&rig);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_stop(&rig);
	fake_stop(&fake);
	assert_int_equal(limit->open, 0);
	relay_limit_free(&limit);
	return 0;
}

static void one_smarthost(const char *offers, fake_answer *answer)
{
	struct relay_smarthost to;

	fake.offers = offers;
	fake.answer = answer;
	fake_start(&fake);
	to = rig_smarthost("main", fake.port, limit);
	rig_relay(&rig, &to, 1);
}

static void prepare(const char *content, unsigned form)
{
	job_init(&job, "alice@example.com", "bob@example.net", content);
	job.job.message.form = form;
}

static void send_whole(const char *content, unsigned form)
{
	prepare(content, form);
	relay_send(rig.relay, &job.job);
	rig_until(&rig, job_is_done, &job);
}

static bool is_accepted(void *user)
{
	(void)user;
	return job.accepted[0] || job.is_done;
}

/* Recipients first; of the form only what MAIL may say is known before. */
static void begin_open(const char *content, unsigned form, bool is_utf8)
{
	job_open(&job, "alice@example.com", "bob@example.net", content);
	job.job.message.may_be_8bit = true;
	job.job.message.is_utf8 = is_utf8;
	job.job.message.form = form & SMTP_FORM_BINARY;
	relay_send(rig.relay, &job.job);
	rig_until(&rig, is_accepted, NULL);
	job.job.message.form = form;
	job_content(&job);
}

static void assert_outcome(enum relay_outcome outcome, int code)
{
	if (job.verdicts[0].outcome != outcome || job.verdicts[0].code != code)
		fail_msg("outcome %d, %d %s / %s", job.verdicts[0].outcome, job.verdicts[0].code,
			 job.verdicts[0].text, job.verdicts[0].reason);
}

static bool is_7bit(struct span text)
{
	return span_is_ascii(text);
}

static size_t longest_line(struct span text)
{
	size_t longest = 0;

	while (text.len) {
		size_t n = span_find(text, '\n');

		longest = n > longest ? n : longest;
		text = span_from(text, n + 1);
	}
	return longest;
}

#define OFFER_8BIT "250-8BITMIME\r\n"
#define OFFER_ALL OFFER_8BIT "250-SMTPUTF8\r\n250-PIPELINING\r\n"
#define OFFER_BDAT OFFER_8BIT "250-CHUNKING\r\n"

enum way { AS_IS, SEVEN_BIT, HEADER_ASCII, SHORT_LINES, BY_BDAT };

static const struct form_case {
	const char *name, *content;
	unsigned form;
	bool is_utf8;
	const char *offers;
	enum way way;
	const char *says, *says_not; /* in MAIL */
} form_cases[] = {
	{ "plain", plain, 0, false, NULL, AS_IS, "", "BODY" },
	{ "8-bit to none", body, SMTP_FORM_8BIT, false, NULL, SEVEN_BIT, "", "BODY" },
	{ "8-bit to 8BITMIME", body, SMTP_FORM_8BIT, false, OFFER_8BIT, AS_IS, "BODY=8BITMIME",
	  "UTF8" },
	{ "8-bit of UTF-8 sender", body, SMTP_FORM_8BIT, true, OFFER_8BIT, AS_IS, "BODY=8BITMIME",
	  "UTF8" },
	{ "raw header to none", header, SMTP_FORM_8BIT | SMTP_FORM_8BIT_HEADER, false, NULL,
	  SEVEN_BIT, "", "BODY" },
	{ "raw header to 8BITMIME", header, SMTP_FORM_8BIT | SMTP_FORM_8BIT_HEADER, false,
	  OFFER_8BIT, AS_IS, "BODY=8BITMIME", "UTF8" },
	{ "UTF-8 header to 8BITMIME", header, SMTP_FORM_8BIT | SMTP_FORM_8BIT_HEADER, true,
	  OFFER_8BIT, HEADER_ASCII, "BODY=8BITMIME", "UTF8" },
	{ "UTF-8 header to none", header, SMTP_FORM_8BIT | SMTP_FORM_8BIT_HEADER, true, NULL,
	  SEVEN_BIT, "", "BODY" },
	{ "UTF-8 header to SMTPUTF8", header, SMTP_FORM_8BIT | SMTP_FORM_8BIT_HEADER, true,
	  OFFER_ALL, AS_IS, "BODY=8BITMIME SMTPUTF8", "BINARY" },
	{ "long lines to none", lines, SMTP_FORM_LONG_LINES, false, NULL, SHORT_LINES, "", "BODY" },
	{ "long lines to all", lines, SMTP_FORM_LONG_LINES, false, OFFER_ALL, SHORT_LINES, "",
	  "BINARY" },
	{ "binary to none", binary, SMTP_FORM_BINARY | SMTP_FORM_8BIT, false, NULL, SEVEN_BIT, "",
	  "BODY" },
	{ "binary to CHUNKING", binary, SMTP_FORM_BINARY | SMTP_FORM_8BIT, false,
	  "250-CHUNKING\r\n250-PIPELINING\r\n", SEVEN_BIT, "", "BODY" },
	{ "binary to BINARYMIME without CHUNKING", binary, SMTP_FORM_BINARY | SMTP_FORM_8BIT, false,
	  "250-BINARYMIME\r\n", SEVEN_BIT, "", "BODY" },
	{ "binary to both", binary, SMTP_FORM_BINARY | SMTP_FORM_8BIT | SMTP_FORM_LONG_LINES, false,
	  "250-BINARYMIME\r\n250-CHUNKING\r\n", BY_BDAT, "BODY=BINARYMIME", "8BIT" },
};

static void check_form(const struct form_case *c, bool is_open)
{
	const struct fake_message *m = &fake.messages[0];
	struct span got;
	bool is_same;

	if (job.verdicts[0].outcome != RELAY_DELIVERED || fake.message_count != 1)
		fail_msg("%s: %d %s %s", c->name, job.verdicts[0].code, job.verdicts[0].text,
			 job.verdicts[0].reason);
	got = span_of(m->content, m->octets);
	is_same = span_eq(got, job.content);
	if (is_same != (c->way == AS_IS || c->way == BY_BDAT) || m->by_bdat != (c->way == BY_BDAT))
		fail_msg("%s: got %s", c->name, m->content);
	if (c->way == SEVEN_BIT && (!is_7bit(got) || longest_line(got) > 998))
		fail_msg("%s: got %s", c->name, m->content);
	if (c->way == HEADER_ASCII &&
	    !is_7bit(span_first(got, (size_t)(strstr(m->content, "\r\n\r\n") - m->content))))
		fail_msg("%s: got %s", c->name, m->content);
	if (c->way == SHORT_LINES && longest_line(got) > 999)
		fail_msg("%s: a line of %zu", c->name, longest_line(got));
	if (!strstr(m->mail, c->says) || (!is_open && strstr(m->mail, c->says_not)))
		fail_msg("%s: %s", c->name, m->mail);
	if (job.rewinds != (c->way == AS_IS || c->way == BY_BDAT ? 0 : 1))
		fail_msg("%s: read %u times more", c->name, job.rewinds);
}

static void every_form_to_every_smarthost(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(form_cases) / sizeof(form_cases[0]); i++) {
		const struct form_case *c = &form_cases[i / 2];

		set_up(NULL);
		one_smarthost(c->offers, NULL);
		if (i % 2) {
			begin_open(c->content, c->form, c->is_utf8);
		} else {
			prepare(c->content, c->form);
			job.part_octets = 1;
			job.job.message.is_utf8 = c->is_utf8;
			relay_send(rig.relay, &job.job);
		}
		rig_until(&rig, job_is_done, &job);
		check_form(c, i % 2);
		tear_down(NULL);
	}
}

/* Of a content that is said to have no line with a dot in front, and has one, it shows: what goes as it is was
 * not looked at, what is changed is. */
static void what_is_changed_is_looked_at(void **state)
{
	static const char *const contents[] = {
		"Subject: a\r\n\r\n.b\r\n",
		"Subject: \xC3\xBC\r\n\r\n.b\r\n",
	};
	const unsigned forms[] = { 0, SMTP_FORM_8BIT | SMTP_FORM_8BIT_HEADER };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		set_up(NULL);
		one_smarthost(NULL, NULL);
		if (i / 2)
			begin_open(contents[i % 2], forms[i % 2] | SMTP_FORM_DOTLESS, false);
		else
			send_whole(contents[i % 2], forms[i % 2] | SMTP_FORM_DOTLESS);
		rig_until(&rig, job_is_done, &job);
		assert_outcome(RELAY_DELIVERED, 250);
		assert_int_equal(strstr(fake.messages[0].content, "\r\n.b\r\n") != NULL, i % 2);
		tear_down(NULL);
	}
}

/* What cannot be converted */

static void what_cannot_be_converted_is_refused(void **state)
{
	(void)state;
	for (unsigned is_open = 0; is_open < 2; is_open++) {
		set_up(NULL);
		one_smarthost(NULL, NULL);
		if (is_open)
			begin_open(is_signed, SMTP_FORM_8BIT, false);
		else
			send_whole(is_signed, SMTP_FORM_8BIT);
		rig_until(&rig, job_is_done, &job);
		assert_outcome(RELAY_REFUSED, 554);
		assert_false(job.verdicts[0].is_untried);
		assert_int_equal(fake.starts_of_body, 0);
		/* It is not the connection's fault. */
		send_whole(plain, 0);
		assert_outcome(RELAY_DELIVERED, 250);
		assert_int_equal(fake.connections, 1);
		assert_int_equal(fake.message_count, 1);
		tear_down(NULL);
	}
}

/* Its lines are too long and must not be touched. */
static void long_lines_of_a_signed_part_go_as_they_are(void **state)
{
	static const char signed_lines[] =
		"Subject: t\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b; "
		"protocol=\"application/pgp-signature\"; micalg=pgp-sha256\r\n\r\n"
		"--b\r\nContent-Type: text/plain\r\n\r\n" LINE_100 LINE_100 LINE_100 LINE_100
			LINE_100 LINE_100 LINE_100 LINE_100 LINE_100 LINE_100
		"\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n";

	(void)state;
	one_smarthost(NULL, NULL);
	send_whole(signed_lines, SMTP_FORM_LONG_LINES);
	assert_outcome(RELAY_DELIVERED, 250);
	assert_string_equal(fake.messages[0].content, signed_lines);
}

/* Many that are refused in a row, and all wait for the one connection. */
static void many_are_refused_in_a_row(void **state)
{
	static struct test_job jobs[300];

	(void)state;
	relay_limit_set(limit, 1, 0);
	one_smarthost(NULL, NULL);
	for (size_t i = 0; i < 300; i++) {
		job_init(&jobs[i], "a@x.net", "b@x.net", is_signed);
		jobs[i].job.message.form = SMTP_FORM_8BIT;
		relay_send(rig.relay, &jobs[i].job);
	}
	rig_until(&rig, job_is_done, &jobs[299]);
	for (size_t i = 0; i < 300; i++)
		assert_int_equal(jobs[i].verdicts[0].code, 554);
	assert_int_equal(fake.connections, 1);
}

/* The content comes slowly, fails, or nobody wants it any more, while it is read for the first time */

static bool is_read_in_part(void *user)
{
	(void)user;
	return job.given > 0 && job.given >= job.content.len / 2;
}

static void stop_at_half(struct test_job *j)
{
	j->part_octets = j->content.len / 2;
	j->stops_at = j->content.len / 2;
}

static bool some_turns(void *user)
{
	return ++*(int *)user > 5;
}

static void wait_a_little(void)
{
	int turns = 0;

	rig_until(&rig, some_turns, &turns);
}

static void dry_source_is_waited_for_twice(void **state)
{
	(void)state;
	one_smarthost(NULL, NULL);
	prepare(body, SMTP_FORM_8BIT);
	stop_at_half(&job);
	relay_send(rig.relay, &job.job);
	rig_until(&rig, is_read_in_part, NULL);
	/* Nothing is timed while it waits for us. */
	relay_scale_deadlines(rig.relay, 0);
	relay_more(&job.job);
	wait_a_little();
	assert_false(job.is_done);
	assert_false(relay_cancel(&job.job));
	job.stops_at = 0;
	relay_scale_deadlines(rig.relay, 1000);
	relay_more(&job.job);
	rig_until(&rig, job_is_done, &job);
	assert_outcome(RELAY_DELIVERED, 250);
	assert_int_equal(job.rewinds, 1);
	assert_true(is_7bit(span_of(fake.messages[0].content, fake.messages[0].octets)));
}

/* The longest time that everybody else waits for their turn, of all the time that is used. */
struct turns {
	struct work work;
	double began_ms, last_ms, longest_ms;
	bool is_over;
};

static struct turns turns;

static double used_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void on_turn(struct work *work)
{
	double now = used_ms();

	if (now - turns.last_ms > turns.longest_ms)
		turns.longest_ms = now - turns.last_ms;
	turns.last_ms = now;
	turns.is_over = job.is_done;
	if (!turns.is_over)
		loop_post(rig.loop, work);
}

static bool turns_are_over(void *user)
{
	(void)user;
	return turns.is_over;
}

static bool everybody_has_turns(const char *content)
{
	prepare(content, SMTP_FORM_8BIT_HEADER);
	turns = (struct turns){ .work.run = on_turn, .began_ms = used_ms() };
	turns.last_ms = turns.began_ms;
	loop_post(rig.loop, &turns.work);
	relay_send(rig.relay, &job.job);
	rig_until(&rig, turns_are_over, NULL);
	assert_outcome(RELAY_DELIVERED, 250);
	return turns.longest_ms * 10 < turns.last_ms - turns.began_ms;
}

/* Each of these domains is converted: a field may be made to take thousands of times what a body does. */
static void slow_conversion_lets_others_have_their_turn(void **state)
{
	enum { FIELDS = 20, DOMAINS = 7000 };
	struct buf slow = { 0 };
	bool is_so = false;

	(void)state;
	for (int i = 0; i < FIELDS * DOMAINS; i++)
		buf_put_text(&slow, i % DOMAINS ? " a@\xC3\xA9,\r\n" : "To: b@c.d,\r\n");
	buf_put(&slow, "\r\n", 3);
	one_smarthost(NULL, NULL);
	/* A virtual machine counts what others took of a turn as used by it. */
	for (int tries = 0; tries < 3 && !is_so; tries++)
		is_so = everybody_has_turns((const char *)buf_span(&slow).at);
	assert_true(is_so);
	buf_fini(&slow);
}

static void content_that_fails_costs_no_connection(void **state)
{
	(void)state;
	for (unsigned is_open = 0; is_open < 2; is_open++) {
		set_up(NULL);
		one_smarthost(NULL, NULL);
		if (is_open) {
			begin_open(body, SMTP_FORM_8BIT, false);
			job.error = -EIO;
		} else {
			prepare(body, SMTP_FORM_8BIT);
			job.error = -EIO;
			relay_send(rig.relay, &job.job);
		}
		rig_until(&rig, job_is_done, &job);
		assert_outcome(RELAY_DEFERRED, 0);
		assert_non_null(strstr(job.verdicts[0].reason, "cannot be read"));
		send_whole(plain, 0);
		assert_outcome(RELAY_DELIVERED, 250);
		assert_int_equal(fake.connections, 1);
		tear_down(NULL);
	}
}

static void cut_the_line(void)
{
	pthread_mutex_lock(&fake.lock);
	for (unsigned i = 0; i < fake.connections; i++)
		if (fake.talk_fds[i] >= 0)
			shutdown(fake.talk_fds[i], SHUT_RDWR);
	pthread_mutex_unlock(&fake.lock);
}

static bool is_cut(void *user)
{
	(void)user;
	return fake.connections == 2;
}

/* The peer goes while the content is read: nothing was said of it, so another connection has it. */
static void death_while_it_is_read_is_silent(void **state)
{
	(void)state;
	for (unsigned is_open = 0; is_open < 2; is_open++) {
		set_up(NULL);
		one_smarthost(NULL, NULL);
		if (is_open) {
			job_open(&job, "alice@example.com", "bob@example.net", body);
			stop_at_half(&job);
			relay_send(rig.relay, &job.job);
			rig_until(&rig, is_accepted, NULL);
			job.job.message.form = SMTP_FORM_8BIT;
			job_content(&job);
		} else {
			prepare(body, SMTP_FORM_8BIT);
			stop_at_half(&job);
			relay_send(rig.relay, &job.job);
		}
		rig_until(&rig, is_read_in_part, NULL);
		wait_a_little();
		cut_the_line();
		rig_until(&rig, is_cut, NULL);
		assert_false(job.is_done);
		job.stops_at = 0;
		relay_more(&job.job);
		rig_until(&rig, job_is_done, &job);
		assert_outcome(RELAY_DELIVERED, 250);
		assert_int_equal(fake.message_count, 1);
		tear_down(NULL);
	}
}

static void stopping_ends_a_job_that_is_read(void **state)
{
	(void)state;
	one_smarthost(NULL, NULL);
	prepare(body, SMTP_FORM_8BIT);
	stop_at_half(&job);
	relay_send(rig.relay, &job.job);
	rig_until(&rig, is_read_in_part, NULL);
	relay_free(rig.relay, 10, NULL, NULL);
	rig.relay = NULL;
	rig_until(&rig, job_is_done, &job);
	assert_outcome(RELAY_DEFERRED, 0);
}

/* MAIL or all recipients of an open job are refused while its content is read. */
static const char *answer_to, *answer_with;

static const char *one_answer(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	return strncmp(line, answer_to, strlen(answer_to)) == 0 ? answer_with : NULL;
}

static void refused_before_it_is_read(void **state)
{
	static const char *const verbs[] = { "MAIL", "RCPT" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		set_up(NULL);
		answer_to = verbs[i % 2];
		answer_with = "550 5.7.1 no";
		one_smarthost(i / 2 ? "250-PIPELINING\r\n" : NULL, one_answer);
		job_open(&job, "alice@example.com", "bob@example.net", body);
		job.part_octets = 1;
		relay_send(rig.relay, &job.job);
		job.job.message.form = SMTP_FORM_8BIT;
		job_content(&job);
		rig_until(&rig, job_is_done, &job);
		assert_outcome(RELAY_REFUSED, 550);
		fake.answer = NULL;
		send_whole(plain, 0);
		assert_outcome(RELAY_DELIVERED, 250);
		assert_int_equal(fake.connections, 1);
		tear_down(NULL);
	}
}

/* Connections that differ */

static bool first_takes_8bit;

static const char *differs(const struct fake_talk *talk, const char *line)
{
	if (talk->connection == 1 && talk->messages == 2 && strncmp(line, "MAIL", 4) == 0)
		return FAKE_CLOSE;
	if (strncmp(line, "EHLO", 4) == 0 && first_takes_8bit == (talk->connection == 1))
		return "250-fake\r\n250 8BITMIME";
	return NULL;
}

static void offers_change_between_connections(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		set_up(NULL);
		first_takes_8bit = i;
		one_smarthost(NULL, differs);
		send_whole(body, SMTP_FORM_8BIT);
		assert_int_equal(is_7bit(span_text(fake.messages[0].content)), !first_takes_8bit);
		/* Begun on the first, where it ends before a word. */
		send_whole(body, SMTP_FORM_8BIT);
		assert_outcome(RELAY_DELIVERED, 250);
		assert_int_equal(fake.connections, 2);
		assert_int_equal(is_7bit(span_text(fake.messages[1].content)), first_takes_8bit);
		tear_down(NULL);
	}
}

/* BDAT */

static char *large_content(size_t octets)
{
	char *text = malloc(octets + 1);

	for (size_t i = 0; i < octets; i++)
		text[i] = i % 80 == 78 ? '\r' : i % 80 == 79 ? '\n' : (char)('a' + i % 26);
	memcpy(text, "Subject: t\r\n\r\n", 14);
	memcpy(text + octets - 2, "\r\n", 2);
	text[octets] = '\0';
	return text;
}

static void large_content_goes_by_bdat(void **state)
{
	char *text = large_content(3 << 20);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		set_up(NULL);
		one_smarthost(i ? OFFER_BDAT "250-PIPELINING\r\n" : OFFER_BDAT, NULL);
		prepare(text, 0);
		job.part_octets = 30000;
		relay_send(rig.relay, &job.job);
		rig_until(&rig, job_is_done, &job);
		assert_outcome(RELAY_DELIVERED, 250);
		assert_true(fake.messages[0].by_bdat && fake.chunks > 10);
		assert_true(span_eq(span_of(fake.messages[0].content, fake.messages[0].octets),
				    job.content));
		tear_down(NULL);
	}
	free(text);
}

static const char *fifth_chunk(const struct fake_talk *talk, const char *line)
{
	if (strncmp(line, "BDAT", 4) == 0 && talk->fake->chunks == 4)
		return answer_with;
	return NULL;
}

static void refused_chunk_ends_the_content(void **state)
{
	char *text = large_content(8 << 20);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		set_up(NULL);
		answer_with = "552 5.2.2 full";
		one_smarthost(i ? OFFER_BDAT "250-PIPELINING\r\n" : OFFER_BDAT, fifth_chunk);
		prepare(text, 0);
		job.part_octets = 30000;
		relay_send(rig.relay, &job.job);
		rig_until(&rig, job_is_done, &job);
		assert_outcome(RELAY_REFUSED, 552);
		assert_true(job.given < job.content.len / 2);
		send_whole(plain, 0);
		assert_outcome(RELAY_DELIVERED, 250);
		assert_int_equal(fake.connections, 1);
		assert_int_equal(fake.message_count, 1);
		tear_down(NULL);
	}
	free(text);
}

static const struct {
	const char *to, *with, *reason;
	enum relay_outcome outcome;
	int code;
	bool is_unsure;
} chunk_faults[] = {
	{ "BDAT 12", FAKE_CLOSE, "the reply to a part", RELAY_DEFERRED, 0, false },
	{ "BDAT 12", FAKE_RESET, "", RELAY_DEFERRED, 0, false },
	{ "BDAT 12", "what?", "no SMTP reply", RELAY_DEFERRED, 0, false },
	{ "BDAT 12", "421 4.3.2 down", "", RELAY_DEFERRED, 421, false },
	{ "BDAT 12", "452 4.3.1 full", "", RELAY_DEFERRED, 452, false },
	{ ".", FAKE_CLOSE, "may have been taken", RELAY_DEFERRED, 0, true },
	{ ".", FAKE_STALL, "may have been taken", RELAY_DEFERRED, 0, true },
	{ ".", "550 5.7.1 spam", "", RELAY_REFUSED, 550, false },
	{ "BDAT 12", FAKE_STALL, "no answer within", RELAY_DEFERRED, 0, false },
};

static void every_fault_within_chunks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(chunk_faults) / sizeof(chunk_faults[0]); i++) {
		set_up(NULL);
		answer_to = chunk_faults[i].to;
		answer_with = chunk_faults[i].with;
		one_smarthost(OFFER_BDAT "250-BINARYMIME\r\n", one_answer);
		rig_shorten_stall(&rig, chunk_faults[i].with);
		send_whole(binary, SMTP_FORM_BINARY | SMTP_FORM_8BIT);
		assert_outcome(chunk_faults[i].outcome, chunk_faults[i].code);
		if (!strstr(job.verdicts[0].reason, chunk_faults[i].reason) ||
		    !strstr(job.verdicts[0].reason, "may have been taken") ==
			    chunk_faults[i].is_unsure)
			fail_msg("%zu: %s", i, job.verdicts[0].reason);
		assert_int_equal(fake.message_count, 0);
		tear_down(NULL);
	}
}

/* So large that it goes by BDAT. */
static void send_open(void)
{
	char *text = large_content(2 << 20);

	begin_open(text, 0, false);
	rig_until(&rig, job_is_done, &job);
	free(text);
}

/* What goes wrong with the first one is blamed on BDAT. */
static void doubt_sends_by_data(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(chunk_faults) / sizeof(chunk_faults[0]); i++) {
		set_up(NULL);
		answer_to = strcmp(chunk_faults[i].to, ".") == 0 ? "." : "BDAT";
		answer_with = chunk_faults[i].with;
		one_smarthost(OFFER_BDAT, one_answer);
		rig_shorten_stall(&rig, chunk_faults[i].with);
		send_open();
		assert_outcome(chunk_faults[i].outcome, chunk_faults[i].code);
		relay_scale_deadlines(rig.relay, 1000);
		fake.answer = NULL;
		send_open();
		assert_outcome(RELAY_DELIVERED, 250);
		assert_false(fake.messages[0].by_bdat);
		tear_down(NULL);
	}
}

/* A no over a connection that has taken one speaks of the message. */
static void refusal_of_a_later_one_is_no_doubt(void **state)
{
	(void)state;
	one_smarthost(OFFER_BDAT, NULL);
	send_open();
	assert_outcome(RELAY_DELIVERED, 250);
	answer_to = ".";
	answer_with = "550 5.7.1 spam";
	fake.answer = one_answer;
	send_open();
	assert_outcome(RELAY_REFUSED, 550);
	fake.answer = NULL;
	send_open();
	assert_outcome(RELAY_DELIVERED, 250);
	assert_true(fake.messages[0].by_bdat && fake.messages[1].by_bdat);
	assert_int_equal(fake.starts_of_body, 0);
}

/* Nor does the end of a connection that took one and has said nothing of the next yet. */
static void end_before_a_later_one_is_no_doubt(void **state)
{
	(void)state;
	one_smarthost("250-CHUNKING\r\n", NULL);
	send_open();
	assert_outcome(RELAY_DELIVERED, 250);
	prepare(body, SMTP_FORM_8BIT);
	stop_at_half(&job);
	relay_send(rig.relay, &job.job);
	rig_until(&rig, is_read_in_part, NULL);
	cut_the_line();
	rig_until(&rig, is_cut, NULL);
	job.stops_at = 0;
	relay_more(&job.job);
	rig_until(&rig, job_is_done, &job);
	assert_outcome(RELAY_DELIVERED, 250);
	send_open();
	assert_outcome(RELAY_DELIVERED, 250);
	assert_int_equal(fake.message_count, 3);
	assert_true(fake.messages[0].by_bdat && fake.messages[2].by_bdat);
}

static void distrusted_chunking_is_not_used(void **state)
{
	struct relay_smarthost to;

	(void)state;
	fake.offers = OFFER_BDAT "250-BINARYMIME\r\n";
	fake_start(&fake);
	to = rig_smarthost("main", fake.port, limit);
	to.distrusts_chunking = true;
	rig_relay(&rig, &to, 1);
	send_open();
	assert_outcome(RELAY_DELIVERED, 250);
	send_whole(binary, SMTP_FORM_BINARY | SMTP_FORM_8BIT);
	assert_outcome(RELAY_DELIVERED, 250);
	assert_false(fake.messages[0].by_bdat || fake.messages[1].by_bdat);
}

static atomic_uint commands_seen;

static const char *knows_no_bdat(const struct fake_talk *talk, const char *line)
{
	if (strncmp(line, "BDAT", 4) == 0)
		return "500 5.5.1 what";
	if (strncmp(line, "Subject", 7) == 0 || strncmp(line, "MIME", 4) == 0)
		commands_seen++;
	(void)talk;
	return NULL;
}

/* A proxy passes CHUNKING on, and BDAT is answered 500: what follows are commands to it. */
static void offer_of_chunking_that_is_none(void **state)
{
	struct smtp_client_offers learned;
	struct relay_smarthost to;

	(void)state;
	commands_seen = 0;
	fake.offers = OFFER_BDAT "250-BINARYMIME\r\n";
	fake.answer = knows_no_bdat;
	fake_start(&fake);
	to = rig_smarthost("main", fake.port, limit);
	to.learned = relay_learned_new();
	rig_relay(&rig, &to, 1);
	send_whole(binary, SMTP_FORM_BINARY | SMTP_FORM_8BIT);
	assert_outcome(RELAY_DEFERRED, 451);
	assert_true(job.verdicts[0].is_untried);
	assert_true(commands_seen <= 1);
	assert_true(relay_learned_get(to.learned, &learned) && !learned.chunking);
	/* Again at once, and from now on without. */
	send_whole(binary, SMTP_FORM_BINARY | SMTP_FORM_8BIT);
	assert_outcome(RELAY_DELIVERED, 250);
	assert_false(fake.messages[0].by_bdat);
	assert_int_equal(fake.connections, 2);
	assert_true(relay_learned_get(to.learned, &learned) && !learned.binarymime);
	rig_stop(&rig);
	relay_learned_free(&to.learned);
	rig_start(&rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_to_every_smarthost),
		cmocka_unit_test(what_is_changed_is_looked_at),
		cmocka_unit_test(what_cannot_be_converted_is_refused),
		TEST(long_lines_of_a_signed_part_go_as_they_are),
		TEST(many_are_refused_in_a_row),
		TEST(dry_source_is_waited_for_twice),
		TEST(slow_conversion_lets_others_have_their_turn),
		cmocka_unit_test(content_that_fails_costs_no_connection),
		cmocka_unit_test(death_while_it_is_read_is_silent),
		TEST(stopping_ends_a_job_that_is_read),
		cmocka_unit_test(refused_before_it_is_read),
		cmocka_unit_test(offers_change_between_connections),
		cmocka_unit_test(large_content_goes_by_bdat),
		cmocka_unit_test(refused_chunk_ends_the_content),
		cmocka_unit_test(every_fault_within_chunks),
		cmocka_unit_test(doubt_sends_by_data),
		TEST(refusal_of_a_later_one_is_no_doubt),
		TEST(end_before_a_later_one_is_no_doubt),
		TEST(distrusted_chunking_is_not_used),
		TEST(offer_of_chunking_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

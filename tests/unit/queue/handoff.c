/* tests/unit/queue/handoff.c: what a hand-off comes to, by the order of events. The scripts are those
 * of client.h. */
#include "test.h"

#include "client.h"
#include "handoff_inside.h"

#include <stdio.h>
#include <stdlib.h>

/* answers: + the smarthost's yes, y our own, - its no, ? none. end: "-" none (yet), or what was
 * told. stored: the recipients in the envelope, each with the last that the queue heard of him: + -
 * ~, * one too many, ? nothing; behind it "untried" where the queue is to try at once, "running" where the attempt
 * goes on, "heard" where it is over. jobs: how many the relay got / of these, taken back / how many
 * times the content went out. */
struct handoff_case {
	const char *name, *script;
	const char *answers, *end, *stored, *jobs;
};

static const struct handoff_case cases[] = {
	/* Through */
	{ "taken", "r +0 c .+", "+", "PASSED 250", "", "1/0/1" },
	{ "taken for two", "r +0 r +1 c .+", "++", "PASSED 250", "", "1/0/1" },
	{ "pipelined", "r r r +0 +1 +2 c .+", "+++", "PASSED 250", "", "1/0/1" },
	{ "pipelined, all in one turn", "[ r r +0 +1 ] c .+", "++", "PASSED 250", "", "1/0/1" },
	{ "the others after one refused", "r -0 r +1 c .+", "-+", "PASSED 250", "", "1/0/1" },
	{ "refused after the content", "r +0 c .-", "+", "REFUSED 550", "", "1/0/1" },
	{ "refused after the content, for two", "r r +0 +1 c .-", "++", "REFUSED 550", "",
	  "1/0/1" },
	{ "one by name, one by content", "r r -0 +1 c .-", "-+", "REFUSED 550", "", "1/0/1" },

	/* Refused while open: the relay may end the job, and the next one is asked for anew. */
	{ "MAIL refused for each", "r -0 | r -0 | r +0 c .+", "--+", "PASSED 250", "", "3/0/1" },
	{ "ended in the same turn as the next comes", "r r -0 -1 [ | r ] +0 c .+", "--+",
	  "PASSED 250", "", "2/0/1" },
	{ "come when the job was over already", "r r -0 -1 r | c +0 .+", "--y", "PASSED 250", "",
	  "2/0/1" },

	/* Later: the queue */
	{ "one deferred by name", "r r +0 ~1 c .+ k+", "+y", "STORED", "1~ heard", "1/0/1" },
	{ "all deferred by name", "r r ~0 ~1 c k+", "yy", "STORED", "0~1~ heard", "1/1/0" },
	{ "all deferred, job over", "r ~0 | c k+", "y", "STORED", "0~ heard", "1/0/0" },
	{ "one refused, one deferred by name", "r r -0 ~1 c k+", "-y", "STORED", "1~ heard",
	  "1/1/0" },
	{ "deferred after the content", "r r +0 +1 c .~ k+", "++", "STORED", "0~1~ heard",
	  "1/0/1" },
	{ "no more asked once MAIL is deferred", "r ~0 | r c u k+", "yy", "STORED", "0?1? untried",
	  "2/0/0" },

	/* Too many for one transaction: for the queue at once. */
	{ "the first taken, the second too many", "r +0 r *1 c .+ k+", "+y", "STORED", "1? untried",
	  "1/0/1" },
	{ "the others refused after the content", "r r r +0 *1 *2 c .- k+", "+yy", "STORED",
	  "0-1*2* heard", "1/0/1" },
	{ "the others deferred after the content", "r r +0 *1 c .~ k+", "+y", "STORED",
	  "0~1* heard", "1/0/1" },
	{ "the others deferred by name", "r r r ~0 *1 ~2 c k+", "yyy", "STORED", "0~1*2~ heard",
	  "1/1/0" },
	{ "the others refused by name, job over", "r r -0 *1 | c > .+", "-y", "PASSED 250", "",
	  "2/0/1" },
	{ "one too many, and slow", "r r +0 *1 c t k+ .+", "+y", "STORED", "0+1* heard", "1/0/1" },
	{ "too many when asked again", "r r t c +0 *1 .+ k+", "yy", "STORED", "1? untried",
	  "2/1/1" },
	{ "too many, success wanted of the other", "rs +0 r *1 c .+ k+", "+y", "STORED",
	  "0+1* heard", "1/0/1" },
	{ "too many, no spool", "r +0 r *1 c .+ k-", "+y", "FAILED", "", "1/0/1" },

	/* Lost */
	{ "lost before an answer, then taken", "r x c .+", "y", "PASSED 250", "", "2/0/1" },
	{ "lost while it is held, then taken", "r +0 x c .+", "+", "PASSED 250", "", "2/0/1" },
	{ "lost with the content", "r +0 c x k+", "+", "STORED", "0~ heard", "1/0/0" },
	{ "lost with the second try", "r x c x k+", "y", "STORED", "0~ heard", "2/0/0" },
	{ "another recipient after a loss", "r x r c +0 +1 .+", "yy", "PASSED 250", "", "2/0/1" },

	/* No connection */
	{ "none to be had", "r u c u k+", "y", "STORED", "0? untried", "2/0/0" },
	{ "none at first, then taken", "r u c > .+", "y", "PASSED 250", "", "2/0/1" },
	{ "none within patience, then taken", "r t c > .+", "y", "PASSED 250", "", "2/1/1" },
	{ "none within patience, twice", "r t c t k+", "y", "STORED", "0? untried", "2/2/0" },
	{ "slow at the second try", "r t c +0 t k+ .+", "y", "STORED", "0+ heard", "2/1/1" },

	/* Patience and RCPT */
	{ "one of two slow", "r r +0 t c +0 +1 .+", "+y", "PASSED 250", "", "2/1/1" },
	{ "then refused alone", "r > t c -0 |", "y", "REFUSED 550", "", "2/1/0" },
	{ "then one refused beside one taken", "r r t c -0 .+ k+", "yy", "STORED", "0- heard",
	  "2/1/1" },

	/* Patience and content */
	{ "slow, then taken", "r +0 c t k+ .+", "+", "STORED", "0+ heard", "1/0/1" },
	{ "slow, then refused", "r +0 c t k+ .-", "+", "STORED", "0- heard", "1/0/1" },
	{ "slow, then deferred", "r +0 c t k+ .~", "+", "STORED", "0~ heard", "1/0/1" },
	{ "slow, then lost", "r +0 c t k+ x", "+", "STORED", "0~ heard", "1/0/0" },
	{ "slow, and still running", "r +0 c t k+", "+", "STORED", "0? running", "1/0/0" },
	{ "slow, one deferred before", "r r +0 ~1 c t k+ .+", "+y", "STORED", "0+1~ heard",
	  "1/0/1" },
	{ "taken while it is committed", "r +0 c t .+ k+", "+", "STORED", "0+ heard", "1/0/1" },
	{ "refused while it is committed", "r +0 c t .- k+", "+", "STORED", "0- heard", "1/0/1" },
	{ "taken in the turn of the commit", "r +0 c t [ .+ k+ ]", "+", "STORED", "0+ heard",
	  "1/0/1" },

	{ "taken when patience ends", "r +0 c [ .+ t ]", "+", "PASSED 250", "", "1/0/1" },
	{ "taken, and the job ends after patience", "r +0 c !+ t |", "+", "PASSED 250", "",
	  "1/0/1" },
	{ "refused, and the job ends after patience", "r +0 c !- t |", "+", "REFUSED 550", "",
	  "1/0/1" },

	/* No spool */
	{ "no spool, then taken", "r +0 c t k- .+", "+", "PASSED 250", "", "1/0/1" },
	{ "no spool, then refused", "r +0 c t k- .-", "+", "REFUSED 550", "", "1/0/1" },
	{ "no spool, then deferred", "r +0 c t k- .~", "+", "FAILED", "", "1/0/1" },
	{ "no spool, then lost", "r +0 c t k- x", "+", "FAILED", "", "1/0/0" },
	{ "no spool, taken before that is known", "r +0 c t .+ k-", "+", "PASSED 250", "",
	  "1/0/1" },
	{ "no spool, refused before that is known", "r +0 c t .- k-", "+", "REFUSED 550", "",
	  "1/0/1" },
	{ "no spool for the deferred", "r +0 c .~ k-", "+", "FAILED", "", "1/0/1" },
	{ "no spool for one of two", "r r +0 ~1 c .+ k-", "+y", "FAILED", "", "1/0/1" },
	{ "no spool, nobody asked", "r u c u k-", "y", "FAILED", "", "2/0/0" },

	/* A client that lets the connection wait */
	{ "held too long", "r +0 t c +0 .+", "+", "PASSED 250", "", "2/1/1" },
	{ "held too long, then another", "r +0 t r +0 +1 c .+", "++", "PASSED 250", "", "2/1/1" },
	{ "held too long, then refused", "r +0 t r +0 -1 c .+", "+-", "PASSED 250", "", "2/1/1" },
	{ "held too long three times", "r +0 t r +1 t r +2 t r c .+", "+++y", "PASSED 250", "",
	  "4/3/1" },
	{ "accepted once, refused when asked again", "r +0 t r -0 +1 c .+ k+", "++", "STORED",
	  "0- heard", "2/1/1" },
	{ "all accepted once, refused when asked again", "r +0 t r -0 -1 c", "+-", "REFUSED 550",
	  "", "2/2/0" },

	/* Contents that memory does not keep */
	{ "large and taken", "r +0 L .+", "+", "PASSED 250", "", "2/1/1" },
	{ "large and refused", "r +0 L .-", "+", "REFUSED 550", "", "2/1/1" },
	{ "large and refused by name", "r +0 L -0 |", "+", "REFUSED 550", "", "2/1/0" },
	{ "large and deferred", "r +0 L .~ k+", "+", "STORED", "0~ heard", "2/1/1" },
	{ "large and slow", "r +0 L +0 t k+ .+", "+", "STORED", "0+ heard", "2/1/1" },
	{ "large, the disk slow", "H r +0 L h+ .+", "+", "PASSED 250", "", "2/1/1" },
	{ "large, the disk slower than patience", "H r +0 L t h+ k+", "+", "STORED", "0? untried",
	  "1/1/0" },
	{ "large, the disk full", "H r +0 L h- ", "+", "FAILED", "", "1/1/0" },
	{ "large, the disk full beyond patience", "H r +0 L t h-", "+", "FAILED", "", "1/1/0" },

	/* Clients that go */
	{ "gone at once", "d", "", "-", "", "0/0/0" },
	{ "gone before an answer", "r d", "?", "-", "", "1/1/0" },
	{ "gone in the turn of the answer", "r [ +0 d ]", "?", "-", "", "1/1/0" },
	{ "gone after the answer", "r +0 d", "+", "-", "", "1/1/0" },
	{ "gone in the turn of the answer, then time passes", "r [ +0 d t ]", "?", "-", "",
	  "1/1/0" },
	{ "gone in the turn of an end", "r [ x d ]", "?", "-", "", "1/0/0" },
	{ "gone after the content, taken", "r +0 c d .+", "+", "-", "", "1/0/1" },
	{ "gone after the content, refused", "r +0 c d .-", "+", "-", "", "1/0/1" },
	{ "gone after the content, deferred", "r +0 c d .~ k+", "+", "-", "0~ heard", "1/0/1" },
	{ "gone while it is slow", "r +0 c t d k+ .+", "+", "-", "0+ heard", "1/0/1" },
	{ "gone while it goes on", "r +0 c d t k+ .+", "+", "-", "0+ heard", "1/0/1" },
	{ "gone and no spool", "r +0 c t d k- .+", "+", "-", "", "1/0/1" },
	{ "gone in the turn of the end", "r +0 c [ .+ d ]", "+", "-", "", "1/0/1" },
	{ "gone with a large one on its way", "H r +0 L d h+ .+", "+", "-", "", "2/1/1" },

	/* Notices of success */
	{ "success wanted, no DSN", "rs +0 c .+ k+", "+", "STORED", "0+ heard", "1/0/1" },
	{ "success wanted of one, no DSN", "r rs +0 +1 c .+ k+", "++", "STORED", "1+ heard",
	  "1/0/1" },
	{ "success wanted, refused", "rs +0 c .-", "+", "REFUSED 550", "", "1/0/1" },
	{ "success wanted, taken, no spool", "rs +0 c .+ k-", "+", "PASSED 250", "", "1/0/1" },
};

static const char *const outcome_names[] = {
	[HANDOFF_PASSED] = "PASSED",
	[HANDOFF_STORED] = "STORED",
	[HANDOFF_REFUSED] = "REFUSED",
	[HANDOFF_FAILED] = "FAILED",
};

static void write_answers(char *out)
{
	for (size_t i = 0; i < client.recipients; i++) {
		int code = client.answers[i].code;

		*out++ = !client.answers[i].is_told ? '?'
			 : code == 0		    ? 'y'
			 : code < 300		    ? '+'
						    : '-';
	}
	*out = '\0';
}

static void write_end(char *out, size_t room)
{
	if (!client.is_done)
		snprintf(out, room, "-");
	else if (client.code)
		snprintf(out, room, "%s %d", outcome_names[client.outcome], client.code);
	else
		snprintf(out, room, "%s", outcome_names[client.outcome]);
}

static char heard_letter(const struct hall_heard *heard)
{
	static const char letters[] = {
		[RELAY_DELIVERED] = '+', [RELAY_REFUSED] = '-', [RELAY_DEFERRED] = '~'
	};

	if (heard->is_untried)
		return '*';
	return heard->count ? letters[heard->outcome] : '?';
}

static void write_stored(char *out)
{
	const struct hall_queued *q = &hall.queued;

	*out = '\0';
	if (!q->is_there)
		return;
	for (size_t i = 0; i < q->envelope.recipient_count; i++) {
		*out++ = q->envelope.recipients[i].address[0];
		*out++ = heard_letter(&q->heard[i]);
	}
	strcpy(out, !q->is_active ? " untried" : q->is_ended ? " heard" : " running");
}

static void compare(const struct handoff_case *c, const char *what, const char *have,
		    const char *want)
{
	if (strcmp(have, want) != 0)
		fail_msg("%s (%s): %s: \"%s\", not \"%s\"", c->name, c->script, what, have, want);
}

static void check(const struct handoff_case *c)
{
	char text[64];

	write_answers(text);
	compare(c, "answers", text, c->answers);
	write_end(text, sizeof(text));
	compare(c, "end", text, c->end);
	write_stored(text);
	compare(c, "stored", text, c->stored);
	snprintf(text, sizeof(text), "%u/%u/%u", hall.jobs, hall.cancels, hall.contents_sent);
	compare(c, "jobs", text, c->jobs);
	if (hall.contents_sent)
		assert_memory_equal(hall.sent.at, client.content.at, client.content.len);
}

static void end_case(void)
{
	if (client.handoff && !client.has_finished)
		client_drop();
	if (hall.relay.job)
		hall_lose();
	hall_close();
}

static void orders_of_events(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		hall_open();
		client_open(true);
		client_play(cases[i].script);
		check(&cases[i]);
		end_case();
	}
}

/* No smarthost is asked; what is not hybrid is stored. */
static void queue_way(void **state)
{
	static const struct handoff_case queue_cases[] = {
		{ "stored", "r r c k+", "yy", "STORED", "0?1? untried", "0/0/0" },
		{ "large", "r L k+", "y", "STORED", "0? untried", "0/0/0" },
		{ "not stored", "r c k-", "y", "FAILED", "", "0/0/0" },
		{ "gone before the end", "r d", "y", "-", "", "0/0/0" },
		{ "gone after the end", "r c d k+", "y", "-", "0? untried", "0/0/0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(queue_cases) / sizeof(queue_cases[0]); i++) {
		hall_open();
		client_open(false);
		client_play(queue_cases[i].script);
		check(&queue_cases[i]);
		end_case();
	}
}

/* Of what is to go later no smarthost hears now. */
static void later_is_stored(void **state)
{
	static const struct {
		int64_t given_ms, kept_ms;
	} releases[] = { { 1000001, 1000001 },
			 { 1, 1 }, /* past, but asked for */
			 { INT64_MAX, ENVELOPE_RELEASE_MOST_MS } };
	static const struct handoff_case later = { "later",  "r r c k+",     "yy",
						   "STORED", "0?1? untried", "0/0/0" };

	(void)state;
	for (size_t i = 0; i < sizeof(releases) / sizeof(releases[0]); i++) {
		hall_open();
		client_open_future(releases[i].given_ms);
		client_play(later.script);
		check(&later);
		assert_true(hall.queued.envelope.release_ms == releases[i].kept_ms);
		end_case();
	}
}

static void what_is_stored_is_what_came(void **state)
{
	const struct envelope *e = &hall.queued.envelope;

	(void)state;
	hall_open();
	client_open(true);
	client_play("rs +0 c .~ k+");
	assert_int_equal(e->sid, 7);
	assert_string_equal(e->account, "alice");
	assert_string_equal(e->sender, "alice@example.com");
	assert_string_equal(e->envid, "e1");
	assert_int_equal(e->ret, SMTP_RET_HDRS);
	assert_string_equal(e->recipients[0].address, "0@example.net");
	assert_string_equal(e->recipients[0].orcpt, "rfc822;x@y");
	assert_int_equal(e->recipients[0].notify, SMTP_NOTIFY_SUCCESS);
	assert_int_equal(e->size, client.content.len);
	assert_int_equal(e->header_octets, 40);
	assert_int_equal(e->form, SMTP_FORM_8BIT);
	assert_true(e->is_utf8 && e->require_tls);
	assert_int_equal(e->release_ms, 0);
	assert_true(hall.queued.is_kept);
	assert_int_equal(hall.queued.reserved, client.content.len);
	assert_memory_equal(hall.queued.memory.at, client.content.at, client.content.len);
	end_case();
}

/* A smarthost that offers DSN tells the sender itself. */
static void success_is_left_to_a_smarthost_with_dsn(void **state)
{
	(void)state;
	hall_open();
	hall.offers_dsn = true;
	client_open(true);
	client_play("rs +0 c .+");
	assert_true(client.is_done);
	assert_int_equal(client.outcome, HANDOFF_PASSED);
	assert_int_equal(hall.commits, 0);
	end_case();
}

/* As many as a message may have, one command at a time: each is told once, in turn. The work of a turn
 * does not grow with those who were told before. */
static size_t told;

static void on_crowd(void *user, size_t index, const struct smtp_reply *reply, const char *host)
{
	(void)user, (void)host;
	assert_null(reply);
	assert_int_equal(index, told);
	told++;
}

static void on_crowd_end(void *user, const struct handoff_end *end)
{
	*(enum handoff_outcome *)user = end->outcome;
}

static void a_crowd_of_recipients(void **state)
{
	enum handoff_outcome outcome = HANDOFF_FAILED;
	struct handoff_conf conf = { .account = "alice",
				     .sender = span_text("alice@example.com"),
				     .recipient = on_crowd,
				     .done = on_crowd_end,
				     .user = &outcome };
	struct handoff *h;

	(void)state;
	client = (struct client){ 0 };
	hall_open();
	conf.queue = hall.queue;
	told = 0;
	h = handoff_new(&conf);
	for (size_t i = 0; i < ENVELOPE_RECIPIENTS_MOST; i++) {
		handoff_recipient(h, span_text("bob@example.net"), NULL);
		hall_settle();
		assert_int_equal(told, i + 1);
	}
	handoff_begin(h);
	handoff_put(h, span_text("\r\n"));
	handoff_finish(h, 0, 0, 0);
	hall_commit(0);
	assert_int_equal(outcome, HANDOFF_STORED);
	assert_int_equal(hall.queued.envelope.recipient_count, ENVELOPE_RECIPIENTS_MOST);
	end_case();
}

/* A client, a log and a notice get whole characters. */
static void long_words_are_cut_at_a_character(void **state)
{
	char text[600] = "x";
	struct relay_verdict no = { .outcome = RELAY_REFUSED };
	struct heard *heard;

	(void)state;
	for (size_t i = 1; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xC3\xA9", 3);
	no.reply = (struct smtp_reply){ 550, { 5, 1, 1 }, span_text(text) };
	heard = heard_new(&no);
	assert_int_equal(strlen(heard->words), 511);
	assert_true(span_is_utf8(span_text(heard->words)));
	heard_free(&heard);
}

/* They go to the client, to posternctl and into notices. */
static void words_are_made_safe(void **state)
{
	struct relay_verdict no = { .outcome = RELAY_REFUSED };
	struct heard *heard;

	(void)state;
	no.reply = (struct smtp_reply){ 550,
					{ 5, 1, 1 },
					span_text("a\x1B[2J\x7F\xC2\x9B"
						  "1m \xC3\xA9 \x9B\xFF \xC3") };
	heard = heard_new(&no);
	assert_string_equal(heard->words, "a?[2J???1m \xC3\xA9 ?? ?");
	heard_free(&heard);
}

static void log_and_counters_tell_one_story(void **state)
{
	static const struct {
		const char *script;
		unsigned delivered_lines, refused_lines, settled_lines, repeat_lines;
		unsigned passed, handed_over;
	} stories[] = {
		{ "r r +0 +1 c .+", 2, 0, 1, 0, 1, 0 },
		{ "r r +0 ~1 c .+ k+", 1, 0, 0, 0, 0, 0 },
		{ "r r +0 ~1 c .+ k-", 1, 0, 0, 1, 0, 0 },
		{ "r r -0 +1 c .+", 1, 1, 1, 0, 1, 0 },
		{ "r r -0 +1 c .-", 0, 2, 0, 0, 0, 0 },
		{ "r +0 c .-", 0, 1, 0, 0, 0, 0 },
		{ "r +0 c d .-", 0, 1, 0, 0, 0, 0 },
		{ "r +0 c t k+ .+", 0, 0, 0, 0, 0, 1 },
		{ "r +0 c t .+ k+", 0, 0, 0, 0, 0, 0 },
		{ "r +0 c t .- k+", 0, 0, 0, 0, 0, 0 },
		{ "r +0 c t k- .+", 1, 0, 1, 0, 1, 0 },
		{ "r +0 c d .+", 1, 0, 1, 0, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		hall_open();
		client_open(true);
		client_play(stories[i].script);
		assert_int_equal(hall.delivered_lines, stories[i].delivered_lines);
		assert_int_equal(HALL_COUNTED(recipients_delivered), stories[i].delivered_lines);
		assert_int_equal(hall.refused_lines, stories[i].refused_lines);
		assert_int_equal(hall.settled_lines, stories[i].settled_lines);
		assert_int_equal(hall.repeat_lines, stories[i].repeat_lines);
		assert_int_equal(HALL_COUNTED(messages_passed), stories[i].passed);
		assert_int_equal(HALL_COUNTED(messages_handed_over), stories[i].handed_over);
		end_case();
	}
}

/* When waits end: each anew, and one in vain is not made again. */
/* Each recipient comes in time, and the last of them late enough. */
static void a_connection_is_held_for_three_seconds_in_all(void **state)
{
	(void)state;
	hall_open();
	client_open(true);
	for (unsigned i = 0; i < 4; i++) {
		client_play("r");
		if (i == 0)
			hall_carry();
		hall_accept(i);
		hall_settle();
		if (i < 3)
			hall_wait(900);
	}
	assert_non_null(hall.relay.job);
	assert_true(hall_pass_time());
	assert_int_equal(hall_now_ms(), 3000);
	assert_null(hall.relay.job);
	client_play("r");
	assert_int_equal(hall.jobs, 1);
	end_case();
}

static void an_account_has_few_open_asks(void **state)
{
	(void)state;
	hall_open();
	hall.asks_most = 0;
	client_open(true);
	client_play("r");
	assert_true(client.answers[0].is_told);
	assert_int_equal(hall.jobs, 0);
	hall.asks_most = 1;
	client_play("r > +0 +1");
	assert_int_equal(hall.asks, 1);
	client_play("c");
	assert_int_equal(hall.asks, 0);
	client_play(".+");
	assert_int_equal(client.outcome, HANDOFF_PASSED);
	end_case();
}

static void waits(void **state)
{
	static const struct {
		const char *script;
		int64_t waited_ms;
	} times[] = {
		{ "r t", 5000 },	   { "r +0 t", 1000 },	      { "r +0 r t", 5000 },
		{ "r +0 c t", 5000 },	   { "r t c t", 5200 },	      { "r t c +0 t", 10000 },
		{ "r > t c t", 5200 },	   { "r r +0 t c t", 10000 }, { "r u c t", 200 },
		{ "r +0 t c +0 t", 6000 }, { "r x c t", 5000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		hall_open();
		client_open(true);
		client_play(times[i].script);
		if (hall_now_ms() != times[i].waited_ms)
			fail_msg("%s: %ld ms, not %ld", times[i].script, (long)hall_now_ms(),
				 (long)times[i].waited_ms);
		if (hall.commit)
			hall_commit(0);
		end_case();
	}
}

static void send_one_told(size_t octets, uint64_t size)
{
	hall.contents_sent = 0; /* of the message before */
	client_open_told(size);
	client_play("r +0");
	client_send(octets);
}

static void send_one(size_t octets)
{
	send_one_told(octets, 0);
}

static void memory_of_large_contents_is_used_again(void **state)
{
	const unsigned char *block;

	(void)state;
	hall_open();
	send_one(1000);
	client_play(".+");
	assert_int_equal(hall.queue->spares, 0);
	send_one(60000);
	client_play(".+");
	assert_int_equal(hall.queue->spares, 1);
	block = hall.queue->spare[0].at;
	send_one(60000);
	assert_int_equal(hall.queue->spares, 0);
	client_play(".+");
	assert_int_equal(hall.queue->spares, 1);
	assert_ptr_equal(hall.queue->spare[0].at, block);
	hall_close();
}

/* Many senders that hold what others have filled before must not hold more than the budget allows. */
static void budget_covers_the_whole_block(void **state)
{
	(void)state;
	hall_open();
	send_one(60000);
	client_play(".+");
	send_one(40000);
	assert_int_equal(hall.queue->spares, 0);
	assert_int_equal(hall.budget - hall.left, QUEUE_SPARE_OCTETS);
	client_play(".+");
	assert_int_equal(hall.left, hall.budget);
	hall_close();
}

/* Who says that much will come gets a block for it with the first octets that need a second one, on the
 * budget's account, and not where that has nothing left. */
static void a_size_that_was_told_spares_a_step(void **state)
{
	(void)state;
	hall_open();
	send_one_told(5000, 60000);
	assert_int_equal(hall.budget - hall.left, 5000);
	client_play(".+");
	assert_int_equal(hall.queue->spares, 0);
	send_one_told(20000, 20000);
	assert_int_equal(hall.budget - hall.left, 20000);
	client_play(".+");
	assert_int_equal(hall.queue->spares, 0);
	hall.left = hall.budget = 20000;
	send_one_told(20000, 60000);
	client_play(".+");
	assert_int_equal(hall.queue->spares, 0);
	hall.left = hall.budget = 1 << 20;
	send_one_told(20000, 60000);
	assert_int_equal(hall.budget - hall.left, QUEUE_SPARE_OCTETS);
	client_play(".+");
	assert_int_equal(hall.queue->spares, 1);
	assert_int_equal(hall.left, hall.budget);
	hall_close();
}

static void few_blocks_are_kept_and_of_one_size(void **state)
{
	struct buf block = { 0 };

	(void)state;
	hall_open();
	for (unsigned i = 0; i < 2 * QUEUE_SPARES; i++) {
		buf_room(&block, QUEUE_SPARE_OCTETS);
		queue_take_back(hall.queue, &block);
		assert_null(block.at);
		buf_room(&block, 2 * QUEUE_SPARE_OCTETS);
		queue_take_back(hall.queue, &block);
		assert_null(block.at);
		assert_true(hall.queue->spares <= QUEUE_SPARES);
		assert_int_equal(hall.queue->spare[hall.queue->spares - 1].cap, QUEUE_SPARE_OCTETS);
	}
	assert_int_equal(hall.queue->spares, QUEUE_SPARES);
	hall_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_of_events),
		cmocka_unit_test(queue_way),
		cmocka_unit_test(later_is_stored),
		cmocka_unit_test(a_crowd_of_recipients),
		cmocka_unit_test(what_is_stored_is_what_came),
		cmocka_unit_test(success_is_left_to_a_smarthost_with_dsn),
		cmocka_unit_test(long_words_are_cut_at_a_character),
		cmocka_unit_test(words_are_made_safe),
		cmocka_unit_test(log_and_counters_tell_one_story),
		cmocka_unit_test(waits),
		cmocka_unit_test(a_connection_is_held_for_three_seconds_in_all),
		cmocka_unit_test(an_account_has_few_open_asks),
		cmocka_unit_test(memory_of_large_contents_is_used_again),
		cmocka_unit_test(budget_covers_the_whole_block),
		cmocka_unit_test(a_size_that_was_told_spares_a_step),
		cmocka_unit_test(few_blocks_are_kept_and_of_one_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tests/unit/relay/random.c: an owner that holds its jobs until there is room, and smarthosts that do
 * anything. Every job ends, and no message arrives twice unless its connection died after the dot, nor
 * in a form that its smarthost does not take.
 *
 * The seed is printed; random SEED replays the choices, though not the threads' timing.
 */
#include "test.h"

#include "pool.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { JOBS = 150, ROUTES = 2, TROUBLE_MS = 1500 };

/* What is sent: the second smarthost takes none of the forms. */
static const struct {
	unsigned form;
	const char *content;
} contents[] = {
	{ 0, "Subject: t\r\n\r\nHello\r\n" },
	{ SMTP_FORM_8BIT, "Subject: t\r\nMIME-Version: 1.0\r\n"
			  "Content-Type: text/plain; charset=utf-8\r\n\r\n\xC3\xBC\r\n" },
	{ SMTP_FORM_8BIT | SMTP_FORM_BINARY,
	  "Subject: t\r\nMIME-Version: 1.0\r\nContent-Type: image/png\r\n"
	  "Content-Transfer-Encoding: binary\r\n\r\n\xC3\nx\r" },
};

enum stand { HELD, SENT, ENDED };

struct piece {
	struct test_job job; /* first */
	char recipients[3][32];
	enum stand stand;
	size_t size; /* recipients in the end */
	size_t what; /* of `contents` */
	bool is_client;
	/* Each recipient of the whole message */
	bool is_taken[3];
	unsigned unsure[3]; /* times that it may have been taken without our knowledge */
	size_t asked[3];    /* which of them is which in the job */
	struct timer next;  /* what the client does next */
};

static struct rig rig;
static struct fake fakes[ROUTES];
static struct relay_limit *limits[ROUTES];
static struct piece pieces[JOBS];
static size_t ended;
static unsigned seed, state;
static atomic_bool is_calm;
static struct work pump_work;
static bool is_pump_posted;

/* Not rand(): the smarthosts' threads have a sequence of their own. */
static unsigned roll(unsigned most)
{
	state = state * 1103515245u + 12345u;
	return (state >> 16) % most;
}

/* The smarthosts */

static const char *trouble(const struct fake_talk *talk, const char *line)
{
	/* Words before the content would be taken for those after it: there only the first three. */
	static const char *const replies[] = { FAKE_CLOSE,	 FAKE_RESET,	    FAKE_STALL,
					       "421 4.3.2 busy", "451 4.3.0 later", "what?" };
	const unsigned most = strcmp(line, "(body)") == 0 ? 3 : 6;
	static _Thread_local unsigned mine;

	if (is_calm)
		return NULL;
	if (mine == 0)
		mine = seed + talk->connection;
	mine = mine * 1103515245u + 12345u;
	if ((mine >> 16) % 100 >= 12)
		return NULL;
	return replies[(mine >> 8) % most];
}

/* The owner */

static void post_pump(void)
{
	if (!is_pump_posted)
		loop_post(rig.loop, &pump_work);
	is_pump_posted = true;
}

static void end_piece(struct piece *p)
{
	p->stand = ENDED;
	ended++;
	timer_clear(rig.loop, &p->next);
}

static void hold(struct piece *p)
{
	p->stand = HELD;
	timer_clear(rig.loop, &p->next);
	post_pump();
}

static void on_recipient(struct relay_job *job, size_t index, const struct relay_verdict *v)
{
	struct piece *p = (struct piece *)(void *)job;

	assert_true(index < job->message.recipient_count);
	assert_int_equal(p->stand, SENT);
	assert_int_equal(p->job.verdicts[index].count++, 0);
	index = p->asked[index];
	assert_false(p->is_taken[index]);
	p->is_taken[index] = v->outcome == RELAY_DELIVERED;
	if (v->reason && strstr(v->reason, "may have been taken"))
		p->unsure[index]++;
	/* Untried although somebody was asked: one recipient too many, or said too late. */
	if (v->is_untried && v->smarthost)
		assert_int_equal(v->reply.code / 10, 45);
}

/* Urgent ones that were not taken wait in line like the others from then on. */
static void on_done(struct relay_job *job)
{
	struct piece *p = (struct piece *)(void *)job;

	assert_int_equal(p->stand, SENT);
	for (size_t i = 0; i < job->message.recipient_count; i++)
		assert_int_equal(p->job.verdicts[i].count, 1);
	p->is_client = false;
	for (size_t i = 0; i < p->size; i++)
		if (!p->is_taken[i]) {
			hold(p);
			return;
		}
	end_piece(p);
}

static void add_recipient(struct piece *p, size_t index)
{
	size_t *count = &p->job.job.message.recipient_count;

	p->asked[*count] = index;
	p->job.recipients[(*count)++] = span_text(p->recipients[index]);
}

static void prepare(struct piece *p)
{
	job_init(&p->job, "alice@example.com", "", contents[p->what].content);
	p->job.part_octets = 40;
	p->job.job.message.form = contents[p->what].form;
	p->job.job.recipient = on_recipient;
	p->job.job.done = on_done;
	p->job.job.accepted = NULL;
	p->stand = SENT;
}

static void send_whole(struct piece *p)
{
	prepare(p);
	for (size_t i = 0; i < p->size; i++)
		if (!p->is_taken[i])
			add_recipient(p, i);
	relay_send(rig.relay, &p->job.job);
}

static void send_open(struct piece *p)
{
	prepare(p);
	add_recipient(p, 0);
	p->job.job.is_open = p->job.job.is_urgent = true;
	p->job.job.message.size = 0;
	/* Of one who says BINARYMIME it is known with MAIL, if he does. */
	p->job.job.message.form &= roll(4) ? SMTP_FORM_BINARY : 0;
	p->job.job.message.may_be_8bit = roll(4) > 0;
	relay_send(rig.relay, &p->job.job);
	timer_set(rig.loop, &p->next, 1 + roll(20));
}

static void on_client(struct timer *timer)
{
	struct piece *p = timer_entry(timer, struct piece, next);
	struct relay_job *job = &p->job.job;

	if (p->stand != SENT)
		return;
	if (roll(4) == 0 && relay_cancel(job)) {
		p->is_client = false;
		hold(p);
		return;
	}
	if (!job->is_open)
		return;
	if (job->message.recipient_count < p->size) {
		add_recipient(p, job->message.recipient_count);
		relay_grow(job);
	} else {
		job->message.size = p->job.content.len;
		job->message.form = contents[p->what].form;
		relay_content(job);
	}
	timer_set(rig.loop, &p->next, 1 + roll(20));
}

/* As many as there is room for, and no more until room is told. */
static void pump(struct work *work)
{
	size_t room = relay_room(rig.relay);

	(void)work;
	is_pump_posted = false;
	for (size_t i = 0; i < JOBS && room > 0; i++) {
		if (pieces[i].stand != HELD || pieces[i].is_client)
			continue;
		send_whole(&pieces[i]);
		room--;
	}
}

static void on_room(void *user)
{
	(void)user;
	post_pump();
}

static void on_arrival(struct timer *timer)
{
	send_open(timer_entry(timer, struct piece, next));
	timer->fire = on_client;
}

static void begin(void)
{
	for (size_t i = 0; i < JOBS; i++) {
		struct piece *p = &pieces[i];

		*p = (struct piece){ .size = 1 + roll(3), .is_client = roll(2), .what = roll(3) };
		for (size_t k = 0; k < p->size; k++)
			snprintf(p->recipients[k], sizeof(p->recipients[k]), "r%03zu.%zu@x.net", i,
				 k);
		p->next.fire = on_arrival;
		if (p->is_client)
			timer_set(rig.loop, &p->next, 1 + roll(TROUBLE_MS));
	}
	ended = 0;
	is_pump_posted = false;
	pump_work.run = pump;
	post_pump();
}

static bool all_ended(void *user)
{
	int64_t until = *(int64_t *)user;

	if (loop_now_ms(rig.loop) > until)
		is_calm = true;
	return ended == JOBS;
}

static unsigned arrivals_of(const char *recipient)
{
	unsigned n = 0;

	for (size_t f = 0; f < ROUTES; f++)
		for (unsigned i = 0; i < fakes[f].message_count; i++)
			n += strstr(fakes[f].messages[i].recipients, recipient) != NULL;
	return n;
}

/* Each smarthost has what it takes. */
static void check_forms(void)
{
	for (size_t f = 0; f < ROUTES; f++)
		for (unsigned i = 0; i < fakes[f].message_count; i++) {
			const struct fake_message *m = &fakes[f].messages[i];
			bool says_8bit = strstr(m->mail, "BODY=8BITMIME") != NULL;
			bool is_binary = strstr(m->mail, "BINARYMIME") != NULL;

			assert_true(m->by_bdat || !is_binary);
			if (!is_binary && !says_8bit && !span_is_ascii(span_text(m->content)))
				fail_msg("seed %u: %s: %s", seed, m->mail, m->content);
			if (f == 1)
				assert_false(m->by_bdat || says_8bit);
		}
}

static void check(void)
{
	check_forms();
	for (size_t i = 0; i < JOBS; i++) {
		struct piece *p = &pieces[i];

		for (size_t k = 0; k < p->size; k++) {
			unsigned n = arrivals_of(p->recipients[k]);

			if (n < 1 || n > 1 + p->unsure[k])
				fail_msg("seed %u: %s arrived %u times, unsure %u", seed,
					 p->recipients[k], n, p->unsure[k]);
		}
	}
}

static void play(unsigned with_rate)
{
	struct relay_smarthost to[ROUTES];
	struct relay_conf conf;
	int64_t until;

	printf("seed %u, %s rate\n", seed, with_rate ? "with a" : "without");
	state = seed;
	is_calm = false;
	rig_start(&rig);
	for (size_t i = 0; i < ROUTES; i++) {
		memset(&fakes[i], 0, sizeof(fakes[i]));
		fakes[i].offers = i ? NULL
				    : "250-PIPELINING\r\n250-8BITMIME\r\n250-CHUNKING\r\n"
				      "250-BINARYMIME\r\n250-LIMITS RCPTMAX=2 MAILMAX=9\r\n";
		fakes[i].answer = trouble;
		fake_start(&fakes[i]);
		limits[i] = relay_limit_new(3, with_rate ? 12 : 0);
		limit_scale(limits[i], 100);
		to[i] = rig_smarthost(i ? "second" : "first", fakes[i].port, limits[i]);
	}
	conf = rig_relay_conf(&rig, to, ROUTES);
	conf.room = on_room;
	rig.relay = relay_new(&conf);
	relay_scale_deadlines(rig.relay, 1);
	begin();
	until = loop_now_ms(rig.loop) + TROUBLE_MS;
	rig_until(&rig, all_ended, &until);
	rig_stop(&rig);
	for (size_t i = 0; i < ROUTES; i++) {
		assert_int_equal(limits[i]->open, 0);
		assert_int_equal(limits[i]->hungry, 0);
	}
	check();
	for (size_t i = 0; i < ROUTES; i++) {
		fake_stop(&fakes[i]);
		relay_limit_free(&limits[i]);
	}
}

static void every_job_ends(void **unused)
{
	(void)unused;
	play(0);
}

static void every_job_ends_within_a_rate(void **unused)
{
	(void)unused;
	seed++;
	play(1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_job_ends),
		cmocka_unit_test(every_job_ends_within_a_rate),
	};

	seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)time(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

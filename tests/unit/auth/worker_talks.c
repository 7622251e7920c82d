#include "desk.h"
#include "scram_client.h"

#include "checker.h"

#include <stdio.h>
#include <stdlib.h>

/* Many conversations with one worker, each for itself. */
#define SCRAM "SCRAM-SHA-256"

static struct desk desk;
static char users[128];

static struct auth_hello hello_for_users(void)
{
	return (struct auth_hello){
		.backend = AUTH_BACKEND_USERS,
		.users_file = span_text(users),
		.hostname = span_text("relay.example.com"),
		.mechanisms = span_text("PLAIN LOGIN SCRAM-SHA-256"),
		.cache_seconds = 3600,
	};
}

static int set_up(void **state)
{
	struct auth_hello hello;

	(void)state;
	desk_open(&desk);
	snprintf(users, sizeof(users), "%s", desk_path(&desk, "users"));
	assert_int_equal(auth_users_add(users, "alice", span_text("wonderland"), NULL), 0);
	assert_int_equal(auth_users_add(users, "bob", span_text("builder"), NULL), 0);
	hello = hello_for_users();
	desk_hire(&desk, &hello);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	desk_close(&desk);
	return 0;
}

static enum auth_verdict begin(uint64_t number, struct scram_client *c)
{
	struct span first = scram_client_first(c);

	return desk_say(&desk, SCRAM, number, false, &first);
}

static enum auth_verdict go_on(uint64_t number, struct span response)
{
	return desk_say(&desk, SCRAM, number, true, &response);
}

static enum auth_verdict give_up(uint64_t number)
{
	struct auth_request request = { .conversation = number, .is_end = true };

	return desk_request(&desk, &request);
}

static void one_given_up_is_forgotten(void **state)
{
	struct scram_client c = { .name = "alice", .password = "wonderland" };
	struct buf final = { 0 };

	(void)state;
	assert_int_equal(begin(7, &c), AUTH_CONTINUE);
	buf_put_span(&final, scram_client_final(&c, desk.answer.challenge));
	give_up(8);
	give_up(7);
	assert_int_equal(desk.answer.challenge.len, 0);
	desk_expect(&desk, go_on(7, buf_span(&final)), AUTH_UNAVAILABLE, "forgotten");
	desk_detail_has(&desk, "too many");
	give_up(7);
	desk_expect(&desk, begin(7, &c), AUTH_CONTINUE, "the number anew");
	buf_fini(&final);
	scram_client_fini(&c);
}

static void the_oldest_makes_room(void **state)
{
	enum { EXTRA = 3, ALL = AUTH_CONVERSATIONS_MAX + EXTRA };
	static struct scram_client clients[ALL];
	static struct buf finals[ALL];

	(void)state;
	for (unsigned i = 0; i < ALL; i++) {
		clients[i].name = i % 2 ? "alice" : "bob";
		clients[i].password = i % 2 ? "wonderland" : "builder";
		assert_int_equal(begin(1000 + i, &clients[i]), AUTH_CONTINUE);
		buf_put_span(&finals[i], scram_client_final(&clients[i], desk.answer.challenge));
	}
	for (unsigned k = 0; k < ALL; k++) {
		unsigned i = ALL - 1 - k;
		enum auth_verdict v = go_on(1000 + i, buf_span(&finals[i]));

		desk_expect(&desk, v, i < EXTRA ? AUTH_UNAVAILABLE : AUTH_CONTINUE, "final");
		if (i >= EXTRA) {
			assert_true(scram_client_believes(&clients[i], desk.answer.challenge));
			assert_int_equal(go_on(1000 + i, span_text("")), AUTH_OK);
			assert_span_text(desk.answer.account, clients[i].name);
		}
		buf_fini(&finals[i]);
		scram_client_fini(&clients[i]);
	}
}

/* What random order they may come in. */
struct talker {
	struct scram_client client;
	enum auth_verdict end; /* what it comes to */
	struct buf next;
	uint64_t number;
	bool has_begun;
};

static void talker_init(struct talker *t, uint64_t number)
{
	static const struct {
		const char *name, *password;
		enum auth_verdict end;
	} kinds[] = {
		{ "alice", "wonderland", AUTH_OK },	    { "bob", "builder", AUTH_OK },
		{ "alice", "builder", AUTH_WRONG },	    { "eve", "wonderland", AUTH_WRONG },
		{ "alice ", "wonderland", AUTH_MALFORMED },
	};
	size_t kind = (size_t)random() % (sizeof(kinds) / sizeof(kinds[0]));

	*t = (struct talker){ .client = { .name = kinds[kind].name,
					  .password = kinds[kind].password },
			      .end = kinds[kind].end,
			      .number = number };
	buf_put_span(&t->next, scram_client_first(&t->client));
}

static void talker_fini(struct talker *t)
{
	scram_client_fini(&t->client);
	buf_fini(&t->next);
}

/* One step; true when it is over. */
static bool talker_step(struct talker *t)
{
	struct span next = buf_span(&t->next), challenge;
	enum auth_verdict v = desk_say(&desk, SCRAM, t->number, t->has_begun, &next);

	t->has_begun = true;
	if (v != AUTH_CONTINUE) {
		desk_expect(&desk, v, t->end, t->client.name);
		if (v == AUTH_OK)
			assert_span_text(desk.answer.account, t->client.name);
		return true;
	}
	challenge = desk.answer.challenge;
	buf_clear(&t->next);
	if (challenge.at[0] == 'v')
		assert_true(scram_client_believes(&t->client, challenge));
	else
		buf_put_span(&t->next, scram_client_final(&t->client, challenge));
	return false;
}

static void they_do_not_disturb_each_other(void **state)
{
	enum { TALKERS = 60, STEPS = 6000 };
	static struct talker talkers[TALKERS];
	uint64_t number = UINT64_C(0xFFFFFFFF00000000);
	unsigned ended = 0, whole = 0;

	(void)state;
	srandom(2028);
	for (unsigned i = 0; i < TALKERS; i++)
		talker_init(&talkers[i], number++);
	for (unsigned i = 0; i < STEPS; i++) {
		struct talker *t = &talkers[random() % TALKERS];
		bool is_over = false;

		if (random() % 10 == 0) {
			bool right = random() % 2;

			/* Right ones are in the cache, and one that is too long costs no hash. */
			desk_expect(&desk,
				    right ? desk_plain(&desk, "", "alice", "wonderland")
					  : desk_plain(&desk, "", "alice ", "x"),
				    right ? AUTH_OK : AUTH_MALFORMED, "meanwhile");
			whole++;
		}
		if (random() % 20 == 0) {
			give_up(t->number);
			is_over = true;
		}
		if (is_over || talker_step(t)) {
			ended++;
			talker_fini(t);
			talker_init(t, number++);
		}
	}
	assert_true(ended > 1000 && whole > 100);
	for (unsigned i = 0; i < TALKERS; i++)
		talker_fini(&talkers[i]);
}

/* Clients that come and are never heard of again. */
static void abandoned_ones_leave_nothing(void **state)
{
	struct scram_client c = { .name = "alice", .password = "wonderland" };
	struct scram_client big = { .name = "eve", .password = "x" };
	char nonce[301];
	long before = 0;

	(void)state;
	memset(nonce, 'n', sizeof(nonce) - 1);
	nonce[sizeof(nonce) - 1] = '\0';
	big.nonce = nonce;
	for (unsigned i = 0; i < 20000; i++) {
		assert_int_equal(begin(i + 1, i % 2 ? &big : &c), AUTH_CONTINUE);
		if (i == 2000)
			before = desk_resident_kib(&desk);
	}
	print_message("resident after 2,000: %ld KiB, after 20,000: %ld KiB\n", before,
		      desk_resident_kib(&desk));
	assert_true(desk_resident_kib(&desk) <= before + DESK_GROWTH_KIB);
	scram_client_fini(&c);
	scram_client_fini(&big);
	assert_int_equal(desk_dismiss(&desk), 0);
}

static enum auth_verdict hear(struct checker *c, uint64_t number, bool is_next, const char *text)
{
	struct auth_request request = { .mechanism = span_text(SCRAM),
					.conversation = number,
					.is_next = is_next,
					.responses = { span_text(text) },
					.response_count = 1 };

	return conversation_hear(c, &request);
}

/* In this process, so that the clock can be told. */
static void each_has_a_minute(void **state)
{
	struct auth_hello hello = hello_for_users();
	int64_t now_ms = checker_now_ms(), left_ms;
	struct checker c;

	(void)state;
	checker_start(&c, &hello);
	assert_int_equal(conversations_expire(&c.conversations, now_ms), -1);
	assert_int_equal(hear(&c, 1, false, "n,,n=alice,r=x"), AUTH_CONTINUE);
	left_ms = conversations_expire(&c.conversations, now_ms);
	assert_true(left_ms >= AUTH_CONVERSATION_MS && left_ms < AUTH_CONVERSATION_MS + 10000);
	assert_true(checker_expire(&c) > 0);
	assert_int_equal(conversations_expire(&c.conversations, now_ms + left_ms - 1), 1);
	assert_int_equal(conversations_expire(&c.conversations, now_ms + left_ms), -1);
	assert_int_equal(hear(&c, 1, true, "c=biws,r=x,p=x"), AUTH_UNAVAILABLE);
	assert_int_equal(checker_expire(&c), -1);
	checker_stop(&c);
}

/* An empty mechanism asks whether logins can be checked. */
static void a_probe_says_whether_there_is_a_back_end(void **state)
{
	struct auth_request probe = { .response_count = 0 };

	(void)state;
	desk_expect(&desk, desk_request(&desk, &probe), AUTH_OK, "probe");
	assert_int_equal(desk.answer.account.len, 0);
	assert_int_equal(remove(users), 0);
	desk_expect(&desk, desk_request(&desk, &probe), AUTH_UNAVAILABLE, "no file");
	desk_detail_has(&desk, "posternctl user add");
	probe.responses[0] = span_text("");
	probe.response_count = 1;
	desk_expect(&desk, desk_request(&desk, &probe), AUTH_MALFORMED, "no probe");
}

#define hired(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		hired(one_given_up_is_forgotten),
		hired(the_oldest_makes_room),
		hired(they_do_not_disturb_each_other),
		hired(abandoned_ones_leave_nothing),
		hired(each_has_a_minute),
		hired(a_probe_says_whether_there_is_a_back_end),
	};

	return cmocka_run_group_tests_name("auth/worker-talks", tests, NULL, NULL);
}

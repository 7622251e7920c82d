/* tests/unit/queue/handoff_through.c: hand-offs with the real queue, spool and relay, and a scripted
 * smarthost. */
#include "test.h"

#include "base/mem.h"
#include "queue/handoff.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LARGE_OCTETS = 3 * 1000 * 1000, CLIENTS_MOST = 60 };

static const char small[] = "From: alice@example.com\r\nSubject: t\r\n\r\nHello\r\n.dot\r\n";

static struct rig rig;
static struct fake fake;
static struct relay_limit *limit;
static struct spool *spool;
static struct queue *queue;
static struct lane *reads;
static _Atomic int64_t memory;
static char dir[64];
static unsigned recovered;
static char *large;

static void on_found(void *user, const struct spool_found *found)
{
	(void)user;
	recovered++;
	assert_int_equal(queue_recover(queue, found), 0);
}

static void on_damaged(void *user, const struct fault *what)
{
	(void)user;
	fail_msg("damaged: %s", what->text);
}

static void on_relay_room(void *user)
{
	(void)user;
	if (queue)
		queue_on_room(queue);
}

static void open_queue(void)
{
	struct queue_conf conf = { .loop = rig.loop,
				   .reads = reads,
				   .counters = &rig.counters,
				   .relay = rig.relay,
				   .hostname = "relay.example.com",
				   .company = "Example Corp",
				   .retry_ms = { 20, 40, 80 },
				   .retry_count = 3,
				   .expire_ms = 3600 * 1000,
				   .active = 8,
				   .memory = &memory,
				   .keep_octets = 100000 };
	struct spool_conf spool_conf = { .dir = dir,
					 .lazy_ms = 5,
					 .post = loop_post_home,
					 .counters = &rig.counters,
					 .wall_ms = wall_now_ms,
					 .found = on_found,
					 .damaged = on_damaged };
	struct fault fault;

	recovered = 0;
	queue = queue_new(&conf);
	spool = spool_open(&spool_conf, &fault);
	if (!spool)
		fail_msg("%s", fault.text);
	conf.spool = spool;
	queue_renew(queue, &conf);
}

static bool is_freed;

/* The relay lives on and may still tell of room. */
static void on_freed(void *user)
{
	(void)user;
	queue = NULL;
	is_freed = true;
}

static bool was_freed(void *user)
{
	(void)user;
	return is_freed;
}

static void close_queue(void)
{
	is_freed = false;
	queue_free(queue, on_freed, NULL);
	rig_until(&rig, was_freed, NULL);
	spool_close(&spool);
	assert_int_equal(memory, 1 << 20);
}

static void set_relay(int port)
{
	struct relay_smarthost to = rig_smarthost("main", port, limit);
	struct relay_conf conf = rig_relay_conf(&rig, &to, 1);

	conf.room = on_relay_room;
	rig.relay = relay_new(&conf);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/handoff-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	memset(&fake, 0, sizeof(fake));
	fake.offers = "250-PIPELINING\r\n250-8BITMIME\r\n";
	limit = relay_limit_new(3, 0);
	memory = 1 << 20;
	rig_start(&rig);
	reads = lane_new("reads", 1);
	fake_start(&fake);
	set_relay(fake.port);
	open_queue();
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	close_queue();
	rig_stop(&rig);
	lane_free(&reads);
	fake_stop(&fake);
	relay_limit_free(&limit);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* A client: all of its recipients at once, then the content as there is room for it. */

struct client {
	struct handoff *handoff;
	size_t recipients, told, refused;
	struct span rest;
	bool has_room, is_done;
	enum handoff_outcome outcome;
	int code;
	char words[100];
};

static void pour(struct client *c)
{
	while (c->has_room && c->rest.len) {
		struct span part = span_first(c->rest, 16000);

		c->rest = span_from(c->rest, part.len);
		c->has_room = handoff_put(c->handoff, part);
	}
	if (c->has_room)
		handoff_finish(c->handoff, wall_now_ms(), 40, false);
}

static void on_room(void *user)
{
	struct client *c = user;

	c->has_room = true;
	pour(c);
}

static void on_recipient(void *user, size_t index, const struct smtp_reply *reply, const char *host)
{
	struct client *c = user;

	(void)index;
	(void)host;
	c->told++;
	c->refused += reply && reply->code >= 500;
	if (c->told < c->recipients || c->refused == c->recipients)
		return;
	handoff_begin(c->handoff);
	on_room(c);
}

static void on_done(void *user, const struct handoff_end *end)
{
	struct client *c = user;

	assert_false(c->is_done);
	c->is_done = true;
	c->outcome = end->outcome;
	if (end->reply) {
		c->code = end->reply->code;
		snprintf(c->words, sizeof(c->words), "%.*s", (int)end->reply->text.len,
			 (const char *)end->reply->text.at);
	}
}

static bool is_done(void *user)
{
	return ((struct client *)user)->is_done;
}

static bool is_told(void *user)
{
	const struct client *c = user;

	return c->told == c->recipients;
}

static void begin(struct client *c, const char *recipients, struct span content,
		  int64_t patience_ms)
{
	struct span list = span_text(recipients);

	*c = (struct client){ .rest = content };
	c->handoff = handoff_new(&(struct handoff_conf){ .queue = queue,
							 .is_hybrid = true,
							 .patience_ms = patience_ms,
							 .sid = 7,
							 .account = "alice",
							 .sender = span_text("alice@example.com"),
							 .recipient = on_recipient,
							 .room = on_room,
							 .done = on_done,
							 .user = c });
	for (struct span at = list; at.len; at = span_from(at, span_find(at, ' ') + 1))
		c->recipients++;
	for (struct span at = list; at.len; at = span_from(at, span_find(at, ' ') + 1))
		handoff_recipient(c->handoff, span_first(at, span_find(at, ' ')), NULL);
}

static struct client submit(const char *recipients, struct span content, int64_t patience_ms)
{
	struct client c;

	begin(&c, recipients, content, patience_ms);
	rig_until(&rig, is_done, &c);
	return c;
}

static bool is_empty(void *user)
{
	(void)user;
	return queue_length(queue) == 0;
}

/* After a start from what the spool says, nothing is left, nothing comes twice. */
static void assert_settled(unsigned messages)
{
	rig_until(&rig, is_empty, NULL);
	close_queue();
	open_queue();
	assert_int_equal(recovered, 0);
	assert_int_equal(fake.message_count, messages);
}

static const char *answers(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	if (strstr(line, "RCPT TO:<gone@"))
		return "550 5.1.1 no such person here";
	return NULL;
}

static void passed_needs_no_sync(void **state)
{
	uint64_t syncs = rig.counters.spool_syncs;
	struct client c = submit("bob@example.net carol@example.net", span_text(small), 5000);

	(void)state;
	assert_int_equal(c.outcome, HANDOFF_PASSED);
	assert_int_equal(c.code, 250);
	assert_int_equal(rig.counters.spool_commits, 0);
	assert_int_equal(rig.counters.spool_syncs, syncs);
	assert_string_equal(fake.messages[0].recipients, "bob@example.net carol@example.net");
	assert_string_equal(fake.messages[0].content, small);
	assert_int_equal(rig.counters.recipients_delivered, 2);
	assert_settled(1);
}

static void one_after_another_over_one_connection(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(submit("bob@example.net", span_text(small), 5000).outcome,
				 HANDOFF_PASSED);
	assert_int_equal(fake.connections, 1);
	assert_settled(20);
}

static void refused_by_name(void **state)
{
	struct client c;

	(void)state;
	fake.answer = answers;
	c = submit("gone@example.net bob@example.net", span_text(small), 5000);
	assert_int_equal(c.refused, 1);
	assert_int_equal(c.outcome, HANDOFF_PASSED);
	assert_string_equal(fake.messages[0].recipients, "bob@example.net");
	begin(&c, "gone@example.net gone@example.org", span_text(small), 5000);
	rig_until(&rig, is_told, &c);
	assert_int_equal(c.refused, 2);
	handoff_drop(&c.handoff);
	assert_settled(1);
}

static const char *refuses_at_dot(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	return strcmp(line, ".") == 0 ? "554 5.7.1 This is spam" : NULL;
}

static void refused_after_the_content(void **state)
{
	struct client c;

	(void)state;
	fake.answer = refuses_at_dot;
	c = submit("bob@example.net", span_text(small), 5000);
	assert_int_equal(c.outcome, HANDOFF_REFUSED);
	assert_int_equal(c.code, 554);
	assert_string_equal(c.words, "This is spam");
	assert_int_equal(rig.counters.spool_commits, 0);
	assert_settled(0);
}

static atomic_uint grey;

static const char *is_grey(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	if (strstr(line, "RCPT TO:<slow@") && grey > 0) {
		grey--;
		return "451 4.7.1 grey";
	}
	return NULL;
}

static void deferred_by_name_goes_by_the_queue(void **state)
{
	struct client c;

	(void)state;
	grey = 2;
	fake.answer = is_grey;
	c = submit("bob@example.net slow@example.net", span_text(small), 5000);
	assert_int_equal(c.outcome, HANDOFF_STORED);
	rig_until(&rig, is_empty, NULL);
	assert_string_equal(fake.messages[0].recipients, "bob@example.net");
	assert_string_equal(fake.messages[1].recipients, "slow@example.net");
	assert_string_equal(fake.messages[1].content, small);
	assert_settled(2);
}

static atomic_bool may_go_on;

static const char *waits_at_dot(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	while (strcmp(line, ".") == 0 && !may_go_on)
		usleep(1000);
	return NULL;
}

/* The attempt goes on beside the client's answer, and is the only one. */
static void slow_after_the_content(void **state)
{
	const struct span contents[] = { span_text(small), span_of(large, LARGE_OCTETS) };

	(void)state;
	fake.answer = waits_at_dot;
	for (size_t i = 0; i < 2; i++) {
		may_go_on = false;
		assert_int_equal(submit("bob@example.net", contents[i], 300).outcome,
				 HANDOFF_STORED);
		assert_int_equal(rig.counters.messages_handed_over, i + 1);
		assert_int_equal(queue_length(queue), 1);
		may_go_on = true;
		rig_until(&rig, is_empty, NULL);
		assert_int_equal(fake.messages[i].octets, contents[i].len);
		assert_memory_equal(fake.messages[i].content, contents[i].at, contents[i].len);
	}
	assert_settled(2);
}

static void large_is_passed_without_a_commit(void **state)
{
	struct client c = submit("bob@example.net", span_of(large, LARGE_OCTETS), 20000);

	(void)state;
	assert_int_equal(c.outcome, HANDOFF_PASSED);
	assert_int_equal(rig.counters.spool_commits, 0);
	assert_int_equal(fake.messages[0].octets, LARGE_OCTETS);
	assert_memory_equal(fake.messages[0].content, large, LARGE_OCTETS);
	assert_settled(1);
}

static void nobody_there(void **state)
{
	struct relay_smarthost dead = rig_smarthost("dead", fake_closed_port(), limit);
	struct relay_smarthost alive = rig_smarthost("main", fake.port, limit);

	(void)state;
	relay_renew(rig.relay, &dead, 1, "relay.example.com");
	assert_int_equal(submit("bob@example.net", span_text(small), 20000).outcome,
			 HANDOFF_STORED);
	assert_int_equal(fake.message_count, 0);
	relay_renew(rig.relay, &alive, 1, "relay.example.com");
	assert_settled(1);
}

static atomic_uint closes;

static const char *closes_at_dot(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	if (strcmp(line, ".") != 0 || closes == 0)
		return NULL;
	closes--;
	return FAKE_CLOSE;
}

static void lost_after_the_content(void **state)
{
	(void)state;
	closes = 1;
	fake.answer = closes_at_dot;
	assert_int_equal(submit("bob@example.net", span_text(small), 5000).outcome, HANDOFF_STORED);
	rig_until(&rig, is_empty, NULL);
	assert_true(fake.message_count >= 1);
}

static const char *closes_at_data(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	if (strcmp(line, "DATA") != 0 || closes == 0)
		return NULL;
	closes--;
	return FAKE_CLOSE;
}

/* Whether it is tried again at once or by the queue is the relay's to say: it comes once. */
static void lost_before_the_content(void **state)
{
	struct client c;

	(void)state;
	closes = 1;
	fake.answer = closes_at_data;
	c = submit("bob@example.net", span_text(small), 5000);
	assert_int_equal(closes, 0);
	assert_true(c.outcome == HANDOFF_PASSED || c.outcome == HANDOFF_STORED);
	assert_settled(1);
}

static bool are_done(void *user)
{
	const struct client *clients = user;

	for (size_t i = 0; i < CLIENTS_MOST; i++)
		if (!clients[i].is_done)
			return false;
	return true;
}

/* More clients than connections, and none is told twice or passed over. */
static void more_clients_than_connections(void **state)
{
	static struct client clients[CLIENTS_MOST];
	struct span content = span_text(small);

	(void)state;
	for (size_t i = 0; i < CLIENTS_MOST; i++) {
		struct span own = i % 10 == 9 ? span_of(large, 400000) : content;

		begin(&clients[i], "bob@example.net", own, i % 3 ? 5000 : 5);
	}
	rig_until(&rig, are_done, clients);
	for (size_t i = 0; i < CLIENTS_MOST; i++)
		assert_true(clients[i].outcome == HANDOFF_PASSED ||
			    clients[i].outcome == HANDOFF_STORED);
	rig_until(&rig, is_empty, NULL);
	assert_true(fake.most_open <= 3);
	assert_settled(CLIENTS_MOST);
}

static bool are_two_told(void *user)
{
	return ((const struct client *)user)->told == 2;
}

static void a_client_that_goes_leaves_the_connection(void **state)
{
	struct client c;

	(void)state;
	begin(&c, "bob@example.net", span_of(NULL, 0), 5000);
	handoff_drop(&c.handoff);
	for (int i = 0; i < 5; i++) {
		begin(&c, "bob@example.net carol@example.net", span_text(small), 5000);
		c.recipients = 3; /* one more than will come: the content waits for him */
		rig_until(&rig, are_two_told, &c);
		handoff_drop(&c.handoff);
	}
	assert_int_equal(submit("bob@example.net", span_text(small), 5000).outcome, HANDOFF_PASSED);
	assert_settled(1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(passed_needs_no_sync),
		TEST(one_after_another_over_one_connection),
		TEST(refused_by_name),
		TEST(refused_after_the_content),
		TEST(deferred_by_name_goes_by_the_queue),
		TEST(slow_after_the_content),
		TEST(large_is_passed_without_a_commit),
		TEST(nobody_there),
		TEST(lost_after_the_content),
		TEST(lost_before_the_content),
		TEST(more_clients_than_connections),
		TEST(a_client_that_goes_leaves_the_connection),
	};
	int status;

	large = mem_alloc(LARGE_OCTETS + 1);
	for (size_t i = 0; i < LARGE_OCTETS; i++)
		large[i] = (char)(i % 80 == 78 ? '\r' : i % 80 == 79 ? '\n' : 'a' + i % 26);
	memcpy(large + LARGE_OCTETS - 2, "\r\n", 2);
	status = cmocka_run_group_tests(tests, NULL, NULL);
	free(large);
	return status;
}

/* tests/unit/queue/loops.c: two loops with a queue and a relay each, one spool, one budget, and fewer
 * connections than loops could use. Of most worth under ThreadSanitizer. */
#include "test.h"

#include "base/mem.h"
#include "inside.h"
#include "limit.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDES = 2, MESSAGES = 60, UNDER_WAY = 4 };

static const char small[] = "Subject: small\r\n\r\nHello\r\n";

struct side {
	struct loop *loop;
	struct relay *relay;
	struct queue *queue;
	struct work start, stop;
	unsigned begun, accepted;
	unsigned ended;
	_Atomic bool is_over;
};

static struct rig rig; /* of the main thread, which only waits */
static struct fake fake;
static struct relay_limit *limit;
static struct spool *spool;
static struct lane *reads;
static _Atomic int64_t memory = 5000;
static struct side sides[SIDES];
static char large[200001];

static void submit(struct side *side);

static void on_done(void *user, int status, const struct fault *fault)
{
	struct side *side = user;

	if (status)
		fail_msg("%s", fault->text);
	side->accepted++;
	submit(side);
}

/* Every fourth is large: it goes to the spool and comes back by the lane. */
static void submit(struct side *side)
{
	struct intake_conf conf = { .queue = side->queue, .done = on_done, .user = side };
	struct envelope e = { .account = mem_text("alice"),
			      .sender = mem_text("alice@example.com"),
			      .arrived_ms = wall_now_ms() };
	struct intake *in;

	if (side->begun == MESSAGES) {
		envelope_fini(&e);
		return;
	}
	in = intake_new(&conf);
	intake_put(in, span_text(side->begun++ % 4 ? small : large));
	envelope_add_recipient(&e, span_text("bob@example.net"), NULL);
	intake_commit(in, &e);
}

static void start(struct work *work)
{
	struct side *side = work_entry(work, struct side, start);

	for (int i = 0; i < UNDER_WAY; i++)
		submit(side);
}

static void on_part_ended(void *user)
{
	struct side *side = user;

	side->is_over = ++side->ended == 2;
}

/* The relay may still have room for a queue that is gone. */
static void on_queue_ended(void *user)
{
	struct side *side = user;

	side->queue = NULL;
	on_part_ended(side);
}

static void stop(struct work *work)
{
	struct side *side = work_entry(work, struct side, stop);

	assert_int_equal(side->accepted, MESSAGES);
	queue_free(side->queue, on_queue_ended, side);
	relay_free(side->relay, 1000, on_part_ended, side);
}

static void on_room(void *user)
{
	struct side *side = user;

	if (side->queue)
		queue_on_room(side->queue);
}

static void make_side(struct side *side)
{
	struct relay_smarthost to = rig_smarthost("main", fake.port, limit);
	struct relay_conf relay_conf;
	struct queue_conf conf = { .reads = reads,
				   .counters = &rig.counters,
				   .spool = spool,
				   .hostname = "relay.example.com",
				   .company = "",
				   .retry_ms = { 50, 200, 1000 },
				   .retry_count = 3,
				   .expire_ms = 3600000,
				   .active = 10,
				   .memory = &memory,
				   .keep_octets = 10000 };

	side->loop = conf.loop = loop_new("side");
	relay_conf = rig_relay_conf(&rig, &to, 1);
	relay_conf.loop = side->loop;
	relay_conf.room = on_room;
	relay_conf.user = side;
	side->relay = conf.relay = relay_new(&relay_conf);
	side->queue = queue_new(&conf);
	side->start.run = start;
	side->stop.run = stop;
}

static bool all_arrived(void *user)
{
	(void)user;
	return fake.message_count == SIDES * MESSAGES && rig.counters.queue_messages == 0;
}

static bool all_over(void *user)
{
	(void)user;
	for (int i = 0; i < SIDES; i++)
		if (!sides[i].is_over)
			return false;
	return true;
}

static void open_house(const char *dir)
{
	struct spool_conf conf = { .dir = dir,
				   .lazy_ms = 5,
				   .post = loop_post_home,
				   .counters = &rig.counters,
				   .wall_ms = wall_now_ms };
	struct fault fault;

	rig_start(&rig);
	reads = lane_new("reads", 1);
	fake_start(&fake);
	spool = spool_open(&conf, &fault);
	if (!spool)
		fail_msg("%s", fault.text);
}

static void close_house(const char *dir)
{
	char command[128];

	for (int i = 0; i < SIDES; i++) {
		loop_stop(sides[i].loop);
		loop_join(sides[i].loop);
	}
	spool_close(&spool);
	lane_free(&reads);
	for (int i = 0; i < SIDES; i++)
		loop_free(&sides[i].loop);
	rig_stop(&rig);
	fake_stop(&fake);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void loops_share_and_all_arrives(void **state)
{
	char dir[] = "/tmp/loops-test-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	limit = relay_limit_new(1, 0);
	memset(large, 'x', sizeof(large) - 1);
	for (size_t i = 70; i + 2 < sizeof(large); i += 72)
		memcpy(large + i, "\r\n", 2);
	memcpy(large + sizeof(large) - 3, "\r\n", 2);
	open_house(dir);
	for (int i = 0; i < SIDES; i++) {
		make_side(&sides[i]);
		loop_start(sides[i].loop);
		loop_post(sides[i].loop, &sides[i].start);
	}
	rig_until(&rig, all_arrived, NULL);
	for (int i = 0; i < SIDES; i++)
		loop_post(sides[i].loop, &sides[i].stop);
	rig_until(&rig, all_over, NULL);
	close_house(dir);
	assert_true(fake.connections >= 2);
	assert_int_equal(memory, 5000);
	assert_int_equal(limit_free_places(limit), 1);
	assert_int_equal(limit_hungry(limit), 0);
	relay_limit_free(&limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(loops_share_and_all_arrives) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

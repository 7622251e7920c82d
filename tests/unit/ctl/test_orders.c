#include "rig.h"

#include "base/id.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const struct {
	const char *name;
	enum queue_action action;
} actions[] = {
	{ "flush", QUEUE_FLUSH }, { "hold", QUEUE_HOLD },     { "release", QUEUE_RELEASE },
	{ "rm", QUEUE_REMOVE },	  { "bounce", QUEUE_BOUNCE }, { "reroute", QUEUE_REROUTE },
};

static void assert_array(const json_t *answer, const char *key, const char *golden)
{
	char *text = json_dumps(json_object_get(answer, key), JSON_COMPACT);

	assert_string_equal(text, golden);
	free(text);
}

/* Ids of both loops, one twice, one that is not there. */
static json_t *act_by_ids(const struct rig *rig, const char *action, uint64_t one, uint64_t other)
{
	char request[256], a[ID_TEXT_MAX], b[ID_TEXT_MAX];

	id_format(one, a);
	id_format(other, b);
	snprintf(request, sizeof(request),
		 "{\"verb\": \"act\", \"action\": \"%s\", \"qids\": [\"%s\", \"%s\", \"%s\","
		 " \"0ZZZZZZZZZZZZ\"]}",
		 action, b, a, b);
	return rig_ask(rig, request);
}

static void each_action_by_ids(void **state)
{
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		json_t *answer;

		rig_add(&rig->queues[0], 2 * i + 1);
		rig_add(&rig->queues[1], 2 * i + 2);
		answer = act_by_ids(rig, actions[i].name, 2 * i + 1, 2 * i + 2);
		assert_true(is_ok(answer));
		assert_string_equal(text_of(answer, "action"), actions[i].name);
		assert_int_equal(number_of(answer, "done"), 2);
		assert_array(answer, "missing", "[\"0ZZZZZZZZZZZZ\"]");
		assert_array(answer, "failed", "[]");
		assert_array(answer, "late", "[]");
		json_decref(answer);
		for (size_t k = 0; k < SHARDS; k++)
			for (size_t action = 0; action < 6; action++)
				assert_int_equal(rig->queues[k].acts[actions[action].action],
						 action <= i);
	}
}

static void sum_progress(void *user, json_t *line)
{
	assert_true(json_is_integer(json_object_get(line, "done")));
	(*(size_t *)user)++;
}

/* Very many at once: each is met, though they go away under the walk. */
static void all_are_removed(void **state)
{
	struct rig *rig = *state;
	size_t lines = 0;
	json_t *answer;

	for (uint64_t i = 1; i <= 30000; i++)
		rig_add(&rig->queues[i % 3 == 0], i);
	answer = rig_talk(rig, "{\"verb\": \"act\", \"action\": \"rm\", \"all\": true}",
			  sum_progress, &lines);
	assert_int_equal(number_of(answer, "done"), 30000);
	assert_int_equal(rig->queues[0].messages.count, 0);
	assert_int_equal(rig->queues[1].messages.count, 0);
	for (size_t i = 0; i < SHARDS; i++)
		assert_in_range(rig->queues[i].most_visited, 1, 750);
	json_decref(answer);
}

static void only_what_the_filter_takes(void **state)
{
	struct rig *rig = *state;
	json_t *answer;

	for (uint64_t i = 1; i <= 100; i++)
		rig_add(&rig->queues[i % SHARDS], i)->envelope.account =
			(char *)(uintptr_t)(i % 10 ? "alice" : "bob");
	answer = rig_ask(rig, "{\"verb\": \"act\", \"action\": \"hold\","
			      " \"filter\": {\"account\": \"bob\"}}");
	assert_int_equal(number_of(answer, "done"), 10);
	json_decref(answer);
	for (uint64_t i = 1; i <= 100; i++)
		assert_int_equal(rig_find(&rig->queues[i % SHARDS], i)->delivery.is_held,
				 i % 10 == 0);
	answer = rig_ask(rig, "{\"verb\": \"act\", \"action\": \"release\","
			      " \"filter\": {\"held\": true}}");
	assert_int_equal(number_of(answer, "done"), 10);
	json_decref(answer);
}

static void failures_are_named(void **state)
{
	struct rig *rig = *state;
	json_t *answer;

	for (uint64_t i = 1; i <= 150; i++)
		rig_add(&rig->queues[i % SHARDS], i);
	rig->queues[1].fails = -ENOSPC;
	answer = rig_ask(rig, "{\"verb\": \"act\", \"action\": \"hold\", \"all\": true}");
	assert_true(is_ok(answer));
	assert_int_equal(number_of(answer, "done"), 75);
	assert_int_equal(json_array_size(json_object_get(answer, "failed")), 75);
	assert_int_equal(number_of(answer, "failed_more"), 0);
	assert_string_equal(text_of(json_array_get(json_object_get(answer, "failed"), 0), "error"),
			    "No space left on device");
	json_decref(answer);
	rig->queues[0].fails = -EIO;
	answer = rig_ask(rig, "{\"verb\": \"act\", \"action\": \"hold\", \"all\": true}");
	assert_int_equal(number_of(answer, "done"), 0);
	assert_int_equal(json_array_size(json_object_get(answer, "failed")), 100);
	assert_int_equal(number_of(answer, "failed_more"), 50);
	json_decref(answer);
}

struct ending {
	struct work work;
	struct queue *queue;
	uint64_t qid;
};

static void run_ending(struct work *work)
{
	struct ending *ending = work_entry(work, struct ending, work);

	rig_end_attempt(ending->queue, ending->qid);
}

static void end_attempt(struct rig *rig, size_t shard, struct ending *ending, uint64_t qid)
{
	*ending = (struct ending){ { .run = run_ending }, &rig->queues[shard], qid };
	loop_post(rig->shards[shard].loop, &ending->work);
}

/* The answer comes once the order is in force, which here waits for the end of an attempt. The first
 * line of progress shows that the daemon waits. */
static void on_first_progress(void *user, json_t *line)
{
	static struct ending ending;
	struct rig *rig = user;

	assert_int_equal(number_of(line, "done"), 1);
	if (ending.queue == NULL)
		end_attempt(rig, 0, &ending, 1);
}

static void an_order_waits_for_the_attempt(void **state)
{
	struct rig *rig = *state;
	json_t *answer;

	rig_add(&rig->queues[0], 1)->view.stand = QUEUE_STAND_ACTIVE;
	rig_add(&rig->queues[1], 2);
	answer = rig_talk(rig,
			  "{\"verb\": \"act\", \"action\": \"hold\","
			  " \"qids\": [\"0000000000001\", \"0000000000002\"]}",
			  on_first_progress, rig);
	assert_int_equal(number_of(answer, "done"), 2);
	assert_array(answer, "late", "[]");
	json_decref(answer);
}

static void go_away(struct rig *rig, const char *request)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, rig->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	close(fd);
}

/* Whoever asked has gone, or the socket is closed: the order outlives both. */
static void an_order_outlives_who_gave_it(void **state)
{
	struct rig *rig = *state;
	struct ending ending;

	rig_add(&rig->queues[0], 1)->view.stand = QUEUE_STAND_ACTIVE;
	go_away(rig, "{\"verb\": \"act\", \"action\": \"hold\", \"qids\": [\"0000000000001\"]}\n");
	for (;;) {
		json_t *answer = rig_ask(rig, "{\"verb\": \"status\"}");

		json_decref(answer);
		if (rig_find(&rig->queues[0], 1)->waits)
			break;
	}
	ctl_close(&rig->ctl);
	end_attempt(rig, 0, &ending, 1);
	rig_loop_end(&rig->shards[0].loop);
	assert_true(rig_find(&rig->queues[0], 1)->delivery.is_held);
	rig->shards[0].loop = loop_new("shard");
	loop_start(rig->shards[0].loop);
}

static void too_many_ids(void **state)
{
	struct rig *rig = *state;
	struct buf request = { 0 };
	char *text;

	buf_put_text(&request, "{\"verb\": \"act\", \"action\": \"hold\", \"qids\": [");
	for (int i = 0; i < 1001; i++)
		buf_printf(&request, "%s\"%013d\"", i ? "," : "", i % 10);
	buf_put_text(&request, "]}");
	text = buf_take_text(&request);
	assert_refusal(rig_ask(rig, text), "1 to 1000");
	free(text);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_action_by_ids),
		CASE(all_are_removed),
		CASE(only_what_the_filter_takes),
		CASE(failures_are_named),
		CASE(an_order_waits_for_the_attempt),
		CASE(an_order_outlives_who_gave_it),
		CASE(too_many_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

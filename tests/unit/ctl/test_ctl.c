#include "ctl/ctl.h"

#include "test.h"

#include "base/id.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* In the place of the rooms queue and relay: what the control socket asks them. */

struct queue {
	struct queue_view *views;
	size_t count;
};

struct relay {
	struct relay_view views[2];
	size_t count, waiting;
	sem_t *entered, *leave; /* where set, relay_look() tells that it is here, and waits */
};

size_t queue_length(const struct queue *queue)
{
	return queue->count;
}

void queue_look(struct queue *queue, bool (*each)(void *user, const struct queue_view *view),
		void *user)
{
	for (size_t i = 0; i < queue->count; i++)
		if (!each(user, &queue->views[i]))
			return;
}

bool queue_find(struct queue *queue, uint64_t qid, struct queue_view *out)
{
	for (size_t i = 0; i < queue->count; i++)
		if (queue->views[i].envelope->qid == qid) {
			*out = queue->views[i];
			return true;
		}
	return false;
}

bool relay_look(const struct relay *relay, size_t i, struct relay_view *out)
{
	if (relay->entered && i == 0) {
		sem_post(relay->entered);
		sem_wait(relay->leave);
	}
	if (i >= relay->count)
		return false;
	*out = relay->views[i];
	return true;
}

size_t relay_waiting(const struct relay *relay)
{
	return relay->waiting;
}

/* A daemon of three loops, the main one among them. */

#define SHARDS 2

struct rig {
	char directory[64], path[96];
	struct loop *main;
	struct ctl_shard shards[SHARDS];
	struct queue queues[SHARDS];
	struct relay relays[SHARDS];
	struct counters counters;
	struct fault reload;
	unsigned reloads;
	struct ctl *ctl;
};

static int64_t expires(void *user)
{
	struct rig *rig = user;

	assert_true(loop_is_here(rig->main));
	return 2000000000;
}

static int reload(void *user, struct fault *fault)
{
	struct rig *rig = user;

	assert_true(loop_is_here(rig->main));
	rig->reloads++;
	if (rig->reload.code)
		*fault = rig->reload;
	return rig->reload.code;
}

static struct ctl *open_on(struct rig *rig, const char *path, struct fault *fault)
{
	struct ctl_conf conf = {
		.loop = rig->main,
		.counters = &rig->counters,
		.path = path,
		.shards = rig->shards,
		.shard_count = SHARDS,
		.started_ms = wall_now_ms() - 5000,
		.version = "1.2.3",
		.certificate_expires = expires,
		.reload = reload,
		.user = rig,
	};

	return ctl_open(&conf, fault);
}

static int setup(void **state)
{
	struct rig *rig = mem_new(struct rig);
	struct fault fault = { 0 };

	strcpy(rig->directory, "/tmp/ctl-test-XXXXXX");
	assert_non_null(mkdtemp(rig->directory));
	snprintf(rig->path, sizeof(rig->path), "%s/control", rig->directory);
	rig->main = loop_new("main");
	loop_start(rig->main);
	for (size_t i = 0; i < SHARDS; i++) {
		rig->shards[i] =
			(struct ctl_shard){ loop_new("shard"), &rig->queues[i], &rig->relays[i] };
		loop_start(rig->shards[i].loop);
	}
	rig->ctl = open_on(rig, rig->path, &fault);
	if (rig->ctl == NULL)
		fail_msg("%s", fault.text);
	*state = rig;
	return 0;
}

static void loop_end(struct loop **loop)
{
	loop_stop(*loop);
	loop_join(*loop);
	loop_free(loop);
}

static void free_messages(struct queue *queue)
{
	for (size_t i = 0; i < queue->count; i++) {
		free((void *)(uintptr_t)queue->views[i].envelope);
		free((void *)(uintptr_t)queue->views[i].delivery);
	}
	free(queue->views);
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	ctl_close(&rig->ctl);
	for (size_t i = 0; i < SHARDS; i++) {
		loop_end(&rig->shards[i].loop);
		free_messages(&rig->queues[i]);
	}
	loop_end(&rig->main);
	assert_int_equal(access(rig->path, F_OK), -1);
	assert_int_equal(rmdir(rig->directory), 0);
	free(rig);
	return 0;
}

static json_t *ask(const struct rig *rig, const char *request)
{
	struct fault fault = { 0 };
	char *line = ctl_ask(rig->path, request, &fault);
	json_t *answer;

	if (line == NULL)
		fail_msg("%s: %s", request, fault.text);
	for (const char *c = line; *c; c++)
		assert_true(*c >= ' ' && *c <= '~');
	answer = json_loads(line, 0, NULL);
	assert_non_null(answer);
	free(line);
	return answer;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool is_ok(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "ok"));
}

/* Words of a refusal, and that it is one. */
static void assert_refusal(json_t *answer, const char *words)
{
	assert_true(json_is_false(json_object_get(answer, "ok")));
	if (strstr(text_of(answer, "error"), words) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", text_of(answer, "error"), words);
	json_decref(answer);
}

static char *recipients[] = { (char *)(uintptr_t) "bob@example.org",
			      (char *)(uintptr_t) "eve@example.org" };
static struct recipient_status statuses[] = {
	{ RECIPIENT_DELIVERED,
	  250,
	  { 2, 1, 5 },
	  (char *)(uintptr_t) "ok",
	  (char *)(uintptr_t) "main" },
	{ RECIPIENT_WAITING,
	  451,
	  { 4, 2, 2 },
	  (char *)(uintptr_t) "full \xff\xc3\xbc \033[2J",
	  (char *)(uintptr_t) "main" },
};

static void add_message(struct queue *queue, uint64_t qid)
{
	struct envelope *e = mem_new(struct envelope);
	struct delivery *d = mem_new(struct delivery);

	*e = (struct envelope){ .qid = qid,
				.sid = 7,
				.account = (char *)(uintptr_t) "alice",
				.sender = (char *)(uintptr_t) "alice@example.com",
				.recipients = recipients,
				.recipient_count = 2,
				.arrived_ms = 1795299114123,
				.size = 4096 };
	*d = (struct delivery){ .attempts = 3,
				.last_ms = 1795299115000,
				.next_ms = 1795299175000,
				.recipients = statuses,
				.recipient_count = 2 };
	queue->views = mem_resize(queue->views, (queue->count + 1) * sizeof(*queue->views));
	queue->views[queue->count++] = (struct queue_view){ e, d, qid == 1 };
}

static void status_adds_up_the_loops(void **state)
{
	struct rig *rig = *state;
	const struct relay_view main = { "main", "smtp.example.net", 587, 1, 2, 0, NULL };
	const struct relay_view spare = { "spare", "::1", 25, 0, 0, 0, NULL };
	json_t *answer, *smarthosts, *first;

	add_message(&rig->queues[0], 1);
	add_message(&rig->queues[1], 2);
	add_message(&rig->queues[1], 3);
	rig->relays[0] = (struct relay){ .views = { main, spare }, .count = 2, .waiting = 4 };
	rig->relays[1] = rig->relays[0];
	rig->relays[1].views[0].paused_ms = 1500;
	rig->relays[1].views[0].reason = "connection refused";
	counter_add(&rig->counters.messages_accepted, 42);
	answer = ask(rig, "{\"verb\": \"status\"}");
	assert_true(is_ok(answer));
	assert_string_equal(text_of(answer, "version"), "1.2.3");
	assert_int_equal(number_of(answer, "pid"), getpid());
	assert_int_equal(number_of(answer, "loops"), SHARDS);
	assert_true(number_of(answer, "uptime_s") >= 5);
	assert_string_equal(text_of(answer, "certificate_expires"), "2033-05-18T03:33:20Z");
	assert_int_equal(number_of(answer, "messages"), 3);
	assert_int_equal(number_of(answer, "waiting"), 8);
	assert_int_equal(number_of(json_object_get(answer, "counters"), "messages_accepted"), 42);
	smarthosts = json_object_get(answer, "smarthosts");
	assert_int_equal(json_array_size(smarthosts), 2);
	first = json_array_get(smarthosts, 0);
	assert_string_equal(text_of(first, "name"), "main");
	assert_int_equal(number_of(first, "idle"), 2);
	assert_int_equal(number_of(first, "busy"), 4);
	assert_int_equal(number_of(first, "paused_ms"), 1500);
	assert_string_equal(text_of(first, "reason"), "connection refused");
	assert_true(json_is_null(json_object_get(json_array_get(smarthosts, 1), "reason")));
	json_decref(answer);
}

static void the_queue_comes_in_pages(void **state)
{
	struct rig *rig = *state;
	char request[128] = "{\"verb\": \"queue\"}";
	uint64_t seen = 0;
	bool more = true;
	unsigned pages = 0;

	/* Not in the order of their ids: 4 3 2 1 8 7 6 5 ..., by turns on both loops. */
	for (uint64_t i = 0; i < 1204; i++)
		add_message(&rig->queues[i % SHARDS], (i / 4) * 4 + 4 - i % 4);
	for (; more; pages++) {
		json_t *answer = ask(rig, request), *message;
		size_t i;

		assert_true(is_ok(answer));
		json_array_foreach(json_object_get(answer, "messages"), i, message)
		{
			const char *qid = text_of(message, "qid");
			uint64_t id;

			assert_int_equal(id_parse(span_text(qid), &id), 0);
			assert_int_equal(id, ++seen);
			snprintf(request, sizeof(request),
				 "{\"verb\": \"queue\", \"after\": \"%s\"}", qid);
			assert_int_equal(json_is_true(json_object_get(message, "active")),
					 seen == 1);
		}
		more = json_is_true(json_object_get(answer, "more"));
		json_decref(answer);
	}
	assert_int_equal(seen, 1204);
	assert_int_equal(pages, 3);
}

static void one_message_is_shown_whole(void **state)
{
	struct rig *rig = *state;
	json_t *answer, *message, *recipient;

	add_message(&rig->queues[1], 33);
	answer = ask(rig, "{\"verb\": \"queue\", \"qid\": \"0000000000011\"}");
	assert_true(is_ok(answer));
	message = json_object_get(answer, "message");
	assert_string_equal(text_of(message, "qid"), "0000000000011");
	assert_string_equal(text_of(message, "sid"), "0000000000007");
	assert_string_equal(text_of(message, "sender"), "alice@example.com");
	assert_string_equal(text_of(message, "arrived"), "2026-11-21T22:11:54Z");
	assert_int_equal(number_of(message, "attempts"), 3);
	assert_int_equal(number_of(message, "nrcpt"), 2);
	assert_int_equal(number_of(message, "waiting"), 1);
	recipient = json_array_get(json_object_get(message, "recipients"), 0);
	assert_string_equal(text_of(recipient, "state"), "delivered");
	recipient = json_array_get(json_object_get(message, "recipients"), 1);
	assert_string_equal(text_of(recipient, "address"), "eve@example.org");
	assert_string_equal(text_of(recipient, "state"), "waiting");
	assert_int_equal(number_of(recipient, "code"), 451);
	assert_string_equal(text_of(recipient, "status"), "4.2.2");
	/* What is not UTF-8 is replaced; the rest is the peer's. */
	assert_string_equal(text_of(recipient, "text"), "full \xef\xbf\xbd\xc3\xbc \033[2J");
	assert_string_equal(text_of(message, "reason"), text_of(recipient, "text"));
	json_decref(answer);
	assert_refusal(ask(rig, "{\"verb\": \"queue\", \"qid\": \"0000000000012\"}"),
		       "no message 0000000000012");
	assert_refusal(ask(rig, "{\"verb\": \"queue\", \"qid\": \"0000000000000\"}"),
		       "no message 0000000000000");
}

static void reload_says_what_was_wrong(void **state)
{
	struct rig *rig = *state;
	json_t *answer = ask(rig, "{\"verb\": \"reload\"}");

	assert_true(is_ok(answer));
	json_decref(answer);
	fault_set(&rig->reload, -EINVAL, "a.conf:3: unknown key \"x\"");
	assert_refusal(ask(rig, "{\"verb\": \"reload\"}"), "a.conf:3: unknown key \"x\"");
	assert_int_equal(rig->reloads, 2);
}

static int dial(const struct rig *rig)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, rig->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void malformed_requests_are_refused(void **state)
{
	static const char *const requests[] = {
		"",
		"{",
		"[]",
		"3",
		"\"status\"",
		"{}",
		"{\"verb\": 3}",
		"{\"verb\": \"Status\"}",
		"{\"verb\": \"status\", \"verb\": \"reload\"}",
		"{\"verb\": \"status\"} {}",
		"{\"verb\": \"queue\", \"qid\": 3}",
		"{\"verb\": \"queue\", \"qid\": \"\"}",
		"{\"verb\": \"queue\", \"qid\": \"what?\"}",
		"{\"verb\": \"queue\", \"after\": []}",
		"\xff",
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		assert_refusal(ask(rig, requests[i]), "");
	assert_int_equal(rig->reloads, 0);
}

static void what_is_too_long_or_too_deep(void **state)
{
	struct rig *rig = *state;
	char *text = mem_alloc(70001);

	memset(text, '[', 60000);
	assert_refusal(ask(rig, text), "the request is not");
	/* The daemon may close while we still send. */
	memset(text, 'x', 70000);
	free(ctl_ask(rig->path, text, NULL));
	json_decref(ask(rig, "{\"verb\": \"status\"}"));
	free(text);
}

/* A request in parts, and clients that go away at each point of it. */
static void clients_that_go_away(void **state)
{
	static const char request[] = "{\"verb\": \"status\"}\n";
	struct rig *rig = *state;
	char c;

	for (size_t n = 0; n < sizeof(request); n++) {
		int fd = dial(rig);

		for (size_t i = 0; i < n; i++)
			assert_int_equal(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
		if (n == sizeof(request) - 1)
			assert_int_equal(recv(fd, &c, 1, 0), 1);
		close(fd);
	}
	json_decref(ask(rig, "{\"verb\": \"status\"}"));
}

static void the_file_of_the_socket(void **state)
{
	struct rig *rig = *state;
	struct fault fault = { 0 };
	char other[96], line[] = "x";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ctl *second;
	struct stat st;
	int fd;

	assert_int_equal(stat(rig->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* One that is served is not taken. */
	assert_null(open_on(rig, rig->path, &fault));
	assert_int_equal(fault.code, -EADDRINUSE);
	json_decref(ask(rig, "{\"verb\": \"status\"}"));
	/* One that is left over is. */
	snprintf(other, sizeof(other), "%s/other", rig->directory);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(address.sun_path, other);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	second = open_on(rig, other, &fault);
	assert_non_null(second);
	ctl_close(&second);
	assert_int_equal(access(other, F_OK), -1);
	/* Something else is neither taken nor removed. */
	fd = open(other, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, line, 1), 1);
	close(fd);
	assert_null(open_on(rig, other, &fault));
	assert_int_equal(fault.code, -EEXIST);
	assert_int_equal(unlink(other), 0);
	/* No directory, no room in the address, nobody there. */
	assert_null(open_on(rig, "/tmp/no-such-directory-here/control", &fault));
	assert_int_equal(fault.code, -ENOENT);
	assert_null(ctl_ask(other, "{}", &fault));
	assert_non_null(strstr(fault.text, other));
}

struct asker {
	const struct rig *rig;
	char *answer;
};

static void *ask_for_status(void *user)
{
	struct asker *asker = user;
	struct fault fault;

	asker->answer = ctl_ask(asker->rig->path, "{\"verb\": \"status\"}", &fault);
	return NULL;
}

/* Closing does not wait for a loop that is stuck, and what that loop does later does no harm. */
static void closing_while_a_loop_is_stuck(void **state)
{
	struct rig *rig = *state;
	struct asker asker = { rig, NULL };
	sem_t entered, leave;
	pthread_t thread;

	sem_init(&entered, 0, 0);
	sem_init(&leave, 0, 0);
	rig->relays[0].entered = &entered;
	rig->relays[0].leave = &leave;
	pthread_create(&thread, NULL, ask_for_status, &asker);
	sem_wait(&entered);
	ctl_close(&rig->ctl);
	pthread_join(thread, NULL);
	if (asker.answer)
		assert_non_null(strstr(asker.answer, "stopping"));
	free(asker.answer);
	sem_post(&leave);
	loop_end(&rig->shards[0].loop);
	rig->shards[0].loop = loop_new("shard");
	loop_start(rig->shards[0].loop);
	sem_destroy(&entered);
	sem_destroy(&leave);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(status_adds_up_the_loops),	      CASE(the_queue_comes_in_pages),
		CASE(one_message_is_shown_whole),     CASE(reload_says_what_was_wrong),
		CASE(malformed_requests_are_refused), CASE(what_is_too_long_or_too_deep),
		CASE(clients_that_go_away),	      CASE(the_file_of_the_socket),
		CASE(closing_while_a_loop_is_stuck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

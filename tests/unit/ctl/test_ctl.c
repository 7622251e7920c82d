#include "rig.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void status_adds_up_the_loops(void **state)
{
	struct rig *rig = *state;
	const struct relay_view main = { "main", "smtp.example.net", 587, 1, 2, 0, NULL, 30, 0 };
	const struct relay_view spare = { "spare", "::1", 25, 0, 0, 0, NULL, 0, 0 };
	json_t *answer, *smarthosts, *first;

	rig_add(&rig->queues[0], 1);
	rig_add(&rig->queues[1], 2);
	rig_add(&rig->queues[1], 3);
	rig->relays[0] = (struct relay){ .views = { main, spare }, .count = 2, .waiting = 4 };
	rig->relays[1] = rig->relays[0];
	rig->relays[1].views[0].paused_ms = 1500;
	rig->relays[1].views[0].reason = "connection refused";
	rig->relays[0].views[0].rated_ms = 700;
	counter_add(&rig->counters.queue_held, 2);
	counter_add(&rig->counters.messages_accepted, 42);
	answer = rig_ask(rig, "{\"verb\": \"status\"}");
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
	assert_int_equal(number_of(first, "rate"), 30);
	assert_int_equal(number_of(first, "rated_ms"), 700);
	assert_int_equal(number_of(answer, "held"), 2);
	assert_string_equal(text_of(first, "reason"), "connection refused");
	assert_true(json_is_null(json_object_get(json_array_get(smarthosts, 1), "reason")));
	assert_true(json_is_null(json_object_get(answer, "refusing")));
	json_decref(answer);
	fault_set(&rig->refusing, -ENOSPC, "the disk is full");
	answer = rig_ask(rig, "{\"verb\": \"status\"}");
	assert_string_equal(text_of(answer, "refusing"), "the disk is full");
	json_decref(answer);
}

static void status_says_whether_logins_can_be_checked(void **state)
{
	struct rig *rig = *state;
	json_t *answer = rig_ask(rig, "{\"verb\": \"status\"}"), *down;

	assert_true(json_is_null(json_object_get(answer, "logins_down")));
	json_decref(answer);
	fault_set(&rig->logins_down, -EAGAIN, "saslauthd: \033 no");
	answer = rig_ask(rig, "{\"verb\": \"status\"}");
	down = json_object_get(answer, "logins_down");
	assert_string_equal(text_of(down, "since"), "2033-05-18T03:33:20Z");
	assert_string_equal(text_of(down, "reason"), "saslauthd: \033 no");
	json_decref(answer);
}

/* Words of EHLO, each held against what is there, with an end. */
static void assert_offers(const json_t *smarthost, const char *const *words)
{
	const json_t *offers = json_object_get(smarthost, "offers"), *one;
	size_t i;

	assert_true(json_is_array(offers));
	json_array_foreach(offers, i, one)
	{
		assert_non_null(words[i]);
		assert_string_equal(json_string_value(one), words[i]);
	}
	assert_null(words[i]);
}

static void status_tells_what_smarthosts_offer(void **state)
{
	static const struct smtp_client_offers much = { .pipelining = true,
							.eightbitmime = true,
							.size = true,
							.size_octets = 36700160,
							.auth = true,
							.smtputf8 = true,
							.dsn = true,
							.chunking = true,
							.binarymime = true,
							.require_tls = true,
							.rcpt_most = 500,
							.rcpt_domains_most = 3,
							.mechanisms = "PLAIN LOGIN" };
	static const struct smtp_client_offers none = { 0 }, open_size = { .size = true };
	static const char *const much_words[] = { "PIPELINING",
						  "SIZE 36700160",
						  "8BITMIME",
						  "BINARYMIME",
						  "CHUNKING",
						  "SMTPUTF8",
						  "DSN",
						  "REQUIRETLS",
						  "LIMITS RCPTMAX=500 RCPTDOMAINMAX=3",
						  "AUTH PLAIN LOGIN",
						  NULL };
	static const char *const no_words[] = { NULL }, *const size_words[] = { "SIZE", NULL };
	const struct relay_view main = { .name = "main", .host = "a" };
	const struct relay_view spare = { .name = "spare", .host = "b" };
	struct rig *rig = *state;
	json_t *answer, *smarthosts;

	for (size_t i = 0; i < SHARDS; i++)
		rig->relays[i] = (struct relay){ .views = { main, spare }, .count = 2 };
	/* Learned between the answers of two loops. */
	rig->relays[1].offers[0] = &much;
	answer = rig_ask(rig, "{\"verb\": \"status\"}");
	smarthosts = json_object_get(answer, "smarthosts");
	assert_offers(json_array_get(smarthosts, 0), much_words);
	assert_true(json_is_null(json_object_get(json_array_get(smarthosts, 1), "offers")));
	json_decref(answer);
	rig->relays[0].offers[0] = &none;
	rig->relays[0].offers[1] = &open_size;
	answer = rig_ask(rig, "{\"verb\": \"status\"}");
	smarthosts = json_object_get(answer, "smarthosts");
	assert_offers(json_array_get(smarthosts, 0), no_words);
	assert_offers(json_array_get(smarthosts, 1), size_words);
	json_decref(answer);
}

static void reload_says_what_was_wrong(void **state)
{
	struct rig *rig = *state;
	json_t *answer = rig_ask(rig, "{\"verb\": \"reload\"}");

	assert_true(is_ok(answer));
	json_decref(answer);
	fault_set(&rig->reload, -EINVAL, "a.conf:3: unknown key \"x\"");
	assert_refusal(rig_ask(rig, "{\"verb\": \"reload\"}"), "a.conf:3: unknown key \"x\"");
	assert_int_equal(rig->reloads, 2);
}

/* What a reload posts to a loop. It goes to the main loop and back before it is done, so that an answer
 * that does not wait for it is there first. */
static struct renewal {
	struct work work, there;
	struct loop *main;
	sem_t back;
	atomic_bool is_done;
} renewals[SHARDS];

static void run_there(struct work *work)
{
	sem_post(&work_entry(work, struct renewal, there)->back);
}

static void run_renewal(struct work *work)
{
	struct renewal *renewal = work_entry(work, struct renewal, work);

	for (int i = 0; i < 100; i++) {
		loop_post(renewal->main, &renewal->there);
		sem_wait(&renewal->back);
	}
	atomic_store(&renewal->is_done, true);
}

static void renew_all(struct rig *rig)
{
	for (int i = 0; i < SHARDS; i++) {
		renewals[i].work.run = run_renewal;
		renewals[i].there.run = run_there;
		renewals[i].main = rig->main;
		sem_init(&renewals[i].back, 0, 0);
		loop_post(rig->shards[i].loop, &renewals[i].work);
	}
}

static void reload_is_answered_when_all_loops_have_it(void **state)
{
	struct rig *rig = *state;
	json_t *answer;

	rig->on_reload = renew_all;
	answer = rig_ask(rig, "{\"verb\": \"reload\"}");
	for (int i = 0; i < SHARDS; i++)
		assert_true(atomic_load(&renewals[i].is_done));
	assert_true(is_ok(answer));
	json_decref(answer);
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
		"{\"verb\": \"queue\"}",
		"{\"verb\": \"list\", \"filter\": []}",
		"{\"verb\": \"list\", \"filter\": {\"from\": 3}}",
		"{\"verb\": \"list\", \"filter\": {\"colour\": \"red\"}}",
		"{\"verb\": \"list\", \"filter\": {\"older_ms\": -1}}",
		"{\"verb\": \"list\", \"filter\": {\"stand\": \"lying\"}}",
		"{\"verb\": \"list\", \"filter\": {\"held\": false}}",
		"{\"verb\": \"summary\"}",
		"{\"verb\": \"summary\", \"by\": \"size\"}",
		"{\"verb\": \"show\"}",
		"{\"verb\": \"show\", \"qids\": []}",
		"{\"verb\": \"show\", \"qids\": [3]}",
		"{\"verb\": \"show\", \"qids\": [\"\"]}",
		"{\"verb\": \"show\", \"qids\": [\"what?\"]}",
		"{\"verb\": \"act\", \"action\": \"rm\"}",
		"{\"verb\": \"act\", \"action\": \"rm\", \"filter\": {}}",
		"{\"verb\": \"act\", \"action\": \"rm\", \"all\": false}",
		"{\"verb\": \"act\", \"action\": \"rm\", \"all\": true, \"qids\": [\"1\"]}",
		"{\"verb\": \"act\", \"action\": \"eat\", \"all\": true}",
		"{\"verb\": \"act\", \"all\": true}",
		"{\"verb\": \"export\"}",
		"\xff",
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		assert_refusal(rig_ask(rig, requests[i]), "");
	assert_int_equal(rig->reloads, 0);
}

static void what_is_too_long_or_too_deep(void **state)
{
	struct rig *rig = *state;
	struct ctl_talk *talk;
	char *text = mem_alloc(70001);

	memset(text, '[', 60000);
	assert_refusal(rig_ask(rig, text), "the request is not");
	/* The daemon may close while we still send. */
	memset(text, 'x', 70000);
	talk = ctl_talk_open(rig->path, text, NULL);
	ctl_talk_close(&talk);
	json_decref(rig_ask(rig, "{\"verb\": \"status\"}"));
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
	json_decref(rig_ask(rig, "{\"verb\": \"status\"}"));
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
	assert_null(rig_open(rig, rig->path, &fault));
	assert_int_equal(fault.code, -EADDRINUSE);
	json_decref(rig_ask(rig, "{\"verb\": \"status\"}"));
	/* One that is left over is. */
	snprintf(other, sizeof(other), "%s/other", rig->directory);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(address.sun_path, other);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	second = rig_open(rig, other, &fault);
	assert_non_null(second);
	ctl_close(&second);
	assert_int_equal(access(other, F_OK), -1);
	/* Something else is neither taken nor removed. */
	fd = open(other, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, line, 1), 1);
	close(fd);
	assert_null(rig_open(rig, other, &fault));
	assert_int_equal(fault.code, -EEXIST);
	assert_int_equal(unlink(other), 0);
	/* No directory, no room in the address, nobody there. */
	assert_null(rig_open(rig, "/tmp/no-such-directory-here/control", &fault));
	assert_int_equal(fault.code, -ENOENT);
	assert_null(ctl_talk_open(other, "{}", &fault));
	assert_non_null(strstr(fault.text, other));
}

/* The log writes to stderr, which is a pipe here. */
static void an_answer_comes_after_what_led_to_it_is_logged(void **state)
{
	struct rig rig = *(struct rig *)*state;
	struct fault fault = { 0 };
	struct logline line;
	struct ctl *ctl;
	int ends[2], saved = dup(STDERR_FILENO), octets = 0;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	rig.log = log_new(LOG_TO_STDERR, LOG_LEVEL_INFO);
	snprintf(rig.path, sizeof(rig.path), "%s/logged", rig.directory);
	ctl = rig_open(&rig, rig.path, &fault);
	assert_non_null(ctl);
	logline_start(&line, LOG_LEVEL_INFO, "something");
	log_put(rig.log, &line);
	json_decref(rig_ask(&rig, "{\"verb\": \"status\"}"));
	assert_int_equal(ioctl(ends[0], FIONREAD, &octets), 0);
	ctl_close(&ctl);
	log_free(&rig.log);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[0]);
	close(ends[1]);
	assert_true(octets > 0);
}

struct asker {
	const struct rig *rig;
	const char *request;
	char *answer;
};

static void *ask_aside(void *user)
{
	struct asker *asker = user;
	struct fault fault;
	struct span line;
	struct ctl_talk *talk = ctl_talk_open(asker->rig->path, asker->request, &fault);

	assert_non_null(talk);
	if (ctl_talk_line(talk, &line, &fault) == 0)
		asker->answer = mem_text_n(line.at, line.len);
	ctl_talk_close(&talk);
	return NULL;
}

/* Closing does not wait for a loop that is stuck, and what that loop does later does no harm. */
static void close_while_stuck(struct rig *rig, const char *request, sem_t **entered_at,
			      sem_t **leave_at)
{
	struct asker asker = { rig, request, NULL };
	sem_t entered, leave;
	pthread_t thread;

	sem_init(&entered, 0, 0);
	sem_init(&leave, 0, 0);
	*entered_at = &entered;
	*leave_at = &leave;
	pthread_create(&thread, NULL, ask_aside, &asker);
	sem_wait(&entered);
	ctl_close(&rig->ctl);
	pthread_join(thread, NULL);
	if (asker.answer)
		assert_non_null(strstr(asker.answer, "stopping"));
	free(asker.answer);
	*entered_at = NULL;
	sem_post(&leave);
	rig_loop_end(&rig->shards[0].loop);
	rig->shards[0].loop = loop_new("shard");
	loop_start(rig->shards[0].loop);
	sem_destroy(&entered);
	sem_destroy(&leave);
}

static void closing_while_a_relay_is_stuck(void **state)
{
	struct rig *rig = *state;

	close_while_stuck(rig, "{\"verb\": \"status\"}", &rig->relays[0].entered,
			  &rig->relays[0].leave);
}

static void closing_in_the_middle_of_a_walk(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 1; i <= 10; i++)
		rig_add(&rig->queues[0], i);
	close_while_stuck(rig, "{\"verb\": \"list\"}", &rig->queues[0].entered,
			  &rig->queues[0].leave);
}

/* Who reads nothing, or says nothing, holds up nobody else. */
static void slow_clients_hold_up_nobody(void **state)
{
	static const char request[] = "{\"verb\": \"list\"}\n";
	struct rig *rig = *state;
	int silent[8], deaf[8];

	for (uint64_t i = 1; i <= 5000; i++)
		rig_add(&rig->queues[i % SHARDS], i);
	for (int i = 0; i < 8; i++) {
		silent[i] = dial(rig);
		deaf[i] = dial(rig);
		assert_int_equal(send(deaf[i], request, strlen(request), MSG_NOSIGNAL),
				 strlen(request));
	}
	for (int i = 0; i < 3; i++) {
		json_t *answer = rig_ask(rig, "{\"verb\": \"status\"}");

		assert_true(is_ok(answer));
		json_decref(answer);
	}
	for (int i = 0; i < 8; i++) {
		close(silent[i]);
		close(deaf[i]);
	}
	json_decref(rig_ask(rig, "{\"verb\": \"status\"}"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(status_adds_up_the_loops),
		CASE(reload_says_what_was_wrong),
		CASE(reload_is_answered_when_all_loops_have_it),
		CASE(status_says_whether_logins_can_be_checked),
		CASE(status_tells_what_smarthosts_offer),
		CASE(malformed_requests_are_refused),
		CASE(what_is_too_long_or_too_deep),
		CASE(clients_that_go_away),
		CASE(the_file_of_the_socket),
		CASE(an_answer_comes_after_what_led_to_it_is_logged),
		CASE(closing_while_a_relay_is_stuck),
		CASE(closing_in_the_middle_of_a_walk),
		CASE(slow_clients_hold_up_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

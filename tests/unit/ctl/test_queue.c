#include "inside.h"

#include "rig.h"

#include "base/base64.h"
#include "base/id.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* What an answer says, but for what depends on the clock. */
static void assert_golden(json_t *answer, const char *golden)
{
	char *text = json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII);

	assert_string_equal(text, golden);
	free(text);
	json_decref(answer);
}

static void keep_line(void *user, json_t *line)
{
	json_array_append(user, line);
}

struct seen {
	uint64_t last;
	size_t count, pages;
};

static void see_page(void *user, json_t *line)
{
	struct seen *seen = user;
	json_t *message;
	size_t i;

	seen->pages++;
	json_array_foreach(json_object_get(line, "messages"), i, message)
	{
		uint64_t id;

		assert_int_equal(id_parse(span_text(text_of(message, "qid")), &id), 0);
		assert_true(id > seen->last);
		seen->last = id;
		seen->count++;
	}
}

static void a_list_comes_in_pages_and_in_order(void **state)
{
	struct rig *rig = *state;
	struct seen seen = { 0 };
	json_t *last;

	/* Much more on one loop than on the other. */
	for (uint64_t i = 1; i <= 12000; i++)
		rig_add(&rig->queues[i % 7 == 0], i);
	last = rig_talk(rig, "{\"verb\": \"list\"}", see_page, &seen);
	assert_true(is_ok(last));
	assert_int_equal(number_of(last, "count"), 12000);
	assert_int_equal(seen.count, 12000);
	assert_true(seen.pages >= 12);
	json_decref(last);
	for (size_t i = 0; i < SHARDS; i++)
		assert_in_range(rig->queues[i].most_visited, 1, 750);
}

/* Hardly anything is taken: the loop has other turns in between all the same. */
static void a_filter_is_applied_in_portions(void **state)
{
	struct rig *rig = *state;
	json_t *lines = json_array(), *page, *last;

	for (uint64_t i = 1; i <= 40000; i++)
		rig_add(&rig->queues[i % SHARDS], i)->envelope.account =
			(char *)(uintptr_t)(i == 39999 ? "carol" : "alice");
	last = rig_talk(rig, "{\"verb\": \"list\", \"filter\": {\"account\": \"car*\"}}", keep_line,
			lines);
	assert_int_equal(number_of(last, "count"), 1);
	page = json_object_get(json_array_get(lines, 0), "messages");
	assert_int_equal(json_array_size(lines), 1);
	assert_string_equal(text_of(json_array_get(page, 0), "account"), "carol");
	for (size_t i = 0; i < SHARDS; i++)
		assert_in_range(rig->queues[i].most_visited, 4000, 5000);
	json_decref(lines);
	json_decref(last);
}

static void one_in_a_list(void **state)
{
	struct rig *rig = *state;
	json_t *lines = json_array(), *message;

	rig_add(&rig->queues[1], 33);
	json_decref(rig_talk(rig, "{\"verb\": \"list\"}", keep_line, lines));
	message = json_incref(
		json_array_get(json_object_get(json_array_get(lines, 0), "messages"), 0));
	json_object_del(message, "age_s");
	assert_golden(message,
		      "{\"qid\":\"0000000000011\",\"arrived\":\"2026-11-21T22:11:54Z\","
		      "\"size\":4096,\"account\":\"alice\",\"sender\":\"alice@example.com\","
		      "\"nrcpt\":2,\"waiting\":1,\"attempts\":3,\"stand\":\"retry\",\"held\":false,"
		      "\"next\":\"2026-11-21T22:12:55Z\",\"recipient\":\"eve@example.org\","
		      "\"smarthost\":\"main\",\"code\":451,\"status\":\"4.2.2\","
		      /* What is not UTF-8 is replaced; the rest is the peer's. */
		      "\"reason\":\"full \\uFFFD\\u00FC \\u001B[2J\"}");
	json_decref(lines);
}

static void one_shown_whole(void **state)
{
	static struct delivery_try tries[] = { { 1795299114500,
						 1795299115000,
						 3,
						 1,
						 451,
						 { 4, 2, 2 },
						 (char *)(uintptr_t) "full",
						 (char *)(uintptr_t) "main" } };
	struct rig *rig = *state;
	const struct relay_view main = { "main", "smtp.example.net", 587, 1, 2, 0, NULL, 0, 0 };
	struct message *m = rig_add(&rig->queues[1], 33);
	json_t *answer, *message;

	m->delivery.tries = tries;
	m->delivery.try_count = 1;
	m->view.warn_ms = 1;
	rig->relays[1] = (struct relay){ .views = { main }, .count = 1 };
	answer = rig_ask(rig, "{\"verb\": \"show\", \"qids\": [\"0000000000011\","
			      " \"0000000000012\", \"0000000000000\", \"000000000001I\"]}");
	assert_true(is_ok(answer));
	assert_int_equal(json_array_size(json_object_get(answer, "messages")), 1);
	message = json_incref(json_array_get(json_object_get(answer, "messages"), 0));
	assert_golden(json_incref(json_object_get(answer, "missing")),
		      "[\"0000000000000\",\"0000000000012\"]");
	json_decref(answer);
	assert_int_equal(number_of(message, "warn_s"), 0);
	assert_golden(json_incref(json_object_get(message, "recipients")),
		      "[{\"address\":\"bob@example.org\",\"state\":\"delivered\",\"code\":250,"
		      "\"status\":\"2.1.5\",\"text\":\"ok\",\"smarthost\":\"main\"},"
		      "{\"address\":\"eve@example.org\",\"state\":\"waiting\",\"code\":451,"
		      "\"status\":\"4.2.2\",\"text\":\"full \\uFFFD\\u00FC \\u001B[2J\","
		      "\"smarthost\":\"main\"}]");
	assert_golden(json_incref(json_object_get(message, "tries")),
		      "[{\"first\":\"2026-11-21T22:11:54Z\",\"last\":\"2026-11-21T22:11:55Z\","
		      "\"times\":3,\"recipients\":1,\"code\":451,\"status\":\"4.2.2\","
		      "\"text\":\"full\",\"smarthost\":\"main\"}]");
	assert_golden(json_incref(json_object_get(message, "smarthosts")),
		      "[{\"name\":\"main\",\"host\":\"smtp.example.net\",\"port\":587,\"idle\":1,"
		      "\"busy\":2,\"paused_ms\":0,\"reason\":null,\"rate\":0,\"rated_ms\":0,"
		      "\"offers\":null}]");
	json_object_del(message, "recipients");
	json_object_del(message, "tries");
	json_object_del(message, "smarthosts");
	json_object_del(message, "age_s");
	json_object_del(message, "next_s");
	json_object_del(message, "expire_s");
	json_object_del(message, "reason");
	assert_golden(message,
		      "{\"qid\":\"0000000000011\",\"arrived\":\"2026-11-21T22:11:54Z\","
		      "\"size\":4096,\"account\":\"alice\",\"sender\":\"alice@example.com\","
		      "\"nrcpt\":2,\"waiting\":1,\"attempts\":3,\"stand\":\"retry\",\"held\":false,"
		      "\"next\":\"2026-11-21T22:12:55Z\",\"recipient\":\"eve@example.org\","
		      "\"smarthost\":\"main\",\"code\":451,\"status\":\"4.2.2\","
		      "\"sid\":\"0000000000007\",\"envid\":null,"
		      "\"form\":[\"8bit\",\"binary\"],\"smtputf8\":true,\"requiretls\":false,"
		      "\"release\":null,\"release_s\":null,\"stand_text\":\"retry\","
		      "\"ahead\":0,\"last\":\"2026-11-21T22:11:55Z\","
		      "\"warn\":\"1970-01-01T00:00:00Z\",\"warn_s\":0,"
		      "\"expire\":\"2026-11-28T20:51:54Z\",\"warned\":false}");
}

/* Neither recipients nor words: nothing is made up. */
static void one_that_was_never_tried(void **state)
{
	static struct recipient_status waiting[2];
	struct rig *rig = *state;
	struct message *m = rig_add(&rig->queues[0], 5);
	json_t *answer, *message;

	m->delivery = (struct delivery){ .recipients = waiting, .recipient_count = 2 };
	m->view.stand = QUEUE_STAND_LINE;
	m->view.next_ms = m->view.expire_ms = 0;
	m->view.ahead = 17;
	m->envelope.sid = 0;
	m->envelope.form = 0;
	m->envelope.is_utf8 = false;
	m->envelope.require_tls = true;
	m->envelope.release_ms = 1795299175000;
	answer = rig_ask(rig, "{\"verb\": \"show\", \"qids\": [\"0000000000005\"]}");
	message = json_array_get(json_object_get(answer, "messages"), 0);
	assert_string_equal(text_of(message, "recipient"), "bob@example.org");
	assert_int_equal(number_of(message, "ahead"), 17);
	assert_int_equal(json_array_size(json_object_get(message, "form")), 0);
	assert_true(json_is_false(json_object_get(message, "smtputf8")));
	assert_true(json_is_true(json_object_get(message, "requiretls")));
	assert_string_equal(text_of(message, "release"), "2026-11-21T22:12:55Z");
	for (size_t i = 0; i < 9; i++) {
		static const char *const keys[] = { "code", "status", "reason", "sid",	   "next",
						    "last", "next_s", "expire", "expire_s" };

		assert_true(json_is_null(json_object_get(message, keys[i])));
	}
	json_decref(answer);
}

static char *fixed(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* Three kinds of trouble, and words that differ in numbers only. */
static void add_trouble(struct rig *rig)
{
	static char texts[30][64];
	static struct recipient_status statuses[30][2];

	for (uint64_t i = 0; i < 30; i++) {
		struct message *m = rig_add(&rig->queues[i % SHARDS], i + 1);

		snprintf(texts[i], sizeof(texts[i]), "<u%d@x.test>: try in %d s", (int)i, (int)i);
		statuses[i][0] = (struct recipient_status){ RECIPIENT_WAITING,
							    i % 3 ? 451 : 0,
							    { 0 },
							    i % 3 ? texts[i] : fixed("refused"),
							    i % 3 ? fixed("main") : NULL,
							    false };
		statuses[i][1] = statuses[i][0];
		m->delivery.recipients = statuses[i];
		m->envelope.sender = fixed(i % 2 ? "Alice@example.com" : "alice@EXAMPLE.com");
		m->envelope.arrived_ms += (int64_t)i * 1000;
		if (i % 5 == 0)
			m->view.stand = QUEUE_STAND_HELD;
	}
}

static json_t *without_ages(json_t *answer)
{
	json_t *group;
	size_t i;

	json_array_foreach(json_object_get(answer, "groups"), i, group)
		json_object_del(group, "age_s");
	return answer;
}

static void summaries(void **state)
{
	struct rig *rig = *state;

	assert_golden(rig_ask(rig, "{\"verb\": \"summary\", \"by\": \"reason\"}"),
		      "{\"ok\":true,\"by\":\"reason\",\"groups\":[],\"messages\":0,\"octets\":0,"
		      "\"oldest\":null}");
	add_trouble(rig);
	assert_golden(without_ages(rig_ask(rig, "{\"verb\": \"summary\", \"by\": \"reason\"}")),
		      "{\"ok\":true,\"by\":\"reason\",\"groups\":["
		      "{\"stand\":\"retry\",\"name\":\"451 <address> try in # s\",\"messages\":16,"
		      "\"octets\":65536,\"oldest\":\"2026-11-21T22:11:55Z\"},"
		      "{\"stand\":\"retry\",\"name\":\"refused\",\"messages\":8,\"octets\":32768,"
		      "\"oldest\":\"2026-11-21T22:11:57Z\"},"
		      "{\"stand\":\"held\",\"name\":\"451 <address> try in # s\",\"messages\":4,"
		      "\"octets\":16384,\"oldest\":\"2026-11-21T22:11:59Z\"},"
		      "{\"stand\":\"held\",\"name\":\"refused\",\"messages\":2,\"octets\":8192,"
		      "\"oldest\":\"2026-11-21T22:11:54Z\"}],"
		      "\"messages\":30,\"octets\":122880,\"oldest\":\"2026-11-21T22:11:54Z\"}");
	assert_golden(without_ages(rig_ask(rig, "{\"verb\": \"summary\", \"by\": \"sender\"}")),
		      "{\"ok\":true,\"by\":\"sender\",\"groups\":[{\"name\":\"alice@example.com\","
		      "\"messages\":30,\"octets\":122880,\"oldest\":\"2026-11-21T22:11:54Z\"}],"
		      "\"messages\":30,\"octets\":122880,\"oldest\":\"2026-11-21T22:11:54Z\"}");
	/* Both recipients wait, in one domain: it counts once. */
	assert_golden(without_ages(rig_ask(rig, "{\"verb\": \"summary\", \"by\": \"domain\","
						" \"filter\": {\"smarthost\": \"main\"}}")),
		      "{\"ok\":true,\"by\":\"domain\",\"groups\":[{\"name\":\"example.org\","
		      "\"messages\":20,\"octets\":81920,\"oldest\":\"2026-11-21T22:11:55Z\"}],"
		      "\"messages\":20,\"octets\":81920,\"oldest\":\"2026-11-21T22:11:55Z\"}");
	assert_golden(without_ages(rig_ask(rig, "{\"verb\": \"summary\", \"by\": \"smarthost\"}")),
		      "{\"ok\":true,\"by\":\"smarthost\",\"groups\":[{\"name\":\"main\","
		      "\"messages\":20,\"octets\":81920,\"oldest\":\"2026-11-21T22:11:55Z\"},"
		      "{\"name\":\"\",\"messages\":10,\"octets\":40960,"
		      "\"oldest\":\"2026-11-21T22:11:54Z\"}],"
		      "\"messages\":30,\"octets\":122880,\"oldest\":\"2026-11-21T22:11:54Z\"}");
}

/* More names than are kept apart: the others are still counted. */
static void a_summary_of_very_many_names(void **state)
{
	struct rig *rig = *state;
	char(*names)[16] = calloc(25000, sizeof(*names));
	json_t *answer, *groups;
	json_int_t sum = 0;

	for (uint64_t i = 0; i < 25000; i++) {
		snprintf(names[i], sizeof(names[i]), "u%d", (int)i);
		rig_add(&rig->queues[i % SHARDS], i + 1)->envelope.account = names[i];
	}
	answer = rig_ask(rig, "{\"verb\": \"summary\", \"by\": \"account\"}");
	groups = json_object_get(answer, "groups");
	assert_int_equal(json_array_size(groups), 10001);
	for (size_t i = 0; i <= 10000; i++)
		sum += number_of(json_array_get(groups, i), "messages");
	assert_int_equal(sum, 25000);
	assert_int_equal(number_of(answer, "messages"), 25000);
	assert_true(json_is_null(json_object_get(json_array_get(groups, 10000), "name")));
	json_decref(answer);
	free(names);
}

static void add_content(void *user, json_t *line)
{
	assert_int_equal(base64_decode(span_text(text_of(line, "content")), user), 0);
}

static void a_message_is_exported(void **state)
{
	static const char request[] = "{\"verb\": \"export\", \"qids\": [\"0000000000005\"]}";
	struct rig *rig = *state;
	struct buf content = { 0 };
	json_t *last;

	assert_refusal(rig_ask(rig, request), "not in the queue");
	rig_add(&rig->queues[1], 5);
	last = rig_talk(rig, request, add_content, &content);
	assert_golden(last, "{\"ok\":true,\"qid\":\"0000000000005\",\"octets\":25}");
	assert_span_text(buf_span(&content), "Subject: lunch\r\n\r\nNoon?\r\n");
	buf_fini(&content);
	/* It ends in the middle: that is no message. */
	rig->content_fails = -EBADMSG;
	assert_refusal(rig_ask(rig, request), "damaged");
	rig->content_fails = -ENOENT;
	assert_refusal(rig_ask(rig, request), "delivered or removed");
	assert_refusal(rig_ask(rig, "{\"verb\": \"export\", \"qids\": [\"0000000000005\","
				    " \"0000000000006\"]}"),
		       "1 to 1");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_list_comes_in_pages_and_in_order),
		CASE(a_filter_is_applied_in_portions),
		CASE(one_in_a_list),
		CASE(one_shown_whole),
		CASE(one_that_was_never_tried),
		CASE(summaries),
		CASE(a_summary_of_very_many_names),
		CASE(a_message_is_exported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

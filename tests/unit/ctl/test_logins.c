#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the daemon behind the socket was asked, and what it remembers. */
struct memory {
	char account[64], credential[64];
	bool has_credential;
	unsigned revokes;
	size_t uses;
	size_t told; /* before each() had enough */
};

static size_t end_sessions(void *user, const char *account, const char *credential)
{
	struct memory *m = user;

	m->revokes++;
	snprintf(m->account, sizeof(m->account), "%s", account);
	m->has_credential = credential != NULL;
	snprintf(m->credential, sizeof(m->credential), "%s", credential ? credential : "");
	return 2;
}

static void last_use(void *user, const char *account,
		     bool (*each)(void *to, const struct ctl_use *use), void *to)
{
	struct memory *m = user;

	snprintf(m->account, sizeof(m->account), "%s", account ? account : "(all)");
	for (m->told = 0; m->told < m->uses; m->told++) {
		char credential[24];

		snprintf(credential, sizeof(credential), "%zu", m->told);
		if (!each(to, &(struct ctl_use){ "b\xC3\xB6", m->told ? credential : "",
						 "2001:db8::1", 1795299114 + (int64_t)m->told }))
			return;
	}
}

/* A second socket beside the rig's, of a daemon that has all or nothing to do with logins. */
static struct ctl *open_beside(struct rig *rig, struct memory *m)
{
	struct fault fault = { 0 };
	struct ctl *ctl;

	snprintf(rig->path, sizeof(rig->path), "%s/logins", rig->directory);
	ctl = ctl_open(&(struct ctl_conf){ .loop = rig->main,
					   .counters = &rig->counters,
					   .path = rig->path,
					   .shards = rig->shards,
					   .shard_count = SHARDS,
					   .version = "1.2.3",
					   .revoke = m ? end_sessions : NULL,
					   .last_use = m ? last_use : NULL,
					   .user = m },
		       &fault);
	if (ctl == NULL)
		fail_msg("%s", fault.text);
	return ctl;
}

static void revoke_names_who_and_what(void **state)
{
	struct rig rig = *(struct rig *)*state;
	struct memory m = { 0 };
	struct ctl *ctl = open_beside(&rig, &m);
	json_t *answer;

	answer = rig_ask(&rig, "{\"verb\": \"revoke\", \"account\": \"alice\"}");
	assert_true(is_ok(answer));
	assert_int_equal(number_of(answer, "sessions"), 2);
	assert_string_equal(m.account, "alice");
	assert_false(m.has_credential);
	json_decref(answer);
	json_decref(rig_ask(&rig, "{\"verb\": \"revoke\", \"account\": \"b\xC3\xB6\", "
				  "\"credential\": null}"));
	assert_string_equal(m.account, "b\xC3\xB6");
	assert_false(m.has_credential);
	json_decref(rig_ask(&rig, "{\"verb\": \"revoke\", \"account\": \"alice\", "
				  "\"credential\": \"k3fz\"}"));
	assert_string_equal(m.credential, "k3fz");
	assert_int_equal(m.revokes, 3);
	ctl_close(&ctl);
}

static void odd_requests_end_nothing(void **state)
{
	static const char *const requests[] = {
		"{\"verb\": \"revoke\"}",
		"{\"verb\": \"revoke\", \"account\": null}",
		"{\"verb\": \"revoke\", \"account\": \"\"}",
		"{\"verb\": \"revoke\", \"account\": 3}",
		"{\"verb\": \"revoke\", \"account\": [\"alice\"]}",
		"{\"verb\": \"revoke\", \"account\": \"alice\", \"credential\": \"\"}",
		"{\"verb\": \"revoke\", \"account\": \"alice\", \"credential\": false}",
		"{\"verb\": \"revoke\", \"account\": \"alice\", \"credential\": {}}",
		"{\"verb\": \"last-use\", \"account\": \"\"}",
		"{\"verb\": \"last-use\", \"account\": 3}",
	};
	struct rig rig = *(struct rig *)*state;
	struct memory m = { 0 };
	struct ctl *ctl = open_beside(&rig, &m);
	char text[512];

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		json_t *answer = rig_ask(&rig, requests[i]);

		assert_string_equal(text_of(answer, "kind"), "usage");
		assert_refusal(answer, "");
	}
	snprintf(text, sizeof(text), "{\"verb\": \"revoke\", \"account\": \"%0256d\"}", 0);
	assert_refusal(rig_ask(&rig, text), "255 octets");
	assert_int_equal(m.revokes, 0);
	ctl_close(&ctl);
}

static void a_daemon_without_logins(void **state)
{
	struct rig rig = *(struct rig *)*state;
	struct ctl *ctl = open_beside(&rig, NULL);
	json_t *answer;

	assert_refusal(rig_ask(&rig, "{\"verb\": \"revoke\", \"account\": \"alice\"}"), "ends no");
	answer = rig_ask(&rig, "{\"verb\": \"last-use\"}");
	assert_true(is_ok(answer));
	assert_int_equal(number_of(answer, "count"), 0);
	json_decref(answer);
	ctl_close(&ctl);
}

struct heard {
	size_t lines, uses, most;
};

static void hear(void *user, json_t *line)
{
	struct heard *heard = user;
	json_t *uses = json_object_get(line, "uses"), *use;
	size_t i;

	heard->lines++;
	if (json_array_size(uses) > heard->most)
		heard->most = json_array_size(uses);
	json_array_foreach(uses, i, use)
	{
		char credential[24];

		snprintf(credential, sizeof(credential), "%zu", heard->uses);
		assert_string_equal(text_of(use, "account"), "b\xC3\xB6");
		assert_string_equal(text_of(use, "credential"), heard->uses ? credential : "");
		assert_string_equal(text_of(use, "address"), "2001:db8::1");
		assert_int_equal(number_of(use, "time_s"), 1795299114 + heard->uses);
		if (heard->uses == 0)
			assert_string_equal(text_of(use, "time"), "2026-11-21T22:11:54Z");
		heard->uses++;
	}
}

static void last_use_comes_in_lines(void **state)
{
	static const struct {
		size_t uses, lines;
	} cases[] = { { 0, 0 }, { 1, 1 }, { 999, 1 }, { 1000, 1 }, { 1001, 2 }, { 4500, 5 } };
	struct rig rig = *(struct rig *)*state;
	struct memory m = { 0 };
	struct ctl *ctl = open_beside(&rig, &m);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct heard heard = { 0 };
		json_t *answer;

		m.uses = cases[i].uses;
		answer = rig_talk(&rig, "{\"verb\": \"last-use\", \"account\": \"alice\"}", hear,
				  &heard);
		assert_true(is_ok(answer));
		assert_int_equal(number_of(answer, "count"), cases[i].uses);
		assert_int_equal(heard.uses, cases[i].uses);
		assert_int_equal(heard.lines, cases[i].lines);
		assert_true(heard.most <= 1000);
		assert_string_equal(m.account, "alice");
		json_decref(answer);
	}
	json_decref(rig_talk(&rig, "{\"verb\": \"last-use\", \"account\": null}", NULL, NULL));
	assert_string_equal(m.account, "(all)");
	ctl_close(&ctl);
}

/* Who asks and goes stops the telling, which has far more to say than a socket holds. */
static void a_client_that_goes_is_told_no_more(void **state)
{
	struct rig rig = *(struct rig *)*state;
	struct memory m = { .uses = 3 * 1000 * 1000 };
	struct ctl *ctl = open_beside(&rig, &m);
	struct ctl_talk *talk = ctl_talk_open(rig.path, "{\"verb\": \"last-use\"}", NULL);
	struct span line;

	assert_non_null(talk);
	assert_int_equal(ctl_talk_line(talk, &line, NULL), 0);
	ctl_talk_close(&talk);
	/* Waits for the thread of that connection. */
	ctl_close(&ctl);
	assert_true(m.told < m.uses);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(revoke_names_who_and_what),
		CASE(odd_requests_end_nothing),
		CASE(a_daemon_without_logins),
		CASE(last_use_comes_in_lines),
		CASE(a_client_that_goes_is_told_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tests/unit/relay/abilities.c: what is learned of smarthosts, and what follows from it: limits, REQUIRETLS,
 * channel bindings. */
#include "test.h"

#include "pool.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char content[] = "Subject: t\r\n\r\nHello\r\n";

enum { FAKES = 2 };

static struct rig rig;
static struct fake fakes[FAKES];
static struct relay_limit *limits[FAKES];
static struct relay_learned *learned[FAKES];
static struct relay_smarthost to[FAKES];
static struct test_job job;
static char dir[64], chain[96], key[96];

static int set_up(void **state)
{
	(void)state;
	rig_start(&rig);
	for (size_t i = 0; i < FAKES; i++) {
		memset(&fakes[i], 0, sizeof(fakes[i]));
		fakes[i].chain = chain;
		fakes[i].key = key;
		limits[i] = relay_limit_new(2, 0);
		learned[i] = relay_learned_new();
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_stop(&rig);
	for (size_t i = 0; i < FAKES; i++) {
		fake_stop(&fakes[i]);
		if (to[i].trust)
			tls_trust_unref(&to[i].trust);
		assert_int_equal(limits[i]->open, 0);
		assert_int_equal(limits[i]->hungry, 0);
		relay_limit_free(&limits[i]);
		relay_learned_free(&learned[i]);
	}
	return 0;
}

enum trust { PLAIN, UNVERIFIED, VERIFIED };

static void start_fake(size_t i, const char *offers, enum trust trust)
{
	struct fault fault;

	fakes[i].offers = offers;
	fakes[i].tls = trust == PLAIN ? FAKE_PLAIN : FAKE_IMPLICIT;
	fake_start(&fakes[i]);
	to[i] = rig_smarthost(i ? "second" : "first", fakes[i].port, limits[i]);
	to[i].learned = learned[i];
	to[i].tls = trust == PLAIN ? SMTP_CLIENT_TLS_NONE : SMTP_CLIENT_TLS_IMPLICIT;
	to[i].trust = trust == VERIFIED ? tls_trust_load(chain, &fault) : NULL;
	if (trust == VERIFIED)
		assert_non_null(to[i].trust);
}

static void start_both(const char *first, enum trust first_trust, const char *second,
		       enum trust second_trust)
{
	start_fake(0, first, first_trust);
	start_fake(1, second, second_trust);
	rig_relay(&rig, to, FAKES);
}

static void send_to(const char *recipients)
{
	job_init(&job, "alice@example.com", recipients, content);
	relay_send(rig.relay, &job.job);
	rig_until(&rig, job_is_done, &job);
}

static void assert_outcome(size_t i, enum relay_outcome outcome, int code)
{
	if (job.verdicts[i].outcome != outcome || job.verdicts[i].code != code)
		fail_msg("%zu: outcome %d, %d %s / %s", i, job.verdicts[i].outcome,
			 job.verdicts[i].code, job.verdicts[i].text, job.verdicts[i].reason);
}

/* LIMITS */

static bool is_answered(void *user)
{
	(void)user;
	for (size_t i = 0; i < job.job.message.recipient_count; i++)
		if (!job.accepted[i] && !job.verdicts[i].count)
			return false;
	return true;
}

static void recipients_beyond_the_limit_come_again_at_once(void **state)
{
	(void)state;
	start_both("250-PIPELINING\r\n250-LIMITS RCPTMAX=2\r\n", PLAIN, NULL, PLAIN);
	send_to("a@x.net b@x.net c@x.net d@x.net");
	for (size_t i = 0; i < 4; i++)
		assert_outcome(i, i < 2 ? RELAY_DELIVERED : RELAY_DEFERRED, i < 2 ? 250 : 452);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(job.verdicts[i].is_untried, i >= 2);
	assert_string_equal(fakes[0].messages[0].recipients, "a@x.net b@x.net");
	send_to("c@x.net d@x.net");
	assert_outcome(1, RELAY_DELIVERED, 250);
	assert_int_equal(fakes[0].connections, 1);
}

static void an_open_job_meets_the_limit_step_by_step(void **state)
{
	(void)state;
	start_both("250-LIMITS RCPTDOMAINMAX=1\r\n", PLAIN, NULL, PLAIN);
	job_open(&job, "alice@example.com", "a@x.net", content);
	relay_send(rig.relay, &job.job);
	rig_until(&rig, is_answered, NULL);
	job_grow(&job, "b@y.net");
	rig_until(&rig, is_answered, NULL);
	assert_outcome(1, RELAY_DEFERRED, 452);
	assert_true(job.verdicts[1].is_untried);
	job_grow(&job, "c@X.net");
	job_content(&job);
	rig_until(&rig, job_is_done, &job);
	assert_outcome(0, RELAY_DELIVERED, 250);
	assert_outcome(2, RELAY_DELIVERED, 250);
	assert_string_equal(fakes[0].messages[0].recipients, "a@x.net c@X.net");
}

static const char *too_many(const struct fake_talk *talk, const char *line)
{
	if (strncmp(line, "RCPT", 4) == 0 && talk->recipients > 1)
		return "452 4.5.3 too many";
	return NULL;
}

/* What the smarthost itself says is its verdict, and an attempt. */
static void the_peers_own_452_is_an_attempt(void **state)
{
	(void)state;
	fakes[0].answer = too_many;
	start_both(NULL, PLAIN, NULL, PLAIN);
	send_to("a@x.net b@x.net");
	assert_outcome(1, RELAY_DEFERRED, 452);
	assert_false(job.verdicts[1].is_untried);
}

static void messages_of_one_connection_are_the_smaller_number(void **state)
{
	static const struct {
		const char *offers;
		unsigned configured, connections;
	} cases[] = {
		{ "250-LIMITS MAILMAX=2\r\n", 0, 3 },
		{ "250-LIMITS MAILMAX=2\r\n", 5, 3 },
		{ "250-LIMITS MAILMAX=5\r\n", 3, 2 },
		{ "250-LIMITS MAILMAX=6\r\n", 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up(NULL);
		start_fake(0, cases[i].offers, PLAIN);
		start_fake(1, NULL, PLAIN);
		to[0].messages = cases[i].configured;
		rig_relay(&rig, to, FAKES);
		for (unsigned n = 0; n < 5; n++) {
			send_to("a@x.net");
			assert_outcome(0, RELAY_DELIVERED, 250);
		}
		assert_int_equal(fakes[0].connections, cases[i].connections);
		tear_down(NULL);
	}
}

/* Addresses */

static void domains_beyond_ascii_go_in_a_labels(void **state)
{
	(void)state;
	start_both(NULL, PLAIN, NULL, PLAIN);
	send_to("a@b\xC3\xBC"
		"cher.example");
	assert_outcome(0, RELAY_DELIVERED, 250);
	assert_string_equal(fakes[0].messages[0].recipients, "a@xn--bcher-kva.example");
	send_to("\xC3\xBC@x.net");
	assert_outcome(0, RELAY_REFUSED, 553);
}

/* What is learned */

static void offers_behind_tls_are_learned(void **state)
{
	struct smtp_client_offers o;

	(void)state;
	start_both("250-8BITMIME\r\n250-SMTPUTF8\r\n250-LIMITS RCPTMAX=7\r\n", VERIFIED, NULL,
		   PLAIN);
	assert_false(relay_learned_get(learned[0], &o));
	send_to("a@x.net");
	assert_true(relay_learned_get(learned[0], &o));
	assert_true(o.eightbitmime && o.smtputf8 && o.rcpt_most == 7 && !o.chunking);
	assert_false(relay_learned_get(learned[1], &o));
}

static void what_all_can_do(void **state)
{
	struct relay_learned *both[] = { learned[0], NULL, learned[1] };
	struct smtp_client_offers o = { .smtputf8 = true, .size_octets = 1000 };
	struct relay_ability a = relay_ability(both, 3);

	(void)state;
	start_both(NULL, PLAIN, NULL, PLAIN);
	assert_true(!a.is_known && a.takes_utf8 && a.takes_require_tls && a.size_octets == 0);
	relay_learned_put(learned[0], &o);
	a = relay_ability(both, 3);
	assert_true(a.is_known && a.takes_utf8 && !a.takes_require_tls && a.size_octets == 1000);
	o = (struct smtp_client_offers){ .require_tls = true, .size_octets = 500 };
	relay_learned_put(learned[1], &o);
	a = relay_ability(both, 3);
	assert_true(a.is_known && !a.takes_utf8 && a.takes_require_tls && a.size_octets == 500);
	relay_learned_forget(learned[0]);
	a = relay_ability(both, 3);
	assert_true(a.is_known && !a.takes_utf8 && a.takes_require_tls && a.size_octets == 500);
}

/* REQUIRETLS of one whose certificate nobody has looked at. */
static void an_offer_that_counts_for_nothing_is_not_learned(void **state)
{
	struct smtp_client_offers o;

	(void)state;
	start_both("250-REQUIRETLS\r\n250-DSN\r\n", UNVERIFIED, NULL, PLAIN);
	send_to("a@x.net");
	assert_true(relay_learned_get(learned[0], &o) && o.dsn && !o.require_tls);
}

static void a_smarthost_that_is_another_now_is_forgotten(void **state)
{
	struct smtp_client_offers o;
	struct relay_smarthost changed[FAKES];

	(void)state;
	start_both("250-8BITMIME\r\n", PLAIN, "250-DSN\r\n", PLAIN);
	send_to("a@x.net");
	memcpy(changed, to, sizeof(changed));
	changed[0].messages = 5;
	relay_renew(rig.relay, changed, FAKES, "relay.example.com");
	assert_true(relay_learned_get(learned[0], &o));
	changed[0].port = fakes[1].port;
	relay_renew(rig.relay, changed, FAKES, "relay.example.com");
	assert_false(relay_learned_get(learned[0], &o));
	send_to("a@x.net");
	assert_true(relay_learned_get(learned[0], &o) && o.dsn);
	changed[0].tls = SMTP_CLIENT_TLS_IMPLICIT;
	relay_renew(rig.relay, changed, FAKES, "relay.example.com");
	assert_false(relay_learned_get(learned[0], &o));
}

static bool both_are_learned(void *user)
{
	struct smtp_client_offers o;

	(void)user;
	return relay_learned_get(learned[0], &o) && relay_learned_get(learned[1], &o);
}

static void a_probe_learns_of_each(void **state)
{
	struct smtp_client_offers o;

	(void)state;
	start_both("250-8BITMIME\r\n", PLAIN, NULL, PLAIN);
	assert_false(relay_offered(rig.relay, 0, &o));
	relay_probe(rig.relay);
	relay_probe(rig.relay); /* one is under way */
	rig_until(&rig, both_are_learned, NULL);
	assert_true(relay_offered(rig.relay, 0, &o) && o.eightbitmime);
	assert_true(relay_offered(rig.relay, 1, &o) && !o.eightbitmime);
	assert_false(relay_offered(rig.relay, FAKES, &o));
	relay_probe(rig.relay);
	send_to("a@x.net");
	assert_int_equal(fakes[0].connections, 1);
	assert_int_equal(fakes[1].connections, 1);
	assert_int_equal(fakes[0].message_count, 1);
}

static bool first_is_left_alone(void *user)
{
	struct relay_view view;

	(void)user;
	return relay_look(rig.relay, 0, &view) && view.reason;
}

static void a_probe_finds_who_cannot_be_reached(void **state)
{
	(void)state;
	start_fake(0, NULL, PLAIN);
	start_fake(1, NULL, PLAIN);
	to[0].port = fake_closed_port();
	to[0].pause_first_ms = to[0].pause_most_ms = 60000;
	rig_relay(&rig, to, FAKES);
	relay_probe(rig.relay);
	rig_until(&rig, first_is_left_alone, NULL);
	relay_probe(rig.relay); /* it is left alone */
	send_to("a@x.net");
	assert_string_equal(job.verdicts[0].smarthost, "second");
}

/* REQUIRETLS */

static void send_strict_from(const char *sender, bool is_urgent)
{
	job_init(&job, sender, "bob@x.net", content);
	job.job.message.require_tls = true;
	job.job.is_urgent = is_urgent;
	relay_send(rig.relay, &job.job);
	rig_until(&rig, job_is_done, &job);
}

static void send_strict(bool is_urgent)
{
	send_strict_from("alice@example.com", is_urgent);
}

#define STRICT "250-REQUIRETLS\r\n"

static const struct {
	const char *name, *first, *second;
	enum trust first_trust, second_trust;
	int taker; /* -1: none */
} strict_cases[] = {
	{ "the first can", STRICT, STRICT, VERIFIED, VERIFIED, 0 },
	{ "the second can", NULL, STRICT, VERIFIED, VERIFIED, 1 },
	{ "the first is not verified", STRICT, STRICT, UNVERIFIED, VERIFIED, 1 },
	{ "the first is plain", STRICT, STRICT, PLAIN, VERIFIED, 1 },
	{ "nobody offers it", NULL, NULL, VERIFIED, VERIFIED, -1 },
	{ "nobody is verified", STRICT, STRICT, PLAIN, UNVERIFIED, -1 },
};

static void start_strict_case(size_t i)
{
	set_up(NULL);
	start_both(strict_cases[i].first, strict_cases[i].first_trust, strict_cases[i].second,
		   strict_cases[i].second_trust);
}

static void strict_jobs_go_to_who_can(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(strict_cases) / sizeof(strict_cases[0]); i++) {
		int taker = strict_cases[i / 2].taker;

		start_strict_case(i / 2);
		for (unsigned n = 0; n < 2; n++) {
			send_strict(i % 2);
			if (job.verdicts[0].code != (taker < 0 ? 550 : 250))
				fail_msg("%s: %d %s %s", strict_cases[i / 2].name,
					 job.verdicts[0].code, job.verdicts[0].text,
					 job.verdicts[0].reason);
			if (taker < 0)
				assert_outcome(0, RELAY_REFUSED, 550);
		}
		if (taker >= 0) {
			assert_int_equal(fakes[taker].message_count, 2);
			assert_non_null(strstr(fakes[taker].messages[0].mail, " REQUIRETLS"));
		}
		/* Others go the usual way. */
		send_to("a@x.net");
		assert_string_equal(job.verdicts[0].smarthost, "first");
		assert_null(
			strstr(fakes[0].messages[fakes[0].message_count - 1].mail, "REQUIRETLS"));
		tear_down(NULL);
	}
}

/* RFC 8689 5. */
static void strict_notices_are_sent_all_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(strict_cases) / sizeof(strict_cases[0]); i++) {
		int taker = strict_cases[i / 2].taker;

		start_strict_case(i / 2);
		for (unsigned n = 0; n < 2; n++) {
			send_strict_from("", i % 2);
			print_message("%s\n", strict_cases[i / 2].name);
			assert_outcome(0, RELAY_DELIVERED, 250);
			assert_string_equal(job.verdicts[0].smarthost,
					    taker == 1 ? "second" : "first");
		}
		assert_int_equal(fakes[taker == 1].message_count, 2);
		for (unsigned n = 0; n < 2; n++)
			assert_int_equal(strstr(fakes[taker == 1].messages[n].mail,
						" REQUIRETLS") != NULL,
					 taker >= 0);
		tear_down(NULL);
	}
}

static void strict_jobs_wait_where_one_is_left_alone(void **state)
{
	(void)state;
	start_fake(0, NULL, PLAIN);
	start_fake(1, STRICT, VERIFIED);
	to[1].port = fake_closed_port();
	to[1].pause_first_ms = to[1].pause_most_ms = 60000;
	rig_relay(&rig, to, FAKES);
	for (unsigned i = 0; i < 2; i++) {
		send_strict_from(i ? "" : "alice@example.com", false);
		assert_outcome(0, RELAY_DEFERRED, 0);
		assert_true(job.verdicts[0].is_untried);
	}
}

static const char *first_connection_offers(const struct fake_talk *talk, const char *line)
{
	if (strncmp(line, "EHLO", 4) == 0 && talk->connection > 1)
		return "250-fake\r\n250-REQUIRETLS\r\n250 DSN";
	return NULL;
}

/* An idle connection of before it was offered holds the only place. */
static void an_old_connection_gives_its_place_up(void **state)
{
	struct test_job common;

	(void)state;
	relay_limit_set(limits[0], 1, 0);
	fakes[0].answer = first_connection_offers;
	start_fake(0, NULL, VERIFIED);
	start_fake(1, NULL, PLAIN);
	rig_relay(&rig, to, FAKES);
	send_to("a@x.net");
	send_strict(false);
	assert_outcome(0, RELAY_REFUSED, 550);
	/* Another connection tells of it, and goes. */
	relay_limit_set(limits[0], 2, 0);
	job_open(&common, "alice@example.com", "bob@x.net", content);
	relay_send(rig.relay, &common.job);
	send_to("a@x.net");
	job_content(&common);
	rig_until(&rig, job_is_done, &common);
	send_strict(false);
	assert_outcome(0, RELAY_DELIVERED, 250);
	relay_limit_set(limits[0], 1, 0);
	send_strict(true);
	assert_outcome(0, RELAY_DELIVERED, 250);
}

static bool is_accepted(void *user)
{
	return ((struct test_job *)user)->accepted[0] > 0;
}

/* Both places are taken; the connection that comes free is the one of before it was offered. */
static void an_old_connection_that_comes_free_is_passed_over(void **state)
{
	struct test_job open[2];

	(void)state;
	fakes[0].answer = first_connection_offers;
	start_fake(0, NULL, VERIFIED);
	start_fake(1, NULL, PLAIN);
	rig_relay(&rig, to, FAKES);
	for (size_t i = 0; i < 2; i++) {
		job_open(&open[i], "alice@example.com", "bob@x.net", content);
		relay_send(rig.relay, &open[i].job);
		rig_until(&rig, is_accepted, &open[i]);
	}
	job_init(&job, "alice@example.com", "bob@x.net", content);
	job.job.message.require_tls = true;
	relay_send(rig.relay, &job.job);
	job_content(&open[0]);
	rig_until(&rig, job_is_done, &job);
	assert_outcome(0, RELAY_DELIVERED, 250);
	assert_int_equal(fakes[0].connections, 3);
	job_content(&open[1]);
	rig_until(&rig, job_is_done, &open[1]);
}

static void strict_jobs_are_cancelled_and_given_back(void **state)
{
	struct test_job waiting;

	(void)state;
	start_both(NULL, PLAIN, STRICT, VERIFIED);
	job_init(&waiting, "alice@example.com", "bob@x.net", content);
	waiting.job.message.require_tls = true;
	relay_send(rig.relay, &waiting.job);
	assert_int_equal(relay_waiting(rig.relay), 1);
	assert_true(relay_cancel(&waiting.job));
	assert_int_equal(relay_waiting(rig.relay), 0);
	job_init(&job, "alice@example.com", "bob@x.net", content);
	job.job.message.require_tls = true;
	relay_send(rig.relay, &job.job);
	relay_free(rig.relay, 0, NULL, NULL);
	rig.relay = NULL;
	rig_until(&rig, job_is_done, &job);
	assert_outcome(0, RELAY_DEFERRED, 0);
}

static void many_strict_jobs_among_others(void **state)
{
	static struct test_job jobs[60];

	(void)state;
	start_both(NULL, PLAIN, STRICT, VERIFIED);
	for (size_t i = 0; i < 60; i++) {
		job_init(&jobs[i], "alice@example.com", "bob@x.net", content);
		jobs[i].job.message.require_tls = i % 2;
		jobs[i].job.is_urgent = i % 3 == 0;
		relay_send(rig.relay, &jobs[i].job);
	}
	for (size_t i = 0; i < 60; i++) {
		rig_until(&rig, job_is_done, &jobs[i]);
		assert_int_equal(jobs[i].verdicts[0].code, 250);
		assert_string_equal(jobs[i].verdicts[0].smarthost, i % 2 ? "second" : "first");
	}
	assert_true(fakes[1].most_open <= 2);
}

/* Channel bindings */

struct relay_login {
	struct work work;
	void *attempt;
};

static char bound[64];
static size_t bound_octets;

static void reply_to_login(struct work *work)
{
	struct relay_login *login = work_entry(work, struct relay_login, work);
	struct span initial = span_text("x");

	relay_login_reply(login->attempt, "PLAIN", &initial, NULL);
}

static struct relay_login *start_login(void *user, const struct relay_login_start *from,
				       void *attempt)
{
	struct relay_login *login = calloc(1, sizeof(*login));

	assert_string_equal(from->smarthost->keytab, "/etc/relay.keytab");
	assert_string_equal(from->offered, "PLAIN");
	snprintf(bound, sizeof(bound), "%s", from->binding ? from->binding : "");
	bound_octets = from->binding_data.len;
	login->attempt = attempt;
	login->work.run = reply_to_login;
	loop_post(user, &login->work);
	return login;
}

static bool is_complete(const struct relay_login *login)
{
	(void)login;
	return true;
}

static void end_login(struct relay_login **login)
{
	free(*login);
	*login = NULL;
}

static const char *welcomes(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	return strncmp(line, "AUTH", 4) == 0 ? "235 2.7.0 welcome" : NULL;
}

static void logins_are_told_the_channel(void **state)
{
	struct relay_conf conf;

	(void)state;
	fakes[0].answer = welcomes;
	start_fake(0, "250-AUTH PLAIN\r\n", VERIFIED);
	start_fake(1, NULL, PLAIN);
	to[0].user = "relay";
	to[0].keytab = "/etc/relay.keytab";
	conf = rig_relay_conf(&rig, to, FAKES);
	conf.login = (struct relay_login_ops){
		.start = start_login, .is_complete = is_complete, .end = end_login, .user = rig.loop
	};
	rig.relay = relay_new(&conf);
	send_to("a@x.net");
	assert_outcome(0, RELAY_DELIVERED, 250);
	assert_string_equal(bound, "tls-exporter");
	assert_int_equal(bound_octets, 32);
}

static int make_certificate(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/relay-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	fake_certificate(dir, "good", "127.0.0.1");
	snprintf(chain, sizeof(chain), "%s/good.pem", dir);
	snprintf(key, sizeof(key), "%s/good.key", dir);
	return 0;
}

static int remove_certificate(void **state)
{
	(void)state;
	unlink(chain);
	unlink(key);
	return rmdir(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(recipients_beyond_the_limit_come_again_at_once),
		TEST(an_open_job_meets_the_limit_step_by_step),
		TEST(the_peers_own_452_is_an_attempt),
		cmocka_unit_test(messages_of_one_connection_are_the_smaller_number),
		TEST(domains_beyond_ascii_go_in_a_labels),
		TEST(offers_behind_tls_are_learned),
		TEST(what_all_can_do),
		TEST(an_offer_that_counts_for_nothing_is_not_learned),
		TEST(a_smarthost_that_is_another_now_is_forgotten),
		TEST(a_probe_learns_of_each),
		TEST(a_probe_finds_who_cannot_be_reached),
		cmocka_unit_test(strict_jobs_go_to_who_can),
		cmocka_unit_test(strict_notices_are_sent_all_the_same),
		TEST(strict_jobs_wait_where_one_is_left_alone),
		TEST(an_old_connection_gives_its_place_up),
		TEST(an_old_connection_that_comes_free_is_passed_over),
		TEST(strict_jobs_are_cancelled_and_given_back),
		TEST(many_strict_jobs_among_others),
		TEST(logins_are_told_the_channel),
	};

	return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}

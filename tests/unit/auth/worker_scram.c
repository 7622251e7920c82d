#include "desk.h"
#include "scram_client.h"

#include "auth/users.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SCRAM "SCRAM-SHA-256"
#define PLUS "SCRAM-SHA-256-PLUS"
#define S(text)                                                                                    \
	{                                                                                          \
		(const unsigned char *)(text), sizeof(text) - 1                                    \
	}

static struct desk desk;
static char users[128];
static uint64_t number; /* of the last conversation */
static struct {
	char id[AUTH_APP_ID_MAX], password[AUTH_APP_PASSWORD_TEXT_MAX];
} phone, tablet, lost;

static void add(const char *name, const char *password)
{
	struct fault fault = { 0 };

	if (auth_users_add(users, name, span_text(password), &fault) < 0)
		fail_msg("%s", fault.text);
}

static void add_app(const char *name, const char *label, int64_t expires_s, char *id,
		    char *password)
{
	struct fault fault = { 0 };

	if (auth_users_app_add(users, name, label, 1, expires_s, true, id, password, &fault) < 0)
		fail_msg("%s", fault.text);
}

/* A hash as other programs make it: without a verifier. */
static void add_line(const char *line)
{
	int fd = open(users, O_WRONLY | O_APPEND);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, line, strlen(line)), strlen(line));
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	desk_open(&desk);
	snprintf(users, sizeof(users), "%s", desk_path(&desk, "users"));
	add("alice", "wonderland");
	add("bj\xC3\xB6rn", "sm\xC3\xB6rg\xC3\xA5s");
	add("a,b=c", "comma");
	add_app("alice", "phone", 0, phone.id, phone.password);
	add_app("alice", "tablet", INT64_C(9999999999), tablet.id, tablet.password);
	add_app("alice", "lost", 2, lost.id, lost.password);
	add_line("bob:$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/"
		 "jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/\n");
	return 0;
}

static void hire(enum auth_app_passwords apps)
{
	struct auth_hello hello = {
		.backend = AUTH_BACKEND_USERS,
		.users_file = span_text(users),
		.hostname = span_text("relay.example.com"),
		.mechanisms = span_text("PLAIN LOGIN SCRAM-SHA-256"),
		.domains = { span_text("example.com") },
		.domain_count = 1,
		.app_passwords = apps,
	};

	desk_hire(&desk, &hello);
}

static int set_up_and_hire(void **state)
{
	set_up(state);
	hire(AUTH_APP_PASSWORDS_OPTIONAL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	desk_close(&desk);
	return 0;
}

static enum auth_verdict say(const char *mechanism, bool is_next, struct span response)
{
	return desk_say(&desk, mechanism, number, is_next, &response);
}

/* The whole way, as far as it leads. */
static enum auth_verdict log_in(struct scram_client *c)
{
	enum auth_verdict v;

	number++;
	v = say(SCRAM, false, scram_client_first(c));
	if (v != AUTH_CONTINUE)
		return v;
	v = say(SCRAM, true, scram_client_final(c, desk.answer.challenge));
	if (v != AUTH_CONTINUE)
		return v;
	assert_true(scram_client_believes(c, desk.answer.challenge));
	return say(SCRAM, true, span_text(""));
}

static enum auth_verdict log_in_as(const char *name, const char *password)
{
	struct scram_client c = { .name = name, .password = password };
	enum auth_verdict v = log_in(&c);

	scram_client_fini(&c);
	return v;
}

static void tells_right_from_wrong(void **state)
{
	const struct {
		const char *header, *name, *password;
		enum auth_verdict verdict;
		const char *account, *credential, *detail;
	} cases[] = {
		{ "n,,", "alice", "wonderland", AUTH_OK, "alice", "", "" },
		{ "y,,", "alice", "wonderland", AUTH_OK, "alice", "", "" },
		{ "n,a=alice,", "alice", "wonderland", AUTH_OK, "alice", "", "" },
		{ "n,a=alice@example.com,", "alice", "wonderland", AUTH_OK, "alice", "", "" },
		{ "n,,", "alice@example.com", "wonderland", AUTH_OK, "alice", "", "" },
		{ "n,,", "bj\xC3\xB6rn", "sm\xC3\xB6rg\xC3\xA5s", AUTH_OK, "bj\xC3\xB6rn", "", "" },
		{ "n,,", "a=2Cb=3Dc", "comma", AUTH_OK, "a,b=c", "", "" },
		{ "n,,", "alice", phone.password, AUTH_OK, "alice", phone.id, "" },
		{ "n,,", "alice", tablet.password, AUTH_OK, "alice", tablet.id, "" },
		{ "n,,", "alice", lost.password, AUTH_EXPIRED, "alice", "", "past its end" },
		{ "n,,", "alice", "Wonderland", AUTH_WRONG, "alice", "", "wrong password" },
		{ "n,,", "a=2Cb=3Dc", phone.password, AUTH_WRONG, "a,b=c", "", "wrong" },
		{ "n,,", "eve", "wonderland", AUTH_WRONG, "eve", "", "no such user" },
		{ "n,,", "alice@other", "wonderland", AUTH_WRONG, "alice@other", "", "no such" },
		{ "n,,", "bob", "builder", AUTH_WRONG, "bob", "", "without a verifier" },
		{ "n,a=bob,", "alice", "wonderland", AUTH_WRONG, "alice", "", "another account" },
		{ "n,,", " alice", "wonderland", AUTH_MALFORMED, "", "", "white space" },
		{ "n,,", "al\x01ice", "wonderland", AUTH_MALFORMED, "", "", "control" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scram_client c = { .header = cases[i].header,
					  .name = cases[i].name,
					  .password = cases[i].password };

		desk_expect(&desk, log_in(&c), cases[i].verdict, cases[i].name);
		assert_span_text(desk.answer.account, cases[i].account);
		assert_span_text(desk.answer.credential, cases[i].credential);
		desk_detail_has(&desk, cases[i].detail);
		/* Whatever it was, it is over. */
		desk_expect(&desk, say(SCRAM, true, span_text("")), AUTH_UNAVAILABLE, "after it");
		scram_client_fini(&c);
	}
	assert_int_equal(desk_dismiss(&desk), 0);
}

/* What goes over the wire is the same for a name that does not exist, one without a verifier, and a
 * wrong password: a challenge of the same form, the same salt each time, and the end at the same step. */
static void an_unknown_name_looks_like_a_wrong_password(void **state)
{
	static const char *const names[] = { "alice", "eve", "bob", "mallory@nowhere" };
	char salts[4][45];

	(void)state;
	for (unsigned round = 0; round < 3; round++)
		for (size_t i = 0; i < 4; i++) {
			struct scram_client c = { .name = names[i], .password = "wrong" };
			struct span challenge;
			char salt[45] = "";

			number++;
			desk_expect(&desk, say(SCRAM, false, scram_client_first(&c)), AUTH_CONTINUE,
				    names[i]);
			challenge = desk.answer.challenge;
			/* r= 16 and 32, s= 44, i=65536 */
			assert_int_equal(challenge.len, 2 + 48 + 3 + 44 + 8);
			assert_memory_equal(challenge.at, "r=0123456789abcdef", 18);
			memcpy(salt, challenge.at + 53, 44);
			assert_span_text(span_from(challenge, 97), ",i=65536");
			if (round)
				assert_string_equal(salt, salts[i]);
			memcpy(salts[i], salt, sizeof(salt));
			desk_expect(&desk, say(SCRAM, true, scram_client_final(&c, challenge)),
				    AUTH_WRONG, names[i]);
			assert_int_equal(desk.answer.challenge.len, 0);
			scram_client_fini(&c);
		}
	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(salts[i], salts[k]);
}

/* The nonce is the client's and 24 octets of ours, never the same. */
static void nonces_are_fresh(void **state)
{
	char seen[64][33];

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		struct scram_client c = { .name = "alice", .password = "x" };

		number++;
		assert_int_equal(say(SCRAM, false, scram_client_first(&c)), AUTH_CONTINUE);
		memcpy(seen[i], desk.answer.challenge.at + 18, 32);
		seen[i][32] = '\0';
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(seen[i], seen[k]);
		scram_client_fini(&c);
	}
}

/* What is asked for without an initial response gets an empty challenge first. */
static void an_initial_response_may_be_missing(void **state)
{
	struct scram_client c = { .name = "alice", .password = "wonderland" };

	(void)state;
	number++;
	desk_expect(&desk, desk_say(&desk, SCRAM, number, false, NULL), AUTH_CONTINUE, "asked");
	assert_int_equal(desk.answer.challenge.len, 0);
	desk_expect(&desk, say(SCRAM, true, scram_client_first(&c)), AUTH_CONTINUE, "first");
	/* An asker that does not say is_next is understood while the number is known. */
	desk_expect(&desk, say(SCRAM, false, scram_client_final(&c, desk.answer.challenge)),
		    AUTH_CONTINUE, "final");
	assert_true(scram_client_believes(&c, desk.answer.challenge));
	desk_expect(&desk, say(SCRAM, true, span_text("")), AUTH_OK, "consent");
	scram_client_fini(&c);
}

struct bound {
	const char *what, *mechanism, *header;
	struct span name, data;	   /* what the connection has, by that name */
	struct span sent;	   /* what the client binds to */
	bool was_offered, is_late; /* late: no initial response */
	enum auth_verdict first, final;
	const char *detail;
};

static const struct bound bounds[] = {
	{ "exporter", PLUS, "p=tls-exporter,,", S("tls-exporter"), S("\0\1\2"), S("\0\1\2"), true,
	  false, AUTH_CONTINUE, AUTH_CONTINUE, "" },
	{ "exporter, late", PLUS, "p=tls-exporter,,", S("tls-exporter"), S("\0\1\2"), S("\0\1\2"),
	  true, true, AUTH_CONTINUE, AUTH_CONTINUE, "" },
	{ "end point", PLUS, "p=tls-server-end-point,a=alice,", S("tls-server-end-point"), S("h"),
	  S("h"), true, false, AUTH_CONTINUE, AUTH_CONTINUE, "" },
	{ "another connection's", PLUS, "p=tls-exporter,,", S("tls-exporter"), S("\0\1\2"),
	  S("\0\1\3"), true, false, AUTH_CONTINUE, AUTH_WRONG, "another one" },
	{ "none", PLUS, "p=tls-exporter,,", S("tls-exporter"), S("\0\1\2"), S(""), true, false,
	  AUTH_CONTINUE, AUTH_WRONG, "another one" },
	{ "a binding that is absent", PLUS, "p=tls-unique,,", S("tls-unique"), S(""), S(""), true,
	  false, AUTH_WRONG, AUTH_WRONG, "does not have" },
	{ "a binding not asked for", PLUS, "p=tls-unique,,", S("tls-exporter"), S("x"), S("x"),
	  true, false, AUTH_WRONG, AUTH_WRONG, "does not have" },
	{ "downgrade", SCRAM, "y,,", S(""), S(""), S(""), true, false, AUTH_WRONG, AUTH_WRONG,
	  "somebody may stand between" },
	{ "cannot", SCRAM, "n,,", S(""), S(""), S(""), true, false, AUTH_CONTINUE, AUTH_CONTINUE,
	  "" },
	{ "plus without", PLUS, "n,,", S(""), S(""), S(""), true, false, AUTH_MALFORMED, AUTH_WRONG,
	  "without a channel binding" },
	{ "without plus", SCRAM, "p=tls-exporter,,", S("tls-exporter"), S("x"), S("x"), true, false,
	  AUTH_MALFORMED, AUTH_WRONG, "without -PLUS" },
};

static enum auth_verdict say_bound(const struct bound *b, bool is_next, const struct span *response)
{
	struct auth_request request = { .mechanism = span_text(b->mechanism),
					.conversation = number,
					.is_next = is_next,
					.has_binding = b->was_offered };

	if (response) {
		request.binding = b->name;
		request.binding_data = b->data;
		request.responses[request.response_count++] = *response;
	}
	return desk_request(&desk, &request);
}

static void bindings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		const struct bound *b = &bounds[i];
		struct scram_client c = { .header = b->header,
					  .binding = b->sent,
					  .name = "alice",
					  .password = "wonderland" };
		struct span first = scram_client_first(&c);

		number++;
		if (b->is_late)
			desk_expect(&desk, say_bound(b, false, NULL), AUTH_CONTINUE, b->what);
		desk_expect(&desk, say_bound(b, b->is_late, &first), b->first, b->what);
		if (b->first == AUTH_CONTINUE)
			desk_expect(&desk,
				    say(b->mechanism, true,
					scram_client_final(&c, desk.answer.challenge)),
				    b->final, b->what);
		desk_detail_has(&desk, b->detail);
		if (desk.answer.verdict == AUTH_CONTINUE) {
			assert_true(scram_client_believes(&c, desk.answer.challenge));
			desk_expect(&desk, say(b->mechanism, true, span_text("")), AUTH_OK,
				    b->what);
		}
		scram_client_fini(&c);
	}
}

/* The last response of one login is of no use in another. */
static void a_replay_is_refused(void **state)
{
	struct scram_client c = { .name = "alice", .password = "wonderland" };
	struct buf final = { 0 };

	(void)state;
	number++;
	assert_int_equal(say(SCRAM, false, scram_client_first(&c)), AUTH_CONTINUE);
	buf_put_span(&final, scram_client_final(&c, desk.answer.challenge));
	assert_int_equal(say(SCRAM, true, buf_span(&final)), AUTH_CONTINUE);
	number++;
	assert_int_equal(say(SCRAM, false, scram_client_first(&c)), AUTH_CONTINUE);
	assert_int_equal(say(SCRAM, true, buf_span(&final)), AUTH_WRONG);
	desk_detail_has(&desk, "nonce");
	buf_fini(&final);
	scram_client_fini(&c);
}

static void what_comes_out_of_turn_is_malformed(void **state)
{
	struct scram_client c = { .name = "alice", .password = "wonderland" };
	struct auth_request request = { .mechanism = span_text(SCRAM),
					.conversation = 1000,
					.responses = { S("n,,n=alice,r=x"), S("") },
					.response_count = 2 };

	(void)state;
	number++;
	desk_expect(&desk, say(SCRAM, false, span_text("nonsense")), AUTH_MALFORMED, "nonsense");
	desk_expect(&desk, desk_request(&desk, &request), AUTH_MALFORMED, "two at once");
	number++;
	desk_expect(&desk, say("PLAIN", false, span_text("x")), AUTH_MALFORMED, "PLAIN");
	desk_detail_has(&desk, "no conversation");
	desk_expect(&desk, say("GSSAPI", false, span_text("x")), AUTH_MALFORMED, "GSSAPI");
	desk_detail_has(&desk, "not allowed");
	desk_expect(&desk, say("NTLM", false, span_text("x")), AUTH_MALFORMED, "NTLM");
	desk_expect(&desk, say("", false, span_text("x")), AUTH_MALFORMED, "no mechanism");
	request.conversation = 0;
	request.response_count = 1;
	desk_expect(&desk, desk_request(&desk, &request), AUTH_MALFORMED, "as a whole");
	desk_detail_has(&desk, "conversation");

	desk_expect(&desk, say(SCRAM, false, scram_client_first(&c)), AUTH_CONTINUE, "first");
	desk_expect(&desk, say(PLUS, true, scram_client_final(&c, desk.answer.challenge)),
		    AUTH_MALFORMED, "another mechanism");
	number++;
	desk_expect(&desk, say(SCRAM, false, scram_client_first(&c)), AUTH_CONTINUE, "first");
	desk_expect(&desk, desk_say(&desk, SCRAM, number, true, NULL), AUTH_MALFORMED, "silence");
	number++;
	desk_expect(&desk, say(SCRAM, false, scram_client_first(&c)), AUTH_CONTINUE, "first");
	desk_expect(&desk, say(SCRAM, true, scram_client_final(&c, desk.answer.challenge)),
		    AUTH_CONTINUE, "final");
	desk_expect(&desk, say(SCRAM, true, span_text("thanks")), AUTH_MALFORMED, "thanks");
	scram_client_fini(&c);
}

static void app_passwords_are_as_configured(void **state)
{
	(void)state;
	hire(AUTH_APP_PASSWORDS_NONE);
	desk_expect(&desk, log_in_as("alice", "wonderland"), AUTH_OK, "none, main");
	desk_expect(&desk, log_in_as("alice", phone.password), AUTH_WRONG, "none, app");
	desk_expect(&desk, log_in_as("alice", lost.password), AUTH_WRONG, "none, expired");
	desk_dismiss(&desk);
	hire(AUTH_APP_PASSWORDS_REQUIRED);
	desk_expect(&desk, log_in_as("alice", "wonderland"), AUTH_APP_REQUIRED, "required, main");
	assert_int_equal(desk.answer.challenge.len, 0);
	desk_expect(&desk, log_in_as("alice", "Wonderland"), AUTH_WRONG, "required, wrong");
	desk_expect(&desk, log_in_as("alice", phone.password), AUTH_OK, "required, app");
	assert_span_text(desk.answer.credential, phone.id);
	assert_int_equal(auth_users_app_rm(users, "alice", phone.id, NULL), 0);
	desk_expect(&desk, log_in_as("alice", phone.password), AUTH_WRONG, "withdrawn");
}

static void without_a_seed_there_is_no_verdict(void **state)
{
	(void)state;
	assert_int_equal(truncate(users, 0), 0);
	add_line("bob:$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/"
		 "jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/\n");
	hire(AUTH_APP_PASSWORDS_OPTIONAL);
	desk_expect(&desk, log_in_as("bob", "builder"), AUTH_UNAVAILABLE, "bob");
	desk_detail_has(&desk, "posternctl user passwd");
	assert_int_equal(unlink(users), 0);
	desk_expect(&desk, log_in_as("bob", "builder"), AUTH_UNAVAILABLE, "no file");
	desk_detail_has(&desk, "No such file");
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* alice has three app passwords, bob no verifier, eve is not there. */
static void the_time_tells_nothing(void **state)
{
	enum { ROUNDS = 301, NAMES = 3 };
	static const char *const names[NAMES] = { "alice", "bob", "eve" };
	static int64_t took[NAMES][ROUNDS];

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++)
		for (unsigned k = 0; k < NAMES; k++) {
			struct scram_client c = { .name = names[k], .password = "wrong" };
			struct span final;
			int64_t from;

			number++;
			from = now_ns();
			assert_int_equal(say(SCRAM, false, scram_client_first(&c)), AUTH_CONTINUE);
			took[k][i] = now_ns() - from;
			final = scram_client_final(&c, desk.answer.challenge);
			from = now_ns();
			assert_int_equal(say(SCRAM, true, final), AUTH_WRONG);
			took[k][i] += now_ns() - from;
			scram_client_fini(&c);
		}
	for (unsigned k = 0; k < NAMES; k++)
		qsort(took[k], ROUNDS, sizeof(took[k][0]), compare);
	print_message("known %lld us, without verifier %lld us, unknown %lld us\n",
		      (long long)took[0][ROUNDS / 2] / 1000, (long long)took[1][ROUNDS / 2] / 1000,
		      (long long)took[2][ROUNDS / 2] / 1000);
	for (unsigned k = 1; k < NAMES; k++) {
		assert_true(took[0][ROUNDS / 2] < took[k][ROUNDS / 2] * 3 / 2);
		assert_true(took[k][ROUNDS / 2] < took[0][ROUNDS / 2] * 3 / 2);
	}
}

#define hired(test) cmocka_unit_test_setup_teardown(test, set_up_and_hire, tear_down)
#define open_only(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		hired(tells_right_from_wrong),
		hired(an_unknown_name_looks_like_a_wrong_password),
		hired(nonces_are_fresh),
		hired(an_initial_response_may_be_missing),
		hired(bindings),
		hired(a_replay_is_refused),
		hired(what_comes_out_of_turn_is_malformed),
		open_only(app_passwords_are_as_configured),
		open_only(without_a_seed_there_is_no_verdict),
		hired(the_time_tells_nothing),
	};

	return cmocka_run_group_tests_name("auth/worker-scram", tests, NULL, NULL);
}

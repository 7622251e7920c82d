#include "desk.h"
#include "gsasl.h"
#include "realm.h"

#include "auth/client.h"
#include "auth/users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#if DESK_IS_WATCHED
/* MIT's library loses two names where a keytab lacks the key that is asked for. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:krb5_build_principal_alloc_va\n";
}
#endif

/* Kerberos, with a KDC of the test's own: our client side and GNU SASL at our worker. */
static struct desk desk;
static struct realm realm;
static char users[128], keytab[128], people[128], other[128];
static uint64_t number;

static int set_up(void **state)
{
	(void)state;
	desk_open(&desk);
	realm_open(&realm, desk.directory);
	snprintf(users, sizeof(users), "%s", desk_path(&desk, "users"));
	snprintf(keytab, sizeof(keytab), "%s", desk_path(&desk, "server.keytab"));
	snprintf(people, sizeof(people), "%s", desk_path(&desk, "people.keytab"));
	snprintf(other, sizeof(other), "%s", desk_path(&desk, "other.keytab"));
	realm_add(&realm, "smtp/relay.example.com", "server.keytab");
	realm_add(&realm, "smtp/elsewhere.example.com", "other.keytab");
	realm_add(&realm, "host/box.example.com", "people.keytab");
	realm_add(&realm, "bob", "people.keytab");
	realm_add(&realm, "alice", "people.keytab");
	assert_int_equal(auth_users_add(users, "alice", span_text("wonderland"), NULL), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	realm_close(&realm);
	desk_close(&desk);
	return 0;
}

static void hire(enum auth_backend backend, const char *domain, const char *keys)
{
	struct auth_hello hello = {
		.backend = backend,
		.users_file = span_text(users),
		.saslauthd_socket = span_text("/nowhere"),
		.hostname = span_text("relay.example.com"),
		.mechanisms = span_text("PLAIN GSSAPI"),
		.domains = { span_text(domain) },
		.domain_count = 1,
		.keytab = span_text(keys),
		.app_passwords = AUTH_APP_PASSWORDS_REQUIRED,
	};

	if (desk.fd >= 0)
		assert_int_equal(desk_dismiss(&desk), 0);
	desk_hire(&desk, &hello);
}

static struct auth_client *new_client(const char *user, const char *keys, struct fault *fault)
{
	struct auth_client_conf conf = {
		.host = "relay.example.com",
		.user = user,
		.offered = "PLAIN SCRAM-SHA-256 GSSAPI",
		.is_tls = true,
		.keytab = keys,
	};

	return auth_client_new(&conf, fault);
}

/* Our client side at our worker; steps_out: how many responses it took. */
static enum auth_verdict log_in(const char *user, unsigned *steps_out)
{
	struct buf response = { 0 };
	struct fault fault = { 0 };
	struct auth_client *c = new_client(user, people, &fault);
	const char *mechanism = NULL;
	enum auth_verdict v;
	bool has_initial = false;
	unsigned steps = 0;

	if (c == NULL || auth_client_start(c, &mechanism, &response, &has_initial, &fault) < 0)
		fail_msg("%s: %s", user, fault.text);
	assert_string_equal(mechanism, "GSSAPI");
	assert_true(has_initial);
	number++;
	do {
		struct span said = buf_span(&response);

		v = desk_say(&desk, "GSSAPI", number, steps++ > 0, &said);
		buf_wipe(&response);
		if (v == AUTH_CONTINUE &&
		    auth_client_step(c, desk.answer.challenge, &response, &fault) < 0)
			fail_msg("%s: %s", user, fault.text);
	} while (v == AUTH_CONTINUE);
	if (v == AUTH_OK)
		assert_true(auth_client_is_done(c));
	auth_client_free(&c);
	if (steps_out)
		*steps_out = steps;
	return v;
}

static void users_of_the_file(void **state)
{
	unsigned steps;

	(void)state;
	hire(AUTH_BACKEND_USERS, "example.com", keytab);
	desk_expect(&desk, log_in("alice", &steps), AUTH_OK, "alice");
	assert_span_text(desk.answer.account, "alice");
	assert_int_equal(desk.answer.credential.len, 0);
	assert_int_equal(steps, 3);
	desk_expect(&desk, log_in("alice@EXAMPLE.COM", NULL), AUTH_OK, "with the realm");
	desk_expect(&desk, log_in("bob", NULL), AUTH_WRONG, "bob");
	desk_detail_has(&desk, "no such user");
	desk_expect(&desk, log_in("host/box.example.com", NULL), AUTH_WRONG, "a service");
	desk_detail_has(&desk, "a service");
	assert_int_equal(unlink(users), 0);
	desk_expect(&desk, log_in("alice", NULL), AUTH_UNAVAILABLE, "no file");
}

/* Where this machine is of another realm, Cyrus gives the name with the realm. */
static void realms_are_domains(void **state)
{
	char path[128];
	FILE *f;

	(void)state;
	hire(AUTH_BACKEND_SASLAUTHD, "example.com", keytab);
	desk_expect(&desk, log_in("bob", NULL), AUTH_OK, "our own realm");
	assert_span_text(desk.answer.account, "bob");

	snprintf(path, sizeof(path), "%s/away.conf", desk.directory);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "[libdefaults]\n default_realm = ELSEWHERE.ORG\n dns_lookup_kdc = false\n"
		   " dns_canonicalize_hostname = false\n rdns = false\n"
		   "[domain_realm]\n .example.com = EXAMPLE.COM\n");
	fclose(f);
	assert_int_equal(desk_dismiss(&desk), 0);
	snprintf(users, sizeof(users), "%s", getenv("KRB5_CONFIG"));
	setenv("KRB5_CONFIG", path, 1);
	hire(AUTH_BACKEND_SASLAUTHD, "example.com", keytab);
	setenv("KRB5_CONFIG", users, 1);
	desk_expect(&desk, log_in("bob", NULL), AUTH_OK, "a realm that is a domain");
	assert_span_text(desk.answer.account, "bob");

	setenv("KRB5_CONFIG", path, 1);
	hire(AUTH_BACKEND_SASLAUTHD, "example.net", keytab);
	setenv("KRB5_CONFIG", users, 1);
	desk_expect(&desk, log_in("bob", NULL), AUTH_WRONG, "a realm that is none");
	assert_span_text(desk.answer.account, "bob@EXAMPLE.COM");
	desk_detail_has(&desk, "login.domains");
}

static void without_the_key_there_is_no_verdict(void **state)
{
	(void)state;
	hire(AUTH_BACKEND_USERS, "example.com", other);
	desk_expect(&desk, log_in("alice", NULL), AUTH_UNAVAILABLE, "another's key");
	desk_detail_has(&desk, "smtp/relay.example.com");
	hire(AUTH_BACKEND_USERS, "example.com", "/nowhere/keytab");
	desk_expect(&desk, log_in("alice", NULL), AUTH_UNAVAILABLE, "no keytab");
	desk_detail_has(&desk, "/nowhere/keytab: No such file");
	hire(AUTH_BACKEND_USERS, "example.com", keytab);
	desk_expect(&desk, log_in("alice", NULL), AUTH_OK, "the right one");
}

/* What a client sends is never a fault of ours. */
static void nonsense_is_no_login(void **state)
{
	static char long_one[AUTH_RESPONSE_OCTETS_MAX];
	const struct span nonsense[] = {
		span_text(""),
		span_text("x"),
		span_text("\x60\x03"),
		span_of("\0\0\0\0", 4),
		span_text("n,,n=alice,r=x"),
		span_of(long_one, sizeof(long_one)),
	};

	(void)state;
	memset(long_one, 0x60, sizeof(long_one));
	hire(AUTH_BACKEND_USERS, "example.com", keytab);
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		enum auth_verdict v = desk_say(&desk, "GSSAPI", ++number, false, &nonsense[i]);

		if (v != AUTH_WRONG && v != AUTH_MALFORMED)
			fail_msg("%zu: %s", i, auth_verdict_name(v));
		assert_int_equal(desk.answer.account.len, 0);
	}
	desk_expect(&desk, desk_say(&desk, "GSSAPI", ++number, false, NULL), AUTH_CONTINUE,
		    "asked");
	assert_int_equal(desk.answer.challenge.len, 0);
	desk_expect(&desk, log_in("alice", NULL), AUTH_OK, "alice");
}

/* One octet of one response. Not all of the first is signed (versions, key numbers); step 1 is empty. */
static void what_was_changed_on_the_way_is_refused(void **state)
{
	unsigned accepted[3] = { 0 };

	(void)state;
	srandom(2029);
	hire(AUTH_BACKEND_USERS, "example.com", keytab);
	for (unsigned round = 0; round < 60; round++) {
		struct buf response = { 0 };
		struct fault fault = { 0 };
		struct auth_client *c = new_client("alice", people, &fault);
		const char *mechanism;
		bool has_initial;
		enum auth_verdict v;

		assert_non_null(c);
		assert_int_equal(auth_client_start(c, &mechanism, &response, &has_initial, &fault),
				 0);
		number++;
		for (unsigned step = 0;; step++) {
			struct span said = buf_span(&response);

			if (step == round % 3 && said.len) {
				size_t at = response.from + (size_t)random() % said.len;

				response.at[at] = (unsigned char)(response.at[at] ^ 0x10);
			}
			v = desk_say(&desk, "GSSAPI", number, step > 0, &said);
			if (v != AUTH_CONTINUE)
				break;
			buf_wipe(&response);
			if (auth_client_step(c, desk.answer.challenge, &response, &fault) < 0)
				break;
		}
		accepted[round % 3] += v == AUTH_OK;
		if (v == AUTH_UNAVAILABLE)
			desk_expect(&desk, v, AUTH_WRONG, "changed");
		buf_wipe(&response);
		auth_client_free(&c);
	}
	assert_true(accepted[0] < 5);
	assert_int_equal(accepted[1], 20);
	assert_int_equal(accepted[2], 0);
}

/* GNU SASL, with tickets of kinit's. */
static enum auth_verdict log_in_by_gsasl(const char *authzid)
{
	char as[80];
	const char *const arguments[] = { "--mechanism",
					  "GSSAPI",
					  "--service=smtp",
					  "--hostname=relay.example.com",
					  "--authentication-id=alice",
					  as,
					  NULL };
	enum auth_verdict v = AUTH_CONTINUE;
	struct gsasl g;
	struct span said;

	snprintf(as, sizeof(as), "--authorization-id=%s", authzid);
	gsasl_start(&g, arguments, NULL);
	number++;
	for (bool is_next = false; v == AUTH_CONTINUE && gsasl_hear(&g, &said); is_next = true) {
		v = desk_say(&desk, "GSSAPI", number, is_next, &said);
		if (v == AUTH_CONTINUE)
			gsasl_say(&g, desk.answer.challenge);
	}
	gsasl_stop(&g);
	return v;
}

static void another_client_logs_in_as_itself(void **state)
{
	static const struct {
		const char *authzid;
		enum auth_verdict verdict;
	} cases[] = {
		{ "alice", AUTH_OK },
		{ "alice@EXAMPLE.COM", AUTH_OK },
		{ "alice@example.com", AUTH_OK },
		{ "bob", AUTH_WRONG },
		{ "alice@example.net", AUTH_WRONG },
	};
	char command[300];

	(void)state;
	hire(AUTH_BACKEND_USERS, "example.com", keytab);
	snprintf(command, sizeof(command), "FILE:%s/tickets", desk.directory);
	setenv("KRB5CCNAME", command, 1);
	snprintf(command, sizeof(command), "kinit -k -t %s alice", people);
	assert_int_equal(system(command), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		desk_expect(&desk, log_in_by_gsasl(cases[i].authzid), cases[i].verdict,
			    cases[i].authzid);
		if (cases[i].verdict == AUTH_WRONG)
			desk_detail_has(&desk, "another account");
	}
	unsetenv("KRB5CCNAME");
}

/* Tickets are kept, so that a KDC that rests does not matter; each user's apart. */
static void the_client_side_keeps_its_tickets(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	hire(AUTH_BACKEND_SASLAUTHD, "example.com", keytab);
	desk_expect(&desk, log_in("alice", NULL), AUTH_OK, "alice");
	desk_expect(&desk, log_in("bob", NULL), AUTH_OK, "bob");
	assert_span_text(desk.answer.account, "bob");
	realm_silence(&realm);
	desk_expect(&desk, log_in("alice", NULL), AUTH_OK, "alice, without the KDC");
	assert_span_text(desk.answer.account, "alice");
	assert_null(new_client("host/box.example.com", people, &fault));
	assert_int_equal(fault.code, -EIO);
	assert_non_null(strstr(fault.text, "host/box.example.com"));
}

/* With a keytab no password is sent, whatever is offered. */
static void the_client_side_uses_nothing_else(void **state)
{
	struct auth_client_conf conf = {
		.host = "relay.example.com",
		.user = "alice",
		.password = span_text("open sesame"),
		.offered = "PLAIN LOGIN SCRAM-SHA-256",
		.is_tls = true,
		.keytab = people,
	};
	struct fault fault = { 0 };
	struct auth_client *c = auth_client_new(&conf, &fault);
	struct buf initial = { 0 };
	const char *mechanism;
	bool has_initial;

	(void)state;
	assert_non_null(c);
	assert_int_equal(auth_client_start(c, &mechanism, &initial, &has_initial, &fault),
			 -ENOTSUP);
	assert_non_null(strstr(fault.text, "GSSAPI alone"));
	assert_int_equal(initial.len, 0);
	auth_client_free(&c);
}

static void the_client_side_says_what_it_lacks(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	assert_null(new_client("alice", "/nowhere/keytab", &fault));
	assert_int_equal(fault.code, -ENOENT);
	assert_non_null(strstr(fault.text, "/nowhere/keytab"));
	assert_null(new_client("alice", keytab, &fault));
	assert_int_equal(fault.code, -EIO);
	assert_non_null(strstr(fault.text, "alice"));
	assert_non_null(strstr(fault.text, keytab));
}

#define in_realm(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_realm(users_of_the_file),
		in_realm(realms_are_domains),
		in_realm(without_the_key_there_is_no_verdict),
		in_realm(nonsense_is_no_login),
		in_realm(what_was_changed_on_the_way_is_refused),
		in_realm(another_client_logs_in_as_itself),
		in_realm(the_client_side_keeps_its_tickets),
		in_realm(the_client_side_uses_nothing_else),
		in_realm(the_client_side_says_what_it_lacks),
	};

	return cmocka_run_group_tests_name("auth/worker-gssapi", tests, NULL, NULL);
}

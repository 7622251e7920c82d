#include "test.h"

#include "auth/client.h"

#include <errno.h>
#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>

static struct auth_client *client_bound(const char *password, const char *offered, bool is_tls,
					const char *binding, const char *data)
{
	struct auth_client_conf conf = {
		.binding = binding,
		.binding_data = span_text(data),
		.host = "smtp.example.net",
		.user = "relay@example.com",
		.password = span_text(password),
		.offered = offered,
		.is_tls = is_tls,
	};
	struct fault fault = { 0 };
	struct auth_client *c = auth_client_new(&conf, &fault);

	if (c == NULL)
		fail_msg("%s", fault.text);
	return c;
}

static struct auth_client *client_with(const char *password, const char *offered, bool is_tls)
{
	return client_bound(password, offered, is_tls, NULL, NULL);
}

static struct auth_client *new_client(const char *offered, bool is_tls)
{
	return client_with("open sesame", offered, is_tls);
}

static void chooses_the_best(void **state)
{
	static const struct {
		const char *offered;
		bool is_tls;
		const char *chosen; /* NULL: none */
	} cases[] = {
		{ "PLAIN LOGIN", true, "PLAIN" },
		{ "LOGIN PLAIN", true, "PLAIN" },
		{ "LOGIN", true, "LOGIN" },
		{ "login", true, "LOGIN" },
		{ "PLAIN LOGIN SCRAM-SHA-256", true, "SCRAM-SHA-256" },
		{ "SCRAM-SHA-1 SCRAM-SHA-256 PLAIN", true, "SCRAM-SHA-256" },
		{ "SCRAM-SHA-256 SCRAM-SHA-512", true, "SCRAM-SHA-512" },
		{ "SCRAM-SHA-1", true, "SCRAM-SHA-1" },
		{ "SCRAM-SHA-256-PLUS PLAIN", true, "PLAIN" },
		{ "  PLAIN  ", true, "PLAIN" },
		{ "SCRAM-SHA-256 PLAIN", false, "SCRAM-SHA-256" },
		{ "PLAIN LOGIN", false, NULL },
		{ "GSSAPI NTLM CRAM-MD5 DIGEST-MD5 ANONYMOUS EXTERNAL", true, NULL },
		{ "PLAINX XPLAIN", true, NULL },
		{ "", true, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct auth_client *c = new_client(cases[i].offered, cases[i].is_tls);
		const char *mechanism = NULL;
		struct fault fault = { 0 };
		struct buf initial = { 0 };
		bool has_initial;
		int r = auth_client_start(c, &mechanism, &initial, &has_initial, &fault);

		if (cases[i].chosen) {
			if (r < 0)
				fail_msg("case %zu: %s", i, fault.text);
			assert_string_equal(mechanism, cases[i].chosen);
		} else {
			assert_int_equal(r, -ENOTSUP);
			assert_non_null(strstr(fault.text, "smtp.example.net"));
			assert_non_null(strstr(fault.text, cases[i].offered));
			assert_non_null(strstr(fault.text, "SCRAM-SHA-256"));
		}
		buf_wipe(&initial);
		auth_client_free(&c);
		assert_null(c);
	}
}

static void a_binding_is_used_where_it_can_be(void **state)
{
	static const struct {
		const char *offered, *binding, *data;
		const char *chosen, *header;
	} cases[] = {
		{ "SCRAM-SHA-256 SCRAM-SHA-256-PLUS PLAIN", "tls-exporter", "octets",
		  "SCRAM-SHA-256-PLUS", "p=tls-exporter,," },
		{ "SCRAM-SHA-1-PLUS SCRAM-SHA-512 SCRAM-SHA-1", "tls-unique", "octets",
		  "SCRAM-SHA-1-PLUS", "p=tls-unique,," },
		{ "SCRAM-SHA-256-PLUS SCRAM-SHA-512-PLUS", "tls-server-end-point", "octets",
		  "SCRAM-SHA-512-PLUS", "p=tls-server-end-point,," },
		{ "SCRAM-SHA-256 PLAIN", "tls-exporter", "octets", "SCRAM-SHA-256", "y,," },
		{ "SCRAM-SHA3-512-PLUS SCRAM-SHA-256", "tls-exporter", "octets", "SCRAM-SHA-256",
		  "n,," },
		{ "SCRAM-SHA-256-PLUS SCRAM-SHA-256", NULL, NULL, "SCRAM-SHA-256", "n,," },
		{ "SCRAM-SHA-256-PLUS SCRAM-SHA-256", "tls-exporter", "", "SCRAM-SHA-256", "n,," },
		{ "PLAIN", "tls-exporter", "octets", "PLAIN", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct auth_client *c = client_bound("open sesame", cases[i].offered, true,
						     cases[i].binding, cases[i].data);
		size_t n = strlen(cases[i].header);
		const char *mechanism = NULL;
		struct fault fault = { 0 };
		struct buf initial = { 0 };
		bool has_initial;

		if (auth_client_start(c, &mechanism, &initial, &has_initial, &fault) < 0)
			fail_msg("case %zu: %s", i, fault.text);
		assert_string_equal(mechanism, cases[i].chosen);
		assert_true(has_initial);
		if (!span_eq(span_first(buf_span(&initial), n), span_of(cases[i].header, n)))
			fail_msg("case %zu: %.*s", i, (int)initial.len,
				 (const char *)buf_span(&initial).at);
		buf_wipe(&initial);
		auth_client_free(&c);
	}
}

static void what_is_offered_is_not_trusted(void **state)
{
	struct auth_client *c = new_client("X\x1B[2J\r\nevent=ok", true);
	struct fault fault = { 0 };
	struct buf initial = { 0 };
	const char *mechanism;
	bool has_initial;

	(void)state;
	assert_int_equal(auth_client_start(c, &mechanism, &initial, &has_initial, &fault),
			 -ENOTSUP);
	assert_non_null(strstr(fault.text, "X?[2J??event=ok"));
	auth_client_free(&c);
}

static void plain_is_said_at_once(void **state)
{
	static const char expected[] = "\0relay@example.com\0open sesame";
	struct auth_client *c = new_client("PLAIN", true);
	struct buf initial = { 0 }, more = { 0 };
	struct fault fault = { 0 };
	const char *mechanism;
	bool has_initial;

	(void)state;
	assert_int_equal(auth_client_start(c, &mechanism, &initial, &has_initial, &fault), 0);
	assert_true(has_initial);
	assert_true(span_eq(buf_span(&initial), span_of(expected, sizeof(expected) - 1)));
	assert_true(auth_client_is_done(c));
	assert_int_equal(auth_client_step(c, span_text("more?"), &more, &fault), -EPROTO);
	assert_int_equal(more.len, 0);
	buf_wipe(&initial);
	auth_client_free(&c);
}

static void login_answers_two_questions(void **state)
{
	static const struct {
		const char *first, *second;
	} prompts[] = { { "Username:", "Password:" },
			{ "User Name", "Password" },
			{ "User Name\0x", "" },
			{ "Benutzer", "Kennwort" } };

	(void)state;
	for (size_t i = 0; i < sizeof(prompts) / sizeof(prompts[0]); i++) {
		struct auth_client *c = new_client("LOGIN", true);
		struct buf out = { 0 };
		struct fault fault = { 0 };
		const char *mechanism;
		bool has_initial;

		assert_int_equal(auth_client_start(c, &mechanism, &out, &has_initial, &fault), 0);
		assert_false(has_initial);
		assert_int_equal(out.len, 0);
		assert_false(auth_client_is_done(c));
		assert_int_equal(auth_client_step(c, span_text(prompts[i].first), &out, &fault), 0);
		assert_span_text(buf_span(&out), "relay@example.com");
		buf_clear(&out);
		assert_int_equal(auth_client_step(c, span_text(prompts[i].second), &out, &fault),
				 0);
		assert_span_text(buf_span(&out), "open sesame");
		assert_true(auth_client_is_done(c));
		buf_clear(&out);
		assert_int_equal(auth_client_step(c, span_text("again?"), &out, &fault), -EPROTO);
		buf_wipe(&out);
		auth_client_free(&c);
	}
}

/* A server by Cyrus itself. SCRAM needs a file of its own; passwords in clear are checked here. */
static char directory[64] = "/tmp/auth-client-XXXXXX", sasldb[96];

static int make_sasldb(void)
{
	char command[256];

	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(sasldb, sizeof(sasldb), "%s/sasldb2", directory);
	snprintf(command, sizeof(command),
		 "printf 'open sesame' | saslpasswd2 -p -c -f %s -u example.com relay", sasldb);
	return system(command);
}

static int remove_sasldb(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static int server_option(void *context, const char *plugin, const char *option, const char **result,
			 unsigned *len)
{
	static const char *const options[][2] = {
		{ "pwcheck_method", "none" },
		{ "auxprop_plugin", "sasldb" },
		{ "sasldb_path", sasldb },
	};

	(void)context, (void)plugin;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(option, options[i][0]) == 0) {
			*result = options[i][1];
			if (len)
				*len = (unsigned)strlen(*result);
			return SASL_OK;
		}
	return SASL_FAIL;
}

static int server_silence(void *context, int level, const char *message)
{
	(void)context, (void)level, (void)message;
	return SASL_OK;
}

static int server_check(sasl_conn_t *conn, void *context, const char *user, const char *pass,
			unsigned n, struct propctx *props)
{
	(void)conn, (void)context, (void)props;
	return strcmp(user, "relay@example.com") == 0 &&
			       span_eq(span_of(pass, n), span_text("open sesame"))
		       ? SASL_OK
		       : SASL_BADAUTH;
}

/* No plug-in that looks into files of the machine. */
static int server_files(void *context, const char *file, sasl_verify_type_t type)
{
	(void)context;
	if (type == SASL_VRFY_PLUGIN && (strstr(file, "libplain") || strstr(file, "liblogin") ||
					 strstr(file, "libscram") || strstr(file, "libsasldb")))
		return SASL_OK;
	return SASL_CONTINUE;
}

#define as_callback(function) ((int (*)(void))(void (*)(void))(function))

static const sasl_callback_t server_callbacks[] = {
	{ SASL_CB_GETOPT, as_callback(server_option), NULL },
	{ SASL_CB_LOG, as_callback(server_silence), NULL },
	{ SASL_CB_VERIFYFILE, as_callback(server_files), NULL },
	{ SASL_CB_SERVER_USERDB_CHECKPASS, as_callback(server_check), NULL },
	{ SASL_CB_LIST_END, NULL, NULL },
};

static sasl_conn_t *new_server(void)
{
	sasl_security_properties_t wanted = { .security_flags = SASL_SEC_NOANONYMOUS };
	sasl_conn_t *conn = NULL;
	sasl_ssf_t ssf = 256;

	assert_int_equal(sasl_server_new("smtp", "smtp.example.net", "example.com", NULL, NULL,
					 NULL, 0, &conn),
			 SASL_OK);
	assert_int_equal(sasl_setprop(conn, SASL_SSF_EXTERNAL, &ssf), SASL_OK);
	assert_int_equal(sasl_setprop(conn, SASL_SEC_PROPS, &wanted), SASL_OK);
	return conn;
}

/* The whole exchange as RFC 4954 carries it: no data with success, so that the server's last word is
 * a challenge that gets an empty response. */
static int exchange(struct auth_client *c, sasl_conn_t *server, char *mechanism_out, size_t size)
{
	struct buf out = { 0 };
	struct fault fault = { 0 };
	const char *mechanism, *challenge;
	bool has_initial;
	unsigned n;
	int code;

	assert_int_equal(auth_client_start(c, &mechanism, &out, &has_initial, &fault), 0);
	snprintf(mechanism_out, size, "%s", mechanism);
	code = sasl_server_start(server, mechanism,
				 has_initial ? (const char *)buf_span(&out).at : NULL,
				 (unsigned)out.len, &challenge, &n);
	for (int i = 0; code == SASL_CONTINUE && i < 10; i++) {
		buf_wipe(&out);
		if (auth_client_step(c, span_of(challenge, n), &out, &fault) < 0)
			fail_msg("%s", fault.text);
		code = sasl_server_step(server, out.len ? (const char *)buf_span(&out).at : "",
					(unsigned)out.len, &challenge, &n);
	}
	buf_wipe(&out);
	return code;
}

static void logs_in_at_a_real_server(void **state)
{
	static const char *const offers[] = { "PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256",
					      "SCRAM-SHA-512" };

	(void)state;
	for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
		struct auth_client *c = new_client(offers[i], true);
		sasl_conn_t *server = new_server();
		const void *user = NULL;
		char mechanism[32];

		assert_int_equal(exchange(c, server, mechanism, sizeof(mechanism)), SASL_OK);
		assert_string_equal(mechanism, offers[i]);
		assert_true(auth_client_is_done(c));
		assert_int_equal(sasl_getprop(server, SASL_USERNAME, &user), SASL_OK);
		assert_string_equal(user, "relay@example.com");
		sasl_dispose(&server);
		auth_client_free(&c);
	}
}

/* Both sides have the octets of their own connection. */
static void a_binding_holds_against_a_real_server(void **state)
{
	static const struct {
		const char *ours, *theirs;
		bool passes;
	} cases[] = {
		{ "octets", "octets", true },
		{ "octets", "others", false },
		{ "octets", "octet", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sasl_channel_binding_t binding = {
			.name = "tls-exporter",
			.len = strlen(cases[i].theirs),
			.data = (const unsigned char *)cases[i].theirs,
		};
		struct auth_client *c =
			client_bound("open sesame", "SCRAM-SHA-256 SCRAM-SHA-256-PLUS", true,
				     "tls-exporter", cases[i].ours);
		sasl_conn_t *server = new_server();
		char mechanism[32];
		int code;

		assert_int_equal(sasl_setprop(server, SASL_CHANNEL_BINDING, &binding), SASL_OK);
		code = exchange(c, server, mechanism, sizeof(mechanism));
		assert_string_equal(mechanism, "SCRAM-SHA-256-PLUS");
		assert_int_equal(code == SASL_OK, cases[i].passes);
		assert_int_equal(auth_client_is_done(c), cases[i].passes);
		sasl_dispose(&server);
		auth_client_free(&c);
	}
}

static void a_wrong_password_does_not_pass(void **state)
{
	static const char *const offers[] = { "PLAIN", "LOGIN", "SCRAM-SHA-256" };

	(void)state;
	for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
		struct auth_client *c = client_with("open says me", offers[i], true);
		sasl_conn_t *server = new_server();
		char mechanism[32];

		assert_int_not_equal(exchange(c, server, mechanism, sizeof(mechanism)), SASL_OK);
		sasl_dispose(&server);
		auth_client_free(&c);
	}
}

/* One that does not know the password cannot sign the last word of SCRAM. */
static void a_false_server_is_found_out(void **state)
{
	static const char *const last_words[] = {
		"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"v=",
		"",
		"e=other-error",
		"nonsense",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(last_words) / sizeof(last_words[0]); i++) {
		struct auth_client *c = new_client("SCRAM-SHA-256", true);
		sasl_conn_t *server = new_server();
		struct buf out = { 0 };
		struct fault fault = { 0 };
		const char *mechanism, *challenge;
		bool has_initial;
		unsigned n;

		assert_int_equal(auth_client_start(c, &mechanism, &out, &has_initial, &fault), 0);
		assert_true(has_initial);
		assert_int_equal(sasl_server_start(server, mechanism,
						   (const char *)buf_span(&out).at,
						   (unsigned)out.len, &challenge, &n),
				 SASL_CONTINUE);
		assert_int_equal(auth_client_step(c, span_of(challenge, n), &out, &fault), 0);
		assert_false(auth_client_is_done(c));
		assert_int_equal(auth_client_step(c, span_text(last_words[i]), &out, &fault),
				 -EPROTO);
		assert_non_null(strstr(fault.text, "smtp.example.net"));
		assert_null(strstr(fault.text, "sesame"));
		assert_false(auth_client_is_done(c));
		buf_wipe(&out);
		sasl_dispose(&server);
		auth_client_free(&c);
	}
}

static void nonsense_is_not_answered(void **state)
{
	static const char *const challenges[] = {
		"", "r=", "r=x,s=y", "r=x,s=eQ==,i=0", "v=x", ",,,,", "m=x,r=x,s=eQ==,i=4096"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(challenges) / sizeof(challenges[0]); i++) {
		struct auth_client *c = new_client("SCRAM-SHA-256", true);
		struct buf out = { 0 };
		struct fault fault = { 0 };
		const char *mechanism;
		bool has_initial;

		assert_int_equal(auth_client_start(c, &mechanism, &out, &has_initial, &fault), 0);
		assert_int_equal(auth_client_step(c, span_text(challenges[i]), &out, &fault),
				 -EPROTO);
		buf_wipe(&out);
		auth_client_free(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses_the_best),
		cmocka_unit_test(a_binding_is_used_where_it_can_be),
		cmocka_unit_test(what_is_offered_is_not_trusted),
		cmocka_unit_test(plain_is_said_at_once),
		cmocka_unit_test(login_answers_two_questions),
		cmocka_unit_test(logs_in_at_a_real_server),
		cmocka_unit_test(a_binding_holds_against_a_real_server),
		cmocka_unit_test(a_wrong_password_does_not_pass),
		cmocka_unit_test(a_false_server_is_found_out),
		cmocka_unit_test(nonsense_is_not_answered),
	};
	int failed;

	if (make_sasldb() != 0) {
		fprintf(stderr, "saslpasswd2 (Debian: sasl2-bin) failed\n");
		return 1;
	}
	if (sasl_server_init(server_callbacks, NULL) != SASL_OK)
		return 1;
	failed = cmocka_run_group_tests_name("auth/client", tests, NULL, NULL);
	sasl_server_done();
	return remove_sasldb() ? 1 : failed;
}

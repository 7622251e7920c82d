#include "help.h"

#include "base/logline.h"

#include <stdlib.h>

static void defaults_are_those_of_the_table(void **state)
{
	struct conf *c = parse_good(NEEDED);

	(void)state;
	assert_string_equal(c->hostname, MACHINE);
	assert_string_equal(c->company_domain, "corp.example.com");
	assert_string_equal(c->company, "corp.example.com");
	assert_string_equal(c->user, "postern");
	assert_string_equal(c->login_user, "postern-auth");
	assert_string_equal(c->control, "/run/postern/control");
	assert_int_equal(c->loops, 0);
	assert_int_equal(c->trace, CONF_TRACE_COMPANY);
	assert_int_equal(c->login.backend, CONF_BACKEND_USERS);
	assert_int_equal(c->login.mechanisms.count, 2);
	assert_string_equal(c->login.mechanisms.at[0], "PLAIN");
	assert_string_equal(c->login.mechanisms.at[1], "LOGIN");
	assert_int_equal(c->login.domains.count, 0);
	assert_true(c->login.ignore_case);
	assert_int_equal(c->login.deadline_ms, 10000);
	assert_int_equal(c->login.cache_ms, 300000);
	assert_int_equal(c->limits.message_octets, 50 << 20);
	assert_int_equal(c->limits.line_octets, 2048);
	assert_int_equal(c->limits.recipients, 1000);
	assert_int_equal(c->limits.command_ms, 300000);
	assert_int_equal(c->limits.body_ms, 180000);
	assert_int_equal(c->limits.answer_ms, 600000);
	assert_false(c->limits.refuse_bare_lf);
	assert_int_equal(c->queue.handoff, CONF_HANDOFF_HYBRID);
	assert_int_equal(c->queue.patience_ms, 5000);
	assert_int_equal(c->queue.retry.count, 7);
	assert_int_equal(c->queue.retry.at[0], 60000);
	assert_int_equal(c->queue.retry.at[6], 3600000);
	assert_int_equal(c->queue.warn_ms, 4 * 3600000L);
	assert_int_equal(c->queue.expire_ms, 2 * 86400000L);
	assert_int_equal(c->queue.reserve_octets, 100 << 20);
	assert_int_equal(c->log.to, CONF_LOG_AUTO);
	assert_int_equal(c->log.level, LOG_LEVEL_INFO);
	conf_free(&c);
	assert_null(c);
}

static void sections_with_titles_add_up(void **state)
{
	static const struct conf_text texts[] = {
		{ "main.conf", NEEDED },
		{ "conf.d/1.conf", "# one more\n\nlisten \"tls\" {\n\ttls = implicit\n}\n"
				   "smarthost \"spare\" { host = \"::1\" tls = none }\n" },
		{ "conf.d/2.conf",
		  "smarthost \"last\" { host = \"h\" tls = implicit port = 4650 }" },
	};
	struct fault fault;
	struct conf *c = parse_texts(texts, 3, &fault);

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->listen_count, 2);
	assert_string_equal(c->listens[0].name, "submission");
	assert_string_equal(c->listens[0].address, "");
	assert_int_equal(c->listens[0].port, 587);
	assert_string_equal(c->listens[1].name, "tls");
	assert_int_equal(c->listens[1].port, 465);
	assert_int_equal(c->listens[1].tls, CONF_LISTEN_IMPLICIT);
	assert_string_equal(c->listens[1].place.file, "conf.d/1.conf");
	assert_int_equal(c->listens[1].place.line, 3);
	assert_int_equal(c->smarthost_count, 3);
	assert_string_equal(c->smarthosts[0].host, "smtp.example.net");
	assert_int_equal(c->smarthosts[0].port, 587);
	assert_true(c->smarthosts[0].verify);
	assert_int_equal(c->smarthosts[1].port, 25);
	assert_int_equal(c->smarthosts[1].place.line, 6);
	assert_int_equal(c->smarthosts[2].port, 4650);
	assert_string_equal(c->smarthosts[2].user, "");
	conf_free(&c);
}

static void a_later_text_has_the_last_word(void **state)
{
	static const struct conf_text texts[] = {
		{ "main.conf", NEEDED "company = \"First\"\n"
				      "login { domains = { \"a.example\", \"b.example\" }\n"
				      "  nt_domains = { \"A\" } workers = 9 }\n" },
		{ "conf.d/1.conf", "company = \"Second\"\n"
				   "login { domains = { \"c.example\" } nt_domains = { } }\n" },
	};
	struct fault fault;
	struct conf *c = parse_texts(texts, 2, &fault);

	(void)state;
	assert_non_null(c);
	assert_string_equal(c->company, "Second");
	assert_int_equal(c->login.domains.count, 1);
	assert_string_equal(c->login.domains.at[0], "c.example");
	assert_int_equal(c->login.nt_domains.count, 0);
	assert_int_equal(c->login.workers, 9);
	conf_free(&c);
}

static void a_section_may_stand_twice_in_a_text(void **state)
{
	struct conf *c = parse_good(NEEDED "limits { errors = 3 }\nlimits { hops = 30 }\n");

	(void)state;
	assert_int_equal(c->limits.errors, 3);
	assert_int_equal(c->limits.hops, 30);
	conf_free(&c);
}

static void how_a_text_is_written(void **state)
{
	static const char *const texts[] = {
		"company=\"A B\"\nloops=3",
		"company = 'A B' # comment\nloops = 3 // comment\n",
		"/* company = \"C\" {\n * \"\n */ company = \"A B\" /**/ loops = \"3\"",
		"company\n=\n\"A B\"\nloops\t=\t3\n",
		"company = \"A B\"\r\nloops = 3\r\n",
		"//company = {\n#loops = \"\ncompany = \"A B\" loops = 3",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct conf_text two[] = { { "needed", NEEDED }, { "text", texts[i] } };
		struct fault fault;
		struct conf *c = parse_texts(two, 2, &fault);

		if (c == NULL)
			fail_msg("text %zu: %s", i, fault.text);
		assert_string_equal(c->company, "A B");
		assert_int_equal(c->loops, 3);
		conf_free(&c);
	}
}

static void texts_keep_their_octets(void **state)
{
	struct conf *c =
		parse_good(NEEDED "company = \"M\xc3\xbcller \\\"& \\\\ S\xc3\xb6hne\\\" # 1\"\n"
				  "login { domains = \"one.example\" }\n");

	(void)state;
	assert_string_equal(c->company, "M\xc3\xbcller \"& \\ S\xc3\xb6hne\" # 1");
	assert_int_equal(c->login.domains.count, 1);
	assert_string_equal(c->login.domains.at[0], "one.example");
	conf_free(&c);
}

/* The number is what `key = text` in its section comes to. */
static void numbers_durations_sizes(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
		size_t at;
	} cases[] = {
#define LONG(member) offsetof(struct conf, member)
		{ "queue { patience = 500ms }", 500, LONG(queue.patience_ms) },
		{ "queue { patience = 30s }", 30000, LONG(queue.patience_ms) },
		{ "queue { patience = 30S }", 30000, LONG(queue.patience_ms) },
		{ "queue { expire = 4h }", 4 * 3600000, LONG(queue.expire_ms) },
		{ "queue { expire = 30d }", 30 * INT64_C(86400000), LONG(queue.expire_ms) },
		{ "login { cache = 0 }", 0, LONG(login.cache_ms) },
		{ "queue { reserve = 0 }", 0, LONG(queue.reserve_octets) },
		{ "queue { reserve = 1 }", 1, LONG(queue.reserve_octets) },
		{ "queue { reserve = 3k }", 3072, LONG(queue.reserve_octets) },
		{ "limits { message_size = 65536 }", 65536, LONG(limits.message_octets) },
		{ "limits { message_size = 2G }", INT64_C(1) << 31, LONG(limits.message_octets) },
		{ "limits { sessions = 1000000 }", 1000000, LONG(limits.sessions) },
#undef LONG
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_text two[] = { { "needed", NEEDED }, { "text", cases[i].text } };
		struct fault fault;
		struct conf *c = parse_texts(two, 2, &fault);
		int64_t value;

		if (c == NULL)
			fail_msg("%s: %s", cases[i].text, fault.text);
		memcpy(&value, (char *)c + cases[i].at, sizeof(value));
		assert_int_equal(value, cases[i].value);
		conf_free(&c);
	}
}

/* A list that is given again replaces the earlier one, the default too. */
static void a_list_of_durations(void **state)
{
	static const struct conf_text texts[] = {
		{ "main.conf", NEEDED "queue { retry = { 1m, 5m } }\n" },
		{ "conf.d/1.conf", "queue { retry = {500ms,\n 2h,1d} }\n" },
	};
	struct fault fault;
	struct conf *c = parse_texts(texts, 2, &fault);
	struct buf shown = { 0 };

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->queue.retry.count, 3);
	assert_int_equal(c->queue.retry.at[0], 500);
	assert_int_equal(c->queue.retry.at[1], 7200000);
	assert_int_equal(c->queue.retry.at[2], 86400000);
	conf_show(c, &shown);
	assert_non_null(memmem(buf_span(&shown).at, shown.len, "retry = { 500ms, 2h, 1d }", 25));
	buf_fini(&shown);
	conf_free(&c);
}

static void the_company_is_derived(void **state)
{
	struct conf *c = parse_good(NEEDED "hostname = \"relay.example\"\n");

	(void)state;
	assert_string_equal(c->company_domain, "relay.example");
	conf_free(&c);
	c = parse_good(NEEDED "hostname = \"a.b.example\"\ncompany_domain = \"corp.example\"\n");
	assert_string_equal(c->company_domain, "corp.example");
	assert_string_equal(c->company, "corp.example");
	conf_free(&c);
}

/* libconfuse keeps state between texts: a broken one must not harm the next. */
static void a_broken_text_does_not_linger(void **state)
{
	static const char *const broken[] = {
		"company = \"", "login {",	  "/*",
		"a b c",	"listen \"x\" {", "listen \"x\" { port = x }"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct fault fault;
		struct conf *c;

		assert_null(parse_texts(&(struct conf_text){ "b", broken[i] }, 1, &fault));
		c = parse_good(NEEDED);
		conf_free(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_table),
		cmocka_unit_test(sections_with_titles_add_up),
		cmocka_unit_test(a_later_text_has_the_last_word),
		cmocka_unit_test(a_section_may_stand_twice_in_a_text),
		cmocka_unit_test(how_a_text_is_written),
		cmocka_unit_test(texts_keep_their_octets),
		cmocka_unit_test(numbers_durations_sizes),
		cmocka_unit_test(a_list_of_durations),
		cmocka_unit_test(the_company_is_derived),
		cmocka_unit_test(a_broken_text_does_not_linger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "policy/account.h"

#include <errno.h>

#include "test.h"

static const char *const domains[] = { "example.com", "Mail.Example.COM" };
static const char *const nt_domains[] = { "EXAMPLE", "b.c" };
static const struct policy_account_conf exact = { domains, 2, nt_domains, 2, false };
static const struct policy_account_conf folded = { domains, 2, nt_domains, 2, true };
static const struct policy_account_conf bare = { NULL, 0, NULL, 0, false };

struct name_case {
	const char *name, *login, *account; /* account NULL: -EINVAL */
	const struct policy_account_conf *conf;
};

static const struct name_case cases[] = {
	{ "bare name", "alice", "alice", &exact },
	{ "listed domain", "alice@example.com", "alice", &exact },
	{ "domain in another case", "alice@EXAMPLE.Com", "alice", &exact },
	{ "second domain", "alice@mail.example.com", "alice", &exact },
	{ "domain not listed", "alice@example.net", "alice@example.net", &exact },
	{ "subdomain is not the domain", "alice@x.example.com", "alice@x.example.com", &exact },
	{ "trailing dot is not the domain", "alice@example.com.", "alice@example.com.", &exact },
	{ "the last @ counts", "a@b@example.com", "a@b", &exact },
	{ "only one domain goes", "a@example.com@example.com", "a@example.com", &exact },
	{ "nt domain", "EXAMPLE\\alice", "alice", &exact },
	{ "nt domain in another case", "example\\alice", "alice", &exact },
	{ "nt domain not listed", "OTHER\\alice", "OTHER\\alice", &exact },
	{ "the first backslash counts", "EXAMPLE\\a\\b", "a\\b", &exact },
	{ "both", "EXAMPLE\\alice@example.com", "alice", &exact },
	{ "nt domain listed, domain not", "EXAMPLE\\alice@x.org", "alice@x.org", &exact },
	{ "nothing configured", "EXAMPLE\\alice@example.com", "EXAMPLE\\alice@example.com", &bare },
	{ "case kept", "Alice@example.com", "Alice", &exact },
	{ "case folded", "ALICE@Example.com", "alice", &folded },
	{ "case of an unlisted domain folded", "Alice@X.ORG", "alice@x.org", &folded },
	{ "only ASCII is folded",
	  "\xC3\x84"
	  "B",
	  "\xC3\x84"
	  "b",
	  &folded },
	{ "UTF-8", "j\xC3\xBCrgen@example.com", "j\xC3\xBCrgen", &exact },
	{ "space within", "alice smith", "alice smith", &exact },
	{ "empty", "", NULL, &exact },
	{ "empty before a domain", "@example.com", NULL, &exact },
	{ "empty after an nt domain", "EXAMPLE\\", NULL, &exact },
	{ "only an unlisted domain", "@example.net", "@example.net", &exact },
	{ "leading space", " alice", NULL, &exact },
	{ "trailing space", "alice ", NULL, &exact },
	{ "space before a domain", "alice @example.com", NULL, &exact },
	{ "space after an nt domain", "EXAMPLE\\ alice", NULL, &exact },
	{ "tab", "al\tice", NULL, &exact },
	{ "line feed", "alice\n", NULL, &exact },
	{ "carriage return", "al\rice", NULL, &exact },
	{ "DEL", "alice\x7f", NULL, &exact },
	{ "C1 control", "al\xC2\x85ice", NULL, &exact },
	{ "no-break space is no control", "al\xC2\xA0ice", "al\xC2\xA0ice", &exact },
	{ "UTF-8 cut short", "alice\xC3", NULL, &exact },
	{ "UTF-8 overlong", "al\xC0\xAEice", NULL, &exact },
	{ "UTF-8 surrogate", "al\xED\xA0\x80", NULL, &exact },
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct name_case *c = &cases[i];
		struct buf out = { 0 };
		int rc;

		buf_put_text(&out, "before ");
		rc = policy_account_name(c->conf, span_text(c->login), &out);
		print_message("%s\n", c->name);
		assert_int_equal(rc, c->account ? 0 : -EINVAL);
		assert_span_text(span_first(buf_span(&out), 7), "before ");
		assert_span_text(span_from(buf_span(&out), 7), c->account ? c->account : "");
		buf_fini(&out);
	}
}

static void test_lengths(void **state)
{
	unsigned char name[POLICY_ACCOUNT_MAX + 1];
	struct buf out = { 0 };

	(void)state;
	memset(name, 'a', sizeof(name));
	assert_int_equal(policy_account_name(&exact, span_of(name, 255), &out), 0);
	assert_int_equal(out.len, 255);
	assert_int_equal(policy_account_name(&exact, span_of(name, 256), &out), -EINVAL);
	/* Too long stays too long although the domain would go. */
	memcpy(name + 256 - 12, "@example.com", 12);
	assert_int_equal(policy_account_name(&exact, span_of(name, 256), &out), -EINVAL);
	assert_int_equal(out.len, 255);
	buf_fini(&out);
}

static void test_nul(void **state)
{
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(policy_account_name(&exact, span_of("ali\0ce", 6), &out), -EINVAL);
	assert_int_equal(policy_account_name(&exact, span_of(NULL, 0), &out), -EINVAL);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

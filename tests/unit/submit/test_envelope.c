/* What is held against MAIL and RCPT: what the smarthosts can do, and how long mail is held back. */
#include "test.h"

#include "session.h"

static const int64_t now_s = 1800000000;
static struct relay_ability ability;

/* In place of the relay's and of the clock. */
struct relay_ability session_ability(const struct session *s)
{
	(void)s;
	return ability;
}

int64_t wall_now_ms(void)
{
	return now_s * 1000 + 999;
}

struct bench {
	struct conf conf;
	struct submit_settings settings;
	struct session session;
	struct smtp_event event;
};

static void set_up(struct bench *b, const char *address)
{
	*b = (struct bench){ 0 };
	b->conf.limits.message_octets = 100000;
	b->conf.queue.future_ms = 7 * 86400 * 1000LL;
	b->settings.conf = &b->conf;
	b->session.settings = &b->settings;
	b->event.path.mailbox = span_text(address);
	b->event.path.local = span_first(b->event.path.mailbox, span_find(span_text(address), '@'));
	ability = (struct relay_ability){ .is_known = true };
}

static int mail_code(struct bench *b, int64_t *release_ms)
{
	const struct smtp_reply *refusal = envelope_judge_mail(&b->session, &b->event, release_ms);

	return refusal ? refusal->code : 0;
}

static void test_letters(void **state)
{
	static const struct {
		const char *address;
		bool takes_utf8;
		int code;
	} cases[] = {
		{ "alice@example.com", false, 0 },
		{ "", false, 0 },
		{ "j\xc3\xb6rg@example.com", true, 0 },
		{ "j\xc3\xb6rg@example.com", false, 550 },
		/* A domain has a form in ASCII. */
		{ "alice@b\xc3\xbc"
		  "cher.example",
		  false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct smtp_reply *refusal;
		int64_t release_ms;
		struct bench b;

		set_up(&b, cases[i].address);
		ability.takes_utf8 = cases[i].takes_utf8;
		assert_int_equal(mail_code(&b, &release_ms), cases[i].code);
		refusal = envelope_judge_rcpt(&b.session, &b.event);
		assert_int_equal(refusal ? refusal->code : 0, cases[i].code);
		if (refusal)
			assert_int_equal(refusal->status.detail, 7);
	}
}

/* Ours, or theirs less what we may add. */
static void test_size(void **state)
{
	static const struct {
		uint64_t theirs, limit;
	} cases[] = {
		{ 0, 100000 },		{ 1000000, 100000 }, { 102048, 100000 }, { 102047, 99999 },
		{ 50000, 47952 },	{ 2049, 1 },	     { 2048, 1 },	 { 1, 1 },
		{ UINT64_MAX, 100000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t release_ms;
		struct bench b;

		set_up(&b, "alice@example.com");
		ability.size_octets = cases[i].theirs;
		assert_int_equal(envelope_size_limit(&b.session), cases[i].limit);
		assert_int_equal(mail_code(&b, &release_ms), 0);
		b.event.mail.size = cases[i].limit;
		assert_int_equal(mail_code(&b, &release_ms), 0);
		b.event.mail.size = cases[i].limit + 1;
		assert_int_equal(mail_code(&b, &release_ms), 552);
	}
}

static void test_require_tls(void **state)
{
	int64_t release_ms;
	struct bench b;

	(void)state;
	set_up(&b, "alice@example.com");
	b.event.mail.require_tls = true;
	assert_int_equal(mail_code(&b, &release_ms), 550);
	ability.takes_require_tls = true;
	assert_int_equal(mail_code(&b, &release_ms), 0);
}

static void test_release(void **state)
{
	static const int64_t most_s = 7 * 86400;
	static const struct {
		int64_t for_s, until_s;
		int code;
		int64_t release_ms;
	} cases[] = {
		{ 0, 0, 0, 0 },
		{ 1, 0, 0, (now_s + 1) * 1000 + 999 },
		{ most_s, 0, 0, (now_s + most_s) * 1000 + 999 },
		/* The past, and now, are at once. */
		{ 0, 1, 0, 0 },
		{ 0, now_s, 0, 0 },
		{ 0, now_s + 1, 0, (now_s + 1) * 1000 },
		{ 0, now_s + most_s, 0, (now_s + most_s) * 1000 },
		{ 0, now_s + most_s + 1, 501, 0 },
		{ 0, INT64_MAX, 501, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t release_ms = -1;
		struct bench b;

		set_up(&b, "alice@example.com");
		b.event.mail.hold_for_s = cases[i].for_s;
		b.event.mail.hold_until_s = cases[i].until_s;
		assert_int_equal(mail_code(&b, &release_ms), cases[i].code);
		assert_int_equal(release_ms, cases[i].release_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_letters),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_require_tls),
		cmocka_unit_test(test_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

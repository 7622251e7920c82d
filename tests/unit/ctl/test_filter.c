#include "filter.h"
#include "groups.h"

#include "rig.h"

#include <errno.h>

static void patterns(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} cases[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "*", "anything/at.all", true },
		{ "?", "", false },
		{ "?", "a", true },
		{ "?", "ab", false },
		{ "a", "A", true },
		{ "alice@example.com", "Alice@Example.COM", true },
		{ "alice@example.com", "alice@example.co", false },
		{ "*@example.com", "alice@example.com", true },
		{ "*@example.com", "alice@example.com.evil", false },
		{ "*@*.example.com", "a@b.example.com", true },
		{ "*@*.example.com", "a@example.com", false },
		{ "a*b*c", "aXbXbXc", true },
		{ "a*b*c", "aXbXbX", false },
		{ "*aab", "aaaab", true },
		{ "**", "x", true },
		{ "a**", "a", true },
		{ "[a]@x", "[a]@x", true },
		{ "[a]@x", "a@x", false },
		{ "a\\*", "a*", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (ctl_glob(cases[i].pattern, cases[i].text) != cases[i].fits)
			fail_msg("%s and %s", cases[i].pattern, cases[i].text);
}

/* A pattern that makes other matchers try without end. */
static void a_pattern_of_many_stars(void **state)
{
	char text[4001], pattern[201];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < 200; i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[199] = 'b';
	pattern[200] = '\0';
	assert_false(ctl_glob(pattern, text));
}

static char *fixed(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* From alice, 100 s old; bob has it, eve and mallory wait. */
static bool takes(const char *json, const char *sender, bool is_held)
{
	struct envelope_recipient recipients[] = { { fixed("bob@example.org"), fixed(""), 0 },
						   { fixed("Eve@example.net"), fixed(""), 0 },
						   { fixed("mallory@x.test"), fixed(""), 0 } };
	struct recipient_status statuses[] = {
		{ RECIPIENT_DELIVERED, 250, { 2, 0, 0 }, fixed("ok"), fixed("main"), false },
		{ RECIPIENT_WAITING,
		  451,
		  { 4, 2, 2 },
		  fixed("Mailbox full"),
		  fixed("spare"),
		  false },
		{ RECIPIENT_WAITING, 0, { 0 }, fixed("connection refused"), NULL, false },
	};
	struct envelope e = { .sender = fixed(sender),
			      .account = fixed("alice"),
			      .recipients = recipients,
			      .recipient_count = 3,
			      .arrived_ms = 1000000 };
	struct delivery d = { .is_held = is_held, .recipients = statuses, .recipient_count = 3 };
	struct queue_view view = { .envelope = &e,
				   .delivery = &d,
				   .stand = is_held ? QUEUE_STAND_HELD : QUEUE_STAND_RETRY };
	json_t *in = json_loads(json, 0, NULL);
	struct fault fault = { 0 };
	struct ctl_filter filter;
	bool answer;

	if (ctl_filter_read(in, &filter, &fault) < 0)
		fail_msg("%s: %s", json, fault.text);
	answer = ctl_filter_takes(&filter, &view, 1000000 + 100000);
	ctl_filter_fini(&filter);
	json_decref(in);
	return answer;
}

static void conditions(void **state)
{
	static const struct {
		const char *filter;
		bool takes;
	} cases[] = {
		{ "{}", true },
		{ "{\"from\": \"*@example.com\"}", true },
		{ "{\"from\": \"bob@example.com\"}", false },
		{ "{\"from\": \"\"}", false },
		{ "{\"from\": \"<>\"}", false },
		{ "{\"account\": \"ALICE\"}", true },
		{ "{\"account\": \"bob\"}", false },
		{ "{\"to\": \"eve@example.net\"}", true },
		/* Those who have it do not count. */
		{ "{\"to\": \"bob@*\"}", false },
		{ "{\"smarthost\": \"spare\"}", true },
		{ "{\"smarthost\": \"main\"}", false },
		{ "{\"reason\": \"box FULL\"}", true },
		{ "{\"reason\": \"451\"}", true },
		{ "{\"reason\": \"451 4.2.2 mailbox\"}", true },
		{ "{\"reason\": \"4.2.2\"}", true },
		{ "{\"reason\": \"refused\"}", true },
		{ "{\"reason\": \"250\"}", false },
		{ "{\"reason\": \"box*full\"}", false },
		/* Of one and the same recipient. */
		{ "{\"to\": \"eve@*\", \"reason\": \"full\"}", true },
		{ "{\"to\": \"eve@*\", \"reason\": \"refused\"}", false },
		{ "{\"older_ms\": 100000}", true },
		{ "{\"older_ms\": 100001}", false },
		{ "{\"newer_ms\": 100001}", true },
		{ "{\"newer_ms\": 100000}", false },
		{ "{\"held\": true}", false },
		{ "{\"stand\": \"retry\"}", true },
		{ "{\"stand\": \"no-smarthost\"}", false },
		{ "{\"stand\": \"retry\", \"account\": \"bob\"}", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (takes(cases[i].filter, "alice@example.com", false) != cases[i].takes)
			fail_msg("%s", cases[i].filter);
	assert_true(takes("{\"from\": \"\"}", "", false));
	assert_true(takes("{\"from\": \"<>\"}", "", false));
	assert_false(takes("{\"from\": \"*\"}", "", false));
	assert_true(takes("{\"held\": true}", "a@b", true));
	assert_true(takes("{\"stand\": \"held\"}", "a@b", true));
}

static void faults_name_what_fits(void **state)
{
	static const struct {
		const char *filter, *words;
	} cases[] = {
		{ "[]", "object" },
		{ "{\"from\": 3}", "from is a text" },
		{ "{\"newer_ms\": \"3\"}", "newer_ms is a number" },
		{ "{\"stand\": \"x\"}",
		  "active, line, no-smarthost, rate, retry, held, future, notice" },
		{ "{\"held\": 1}", "no condition: held" },
		{ "{\"from\": \"a\", \"size\": 3}", "no condition: size" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *in = json_loads(cases[i].filter, 0, NULL);
		struct fault fault = { 0 };
		struct ctl_filter filter;

		assert_int_equal(ctl_filter_read(in, &filter, &fault), -EINVAL);
		if (strstr(fault.text, cases[i].words) == NULL)
			fail_msg("\"%s\" instead of \"%s\"", fault.text, cases[i].words);
		json_decref(in);
	}
}

static void reasons_that_are_the_same(void **state)
{
	static const struct {
		const char *words, *reason;
	} cases[] = {
		{ "", "" },
		{ "mailbox full", "mailbox full" },
		{ "try again in 300 seconds", "try again in # seconds" },
		{ "smtp.example.net:587: connection refused",
		  "smtp.example.net:#: connection refused" },
		{ "<bob@example.org>: greylisted", "<address> greylisted" },
		{ "[TSS04] deferred, ref 4Xk2abC-7", "[#] deferred, ref #" },
		{ "see https://x.test/?id=9f8e", "see https://x.test/?id=#" },
		{ "two  spaces\nand a line", "two spaces and a line" },
		{ "550e8400-e29b-41d4-a716-446655440000 unknown", "# unknown" },
		{ " led by a space", "led by a space" },
		{ "@ @ @", "<address> <address> <address>" },
		{ "5 (7) x9-", "# (#) #" },
		{ " ", "" },
		{ "...", "..." },
		{ "b\xc3\xbcro 5", "b\xc3\xbcro #" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };

		ctl_reason_put(cases[i].words, &out);
		assert_span_text(buf_span(&out), cases[i].reason);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),
		cmocka_unit_test(a_pattern_of_many_stars),
		cmocka_unit_test(conditions),
		cmocka_unit_test(faults_name_what_fits),
		cmocka_unit_test(reasons_that_are_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

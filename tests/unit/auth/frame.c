#include "test.h"

#include "auth/frame.h"

#include <errno.h>
#include <stdlib.h>

static char octets_of_a[20000];

static struct span letters(size_t n)
{
	memset(octets_of_a, 'a', sizeof(octets_of_a));
	return span_of(octets_of_a, n);
}

static struct auth_hello sample_hello(void)
{
	return (struct auth_hello){
		.backend = AUTH_BACKEND_SASLDB,
		.users_file = span_text("/etc/postern/users"),
		.saslauthd_socket = span_text("/run/saslauthd"),
		.sasldb_file = span_text("/etc/sasldb2"),
		.realm = span_text("example.com"),
		.hostname = span_text("relay.example.com"),
		.mechanisms = span_text("PLAIN LOGIN"),
		.domains = { span_text("example.com"), span_text("example.org") },
		.domain_count = 2,
		.nt_domains = { span_text("EXAMPLE") },
		.nt_domain_count = 1,
		.ignore_case = true,
		.cache_seconds = 0xFEDCBA98,
		.keytab = span_text("/etc/postern/keytab"),
		.app_passwords = AUTH_APP_PASSWORDS_REQUIRED,
	};
}

static const struct auth_request sample_request = {
	.mechanism = { (const unsigned char *)"LOGIN", 5 },
	.responses = { { (const unsigned char *)"alice", 5 },
		       { (const unsigned char *)"p\0q", 3 } },
	.response_count = 2,
};

#define S(text)                                                                                    \
	{                                                                                          \
		(const unsigned char *)(text), sizeof(text) - 1                                    \
	}

static const struct auth_request sample_step = {
	.mechanism = S("SCRAM-SHA-256-PLUS"),
	.conversation = 0xFEDCBA9876543210,
	.is_next = true,
	.binding = S("tls-exporter"),
	.binding_data = S("\0\1\2"),
	.has_binding = true,
	.names = S("alice@example.com\0Alice\0"),
	.responses = { S("p=tls-exporter,,n=alice,r=x") },
	.response_count = 1,
};

static const struct auth_answer sample_challenge = {
	.verdict = AUTH_CONTINUE,
	.account = S("alice"),
	.challenge = S("r=x\0y"),
	.credential = S("k3fz"),
};

static const struct auth_answer sample_answer = {
	.verdict = AUTH_WRONG,
	.account = { (const unsigned char *)"alice", 5 },
	.detail = { (const unsigned char *)"no such user", 12 },
};

static const struct auth_answer sample_yes = {
	.verdict = AUTH_OK,
	.account = S("alice"),
	.credential = S("k3fz"),
	.good_until_s = 0xFEDCBA9876543210,
	.file_state = S("\0\1\2"),
};

static int decode_hello(struct span in)
{
	struct auth_hello hello;

	return auth_hello_decode(in, &hello);
}

static int decode_request(struct span in)
{
	struct auth_request request;

	return auth_request_decode(in, &request);
}

static int decode_answer(struct span in)
{
	struct auth_answer answer;
	int r = auth_answer_decode(in, &answer);

	if (r < 0)
		assert_int_equal(answer.verdict, AUTH_UNAVAILABLE);
	return r;
}

static const struct kind {
	const char *name;
	int (*decode)(struct span in);
	const char *family; /* what its first octet says */
} kinds[] = { { "hello", decode_hello, "hello" },	{ "request", decode_request, "request" },
	      { "answer", decode_answer, "answer" },	{ "step", decode_request, "request" },
	      { "challenge", decode_answer, "answer" }, { "yes", decode_answer, "answer" } };

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void encode_sample(size_t kind, struct buf *out)
{
	struct auth_hello hello = sample_hello();

	if (kind == 0)
		auth_hello_encode(&hello, out);
	else if (kind == 1 || kind == 3)
		auth_request_encode(kind == 1 ? &sample_request : &sample_step, out);
	else
		auth_answer_encode(kind == 2   ? &sample_answer
				   : kind == 4 ? &sample_challenge
					       : &sample_yes,
				   out);
}

static void assert_spans_eq(struct span a, struct span b)
{
	assert_true(span_eq(a, b));
}

static void a_hello_comes_back(void **state)
{
	struct auth_hello in = sample_hello(), out;
	struct buf frame = { 0 };

	(void)state;
	auth_hello_encode(&in, &frame);
	assert_int_equal(auth_hello_decode(buf_span(&frame), &out), 0);
	assert_int_equal(out.backend, in.backend);
	assert_spans_eq(out.users_file, in.users_file);
	assert_spans_eq(out.saslauthd_socket, in.saslauthd_socket);
	assert_spans_eq(out.sasldb_file, in.sasldb_file);
	assert_spans_eq(out.realm, in.realm);
	assert_spans_eq(out.hostname, in.hostname);
	assert_spans_eq(out.mechanisms, in.mechanisms);
	assert_int_equal(out.domain_count, 2);
	assert_spans_eq(out.domains[1], in.domains[1]);
	assert_int_equal(out.nt_domain_count, 1);
	assert_spans_eq(out.nt_domains[0], in.nt_domains[0]);
	assert_true(out.ignore_case);
	assert_int_equal(out.cache_seconds, in.cache_seconds);
	assert_spans_eq(out.keytab, in.keytab);
	assert_int_equal(out.app_passwords, AUTH_APP_PASSWORDS_REQUIRED);
	buf_fini(&frame);
}

static void the_largest_hello_fits_a_frame(void **state)
{
	struct auth_hello in = { 0 }, out;
	struct buf frame = { 0 };

	(void)state;
	in.users_file = in.saslauthd_socket = in.sasldb_file = in.keytab =
		letters(AUTH_PATH_OCTETS_MAX);
	in.realm = in.hostname = letters(AUTH_NAME_OCTETS_MAX);
	in.mechanisms = letters(AUTH_MECHANISMS_OCTETS_MAX);
	in.domain_count = in.nt_domain_count = AUTH_NAMES_MAX;
	for (size_t i = 0; i < AUTH_NAMES_MAX; i++)
		in.domains[i] = in.nt_domains[i] = letters(AUTH_NAME_OCTETS_MAX);
	assert_true(auth_hello_fits(&in));
	auth_hello_encode(&in, &frame);
	assert_true(frame.len <= AUTH_FRAME_OCTETS_MAX);
	assert_int_equal(auth_hello_decode(buf_span(&frame), &out), 0);
	assert_int_equal(out.nt_domains[AUTH_NAMES_MAX - 1].len, AUTH_NAME_OCTETS_MAX);
	buf_fini(&frame);
}

static void a_hello_beyond_its_bounds_does_not_fit(void **state)
{
	struct auth_hello hello = sample_hello();

	(void)state;
	hello.domain_count = AUTH_NAMES_MAX + 1;
	assert_false(auth_hello_fits(&hello));
	hello = sample_hello();
	hello.nt_domains[0] = letters(AUTH_NAME_OCTETS_MAX + 1);
	assert_false(auth_hello_fits(&hello));
	hello = sample_hello();
	hello.users_file = letters(AUTH_PATH_OCTETS_MAX + 1);
	assert_false(auth_hello_fits(&hello));
	hello = sample_hello();
	hello.keytab = letters(AUTH_PATH_OCTETS_MAX + 1);
	assert_false(auth_hello_fits(&hello));
}

static void a_request_comes_back(void **state)
{
	struct auth_request out;
	struct buf frame = { 0 };

	(void)state;
	auth_request_encode(&sample_request, &frame);
	assert_int_equal(auth_request_decode(buf_span(&frame), &out), 0);
	assert_span_text(out.mechanism, "LOGIN");
	assert_int_equal(out.response_count, 2);
	assert_span_text(out.responses[0], "alice");
	assert_spans_eq(out.responses[1], span_of("p\0q", 3));
	buf_fini(&frame);
}

static void a_step_comes_back(void **state)
{
	struct auth_request out;
	struct buf frame = { 0 };

	(void)state;
	auth_request_encode(&sample_step, &frame);
	assert_int_equal(auth_request_decode(buf_span(&frame), &out), 0);
	assert_true(out.conversation == sample_step.conversation);
	assert_true(out.is_next);
	assert_false(out.is_end);
	assert_span_text(out.binding, "tls-exporter");
	assert_spans_eq(out.binding_data, sample_step.binding_data);
	assert_true(out.has_binding);
	assert_spans_eq(out.names, sample_step.names);
	assert_spans_eq(out.responses[0], sample_step.responses[0]);
	buf_fini(&frame);
}

/* What is given up needs no secret any more. */
static void an_end_goes_without_responses(void **state)
{
	struct auth_request in = sample_step, out;
	struct buf frame = { 0 };

	(void)state;
	in.is_end = true;
	auth_request_encode(&in, &frame);
	assert_int_equal(auth_request_decode(buf_span(&frame), &out), 0);
	assert_true(out.is_end);
	assert_int_equal(out.response_count, 0);
	buf_fini(&frame);
}

static void what_makes_no_sense_is_refused(void **state)
{
	/* Behind kind (1 octet) and mechanism (4 and 18): number (8), next, end, binding (4 and
	 * 12), data (4 and 3), a flag, names (4 and 24). */
	enum { NEXT = 31, END, FLAG = 33 + 16 + 7, LAST_OF_NAMES = FLAG + 1 + 4 + 23 };
	static const struct {
		size_t place;
		unsigned char octet;
		const char *what;
	} cases[] = {
		{ NEXT, 2, "half a next" },
		{ END, 1, "an end with a response" },
		{ FLAG, 2, "half a flag" },
		{ LAST_OF_NAMES, 'x', "a name without its NUL" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf frame = { 0 };
		struct auth_request out;

		auth_request_encode(&sample_step, &frame);
		frame.at[frame.from + cases[i].place] = cases[i].octet;
		if (auth_request_decode(buf_span(&frame), &out) != -EINVAL)
			fail_msg("accepted: %s", cases[i].what);
		buf_fini(&frame);
	}
}

static void a_number_is_needed_to_go_on(void **state)
{
	struct auth_request in = sample_step, out;
	struct buf frame = { 0 };

	(void)state;
	in.conversation = 0;
	auth_request_encode(&in, &frame);
	assert_int_equal(auth_request_decode(buf_span(&frame), &out), -EINVAL);
	buf_fini(&frame);
}

static void names_beyond_the_bound_are_left_out(void **state)
{
	struct auth_request in = sample_step, out;
	struct buf frame = { 0 }, names = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_put(&names, "name@example.com", 17);
	in.names = buf_span(&names);
	auth_request_encode(&in, &frame);
	assert_int_equal(auth_request_decode(buf_span(&frame), &out), 0);
	assert_int_equal(out.names.len, AUTH_CERTIFICATE_OCTETS_MAX / 17 * 17);
	assert_int_equal(out.response_count, 1);
	buf_clear(&frame);
	in.names = span_text("no NUL behind it");
	auth_request_encode(&in, &frame);
	assert_int_equal(auth_request_decode(buf_span(&frame), &out), 0);
	assert_int_equal(out.names.len, 0);
	buf_fini(&frame);
	buf_fini(&names);
}

static void the_largest_request_fits_a_frame(void **state)
{
	struct auth_request in = { 0 }, out;
	struct buf frame = { 0 };

	(void)state;
	static char names[AUTH_CERTIFICATE_OCTETS_MAX];

	in.mechanism = letters(AUTH_MECHANISMS_OCTETS_MAX);
	in.binding = in.binding_data = letters(AUTH_BINDING_OCTETS_MAX);
	in.names = span_of(names, sizeof(names));
	in.response_count = AUTH_RESPONSES_MAX;
	for (size_t i = 0; i < AUTH_RESPONSES_MAX; i++)
		in.responses[i] = letters(AUTH_RESPONSE_OCTETS_MAX);
	auth_request_encode(&in, &frame);
	assert_true(frame.len <= AUTH_FRAME_OCTETS_MAX);
	assert_int_equal(auth_request_decode(buf_span(&frame), &out), 0);
	assert_int_equal(out.response_count, AUTH_RESPONSES_MAX);
	assert_int_equal(out.responses[3].len, AUTH_RESPONSE_OCTETS_MAX);
	buf_fini(&frame);
}

static void a_request_beyond_its_bounds_goes_without_responses(void **state)
{
	struct auth_request in = sample_request, out;
	struct buf frame = { 0 };

	(void)state;
	in.responses[1] = letters(AUTH_RESPONSE_OCTETS_MAX + 1);
	auth_request_encode(&in, &frame);
	assert_int_equal(auth_request_decode(buf_span(&frame), &out), 0);
	assert_int_equal(out.response_count, 0);
	buf_clear(&frame);
	in = sample_step;
	in.binding = letters(AUTH_BINDING_OCTETS_MAX + 1);
	auth_request_encode(&in, &frame);
	assert_int_equal(auth_request_decode(buf_span(&frame), &out), 0);
	assert_int_equal(out.response_count, 2);
	assert_int_equal(out.responses[0].len + out.responses[1].len, 0);
	buf_clear(&frame);
	in = sample_request;
	in.mechanism = letters(1000);
	auth_request_encode(&in, &frame);
	assert_int_equal(auth_request_decode(buf_span(&frame), &out), 0);
	assert_int_equal(out.response_count, 0);
	buf_fini(&frame);
}

static void an_answer_comes_back(void **state)
{
	struct auth_answer out;
	struct buf frame = { 0 };

	(void)state;
	auth_answer_encode(&sample_answer, &frame);
	assert_int_equal(auth_answer_decode(buf_span(&frame), &out), 0);
	assert_int_equal(out.verdict, AUTH_WRONG);
	assert_span_text(out.account, "alice");
	assert_span_text(out.detail, "no such user");
	buf_fini(&frame);
}

static void a_challenge_comes_back(void **state)
{
	struct auth_answer out;
	struct buf frame = { 0 };

	(void)state;
	auth_answer_encode(&sample_challenge, &frame);
	assert_int_equal(auth_answer_decode(buf_span(&frame), &out), 0);
	assert_int_equal(out.verdict, AUTH_CONTINUE);
	assert_spans_eq(out.challenge, sample_challenge.challenge);
	assert_span_text(out.credential, "k3fz");
	buf_fini(&frame);
}

static void what_may_be_remembered_comes_back(void **state)
{
	struct auth_answer out;
	struct buf frame = { 0 };

	(void)state;
	auth_answer_encode(&sample_yes, &frame);
	assert_int_equal(auth_answer_decode(buf_span(&frame), &out), 0);
	assert_true(out.good_until_s == sample_yes.good_until_s);
	assert_spans_eq(out.file_state, sample_yes.file_state);
	buf_fini(&frame);
}

/* Only a yes to a password that is known to be an app password, and in a state that can be told. */
static void what_must_not_be_remembered_is_no_answer(void **state)
{
	static const struct span nothing;
	struct auth_answer cases[6];

	(void)state;
	for (size_t i = 0; i < 6; i++)
		cases[i] = sample_yes;
	cases[0].verdict = AUTH_WRONG;
	cases[1].verdict = AUTH_CONTINUE;
	cases[2].account = nothing;
	cases[3].credential = nothing;
	cases[4].file_state = nothing;
	cases[5].good_until_s = 0;
	for (size_t i = 0; i < 6; i++) {
		struct auth_answer out;
		struct buf frame = { 0 };

		auth_answer_encode(&cases[i], &frame);
		assert_int_equal(auth_answer_decode(buf_span(&frame), &out), -EINVAL);
		assert_int_equal(out.verdict, AUTH_UNAVAILABLE);
		assert_true(out.good_until_s == 0);
		buf_fini(&frame);
	}
}

static void a_long_detail_is_cut(void **state)
{
	struct auth_answer in = sample_answer, out;
	struct buf frame = { 0 };

	(void)state;
	in.verdict = AUTH_OK;
	in.account = in.credential = letters(AUTH_NAME_OCTETS_MAX);
	in.challenge = letters(AUTH_CHALLENGE_OCTETS_MAX);
	in.detail = letters(5000);
	in.good_until_s = UINT64_MAX;
	in.file_state = letters(AUTH_FILE_STATE_OCTETS_MAX);
	auth_answer_encode(&in, &frame);
	assert_true(frame.len <= AUTH_ANSWER_OCTETS_MAX);
	assert_int_equal(auth_answer_decode(buf_span(&frame), &out), 0);
	assert_int_equal(out.detail.len, AUTH_DETAIL_OCTETS_MAX);
	buf_fini(&frame);
}

/* Every prefix in a block of its own size, so that a read behind it is seen by the sanitizer. */
static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct buf frame = { 0 };

		encode_sample(k, &frame);
		assert_int_equal(kinds[k].decode(buf_span(&frame)), 0);
		for (size_t n = 0; n < frame.len; n++) {
			unsigned char *part = malloc(n ? n : 1);

			memcpy(part, buf_span(&frame).at, n);
			assert_int_equal(kinds[k].decode(span_of(part, n)), -EINVAL);
			free(part);
		}
		buf_fini(&frame);
	}
}

static void what_is_left_over_is_refused(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct buf frame = { 0 };

		encode_sample(k, &frame);
		buf_put_char(&frame, '\0');
		assert_int_equal(kinds[k].decode(buf_span(&frame)), -EINVAL);
		buf_fini(&frame);
	}
}

static void one_kind_is_not_another(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++)
		for (size_t other = 0; other < KINDS; other++) {
			struct buf frame = { 0 };

			encode_sample(k, &frame);
			assert_int_equal(kinds[other].decode(buf_span(&frame)),
					 kinds[k].family == kinds[other].family ? 0 : -EINVAL);
			buf_fini(&frame);
		}
}

/* The length of the mechanism in a request stands in octets 1 to 4. */
static void lengths_beyond_their_bounds_are_refused(void **state)
{
	static const struct {
		size_t kind, place;
		unsigned char octet;
		const char *what;
	} cases[] = {
		{ 0, 1, 3, "a back end that is none" },
		{ 0, 4, 0x01, "a path of 65,554 octets" },
		{ 0, 5, 0xFF, "a path of nearly 4 GiB" },
		{ 1, 2, 0x01, "a mechanism of 261 octets" },
		{ 1, 4, 0xFF, "a mechanism of nearly 4 GiB" },
		{ 1, 10 + 23, 5, "five responses" },
		{ 1, 10 + 23, 255, "255 responses" },
		{ 1, 12 + 23, 0x40, "a response of 16,389 octets" },
		{ 2, 1, 4, "a verdict that is none" },
		{ 2, 3, 0x01, "an account of 261 octets" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf frame = { 0 };

		encode_sample(cases[i].kind, &frame);
		/* Long enough that only the bound can be what refuses it. */
		for (size_t n = 0; n < 100000; n++)
			buf_put_char(&frame, 'x');
		frame.at[frame.from + cases[i].place] = cases[i].octet;
		if (kinds[cases[i].kind].decode(buf_span(&frame)) != -EINVAL)
			fail_msg("accepted: %s", cases[i].what);
		buf_fini(&frame);
	}
}

/* What is accepted means what it says: encoded again, it is the same octets. */
static void garbage_is_refused_or_means_what_it_says(void **state)
{
	unsigned accepted = 0;

	(void)state;
	srandom(2026);
	for (unsigned round = 0; round < 40000; round++) {
		struct buf frame = { 0 }, again = { 0 };
		struct auth_request request;

		auth_request_encode(round % 2 ? &sample_request : &sample_step, &frame);
		for (unsigned i = 0; i < 1 + round % 3; i++)
			frame.at[(size_t)random() % frame.len] = (unsigned char)random();
		if (auth_request_decode(buf_span(&frame), &request) == 0) {
			accepted++;
			auth_request_encode(&request, &again);
			assert_spans_eq(buf_span(&frame), buf_span(&again));
		}
		buf_fini(&frame);
		buf_fini(&again);
	}
	assert_true(accepted > 100 && accepted < 40000);
}

static void noise_is_refused(void **state)
{
	(void)state;
	srandom(2027);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned char noise[64];

		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (unsigned char)random();
		for (size_t k = 0; k < KINDS; k++)
			assert_int_equal(kinds[k].decode(span_of(noise, sizeof(noise))), -EINVAL);
	}
}

static void verdicts_have_words(void **state)
{
	(void)state;
	assert_string_equal(auth_verdict_name(AUTH_OK), "ok");
	assert_string_equal(auth_verdict_name(AUTH_UNAVAILABLE), "unavailable");
	assert_string_equal(auth_verdict_name(AUTH_EXPIRED), "expired");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_comes_back),
		cmocka_unit_test(the_largest_hello_fits_a_frame),
		cmocka_unit_test(a_hello_beyond_its_bounds_does_not_fit),
		cmocka_unit_test(a_request_comes_back),
		cmocka_unit_test(a_step_comes_back),
		cmocka_unit_test(an_end_goes_without_responses),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(a_number_is_needed_to_go_on),
		cmocka_unit_test(names_beyond_the_bound_are_left_out),
		cmocka_unit_test(the_largest_request_fits_a_frame),
		cmocka_unit_test(a_request_beyond_its_bounds_goes_without_responses),
		cmocka_unit_test(an_answer_comes_back),
		cmocka_unit_test(a_challenge_comes_back),
		cmocka_unit_test(what_may_be_remembered_comes_back),
		cmocka_unit_test(what_must_not_be_remembered_is_no_answer),
		cmocka_unit_test(a_long_detail_is_cut),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(what_is_left_over_is_refused),
		cmocka_unit_test(one_kind_is_not_another),
		cmocka_unit_test(lengths_beyond_their_bounds_are_refused),
		cmocka_unit_test(garbage_is_refused_or_means_what_it_says),
		cmocka_unit_test(noise_is_refused),
		cmocka_unit_test(verdicts_have_words),
	};

	return cmocka_run_group_tests_name("auth/frame", tests, NULL, NULL);
}

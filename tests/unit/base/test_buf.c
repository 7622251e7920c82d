#include "test.h"

#include "base/buf.h"
#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>

static void test_put_and_drop(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_int_equal(buf_span(&b).len, 0);
	buf_put_text(&b, "hello");
	buf_put_char(&b, ' ');
	buf_put_span(&b, span_text("world"));
	buf_put(&b, NULL, 0);
	assert_span_text(buf_span(&b), "hello world");
	buf_drop(&b, 6);
	assert_span_text(buf_span(&b), "world");
	buf_printf(&b, " %d%s", 7, "!");
	assert_span_text(buf_span(&b), "world 7!");
	buf_drop(&b, 8);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.from, 0);
	buf_fini(&b);
	assert_null(b.at);
}

/* Against a plain array: appends and drops of every size, so that each way of growing is taken. */
static void test_long_run(void **state)
{
	struct buf b = { 0 };
	size_t put = 0, dropped = 0;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		size_t n = i * 7 % 97, d;
		unsigned char *at = buf_room(&b, n);

		for (size_t j = 0; j < n; j++)
			at[j] = (unsigned char)(put + j);
		buf_grew(&b, n);
		put += n;
		d = i * 13 % 101;
		d = d < b.len ? d : b.len;
		buf_drop(&b, d);
		dropped += d;
		assert_int_equal(b.len, put - dropped);
		if (b.len) {
			assert_int_equal(buf_span(&b).at[0], dropped & 255);
			assert_int_equal(buf_span(&b).at[b.len - 1], (put - 1) & 255);
		}
	}
	assert_true(b.cap < 64 * 1024);
	buf_fini(&b);
}

static void test_printf_is_exact(void **state)
{
	struct buf b = { 0 };

	(void)state;
	/* 64 octets are the first allocation: the NUL of vsnprintf must not run over. */
	buf_printf(&b, "%064d", 7);
	assert_int_equal(b.len, 64);
	buf_printf(&b, "%s", "");
	assert_int_equal(b.len, 64);
	buf_clear(&b);
	buf_printf(&b, "%.*s", 3, "abcdef");
	assert_span_text(buf_span(&b), "abc");
	buf_fini(&b);
}

static void test_number(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_put_number(&b, 0);
	buf_put_char(&b, ' ');
	buf_put_number(&b, 1009);
	buf_put_char(&b, ' ');
	buf_put_number(&b, UINT64_MAX);
	assert_span_text(buf_span(&b), "0 1009 18446744073709551615");
	buf_fini(&b);
}

/* What is written at the first go, what just fits, and what must be written again. */
static void test_printf_of_every_length(void **state)
{
	char expected[300];

	(void)state;
	for (int n = 1; n < (int)sizeof(expected); n++) {
		struct buf b = { 0 };

		buf_put_char(&b, '<');
		buf_printf(&b, "%0*d", n, 7);
		snprintf(expected, sizeof(expected), "%0*d", n, 7);
		assert_int_equal(b.len, 1 + (size_t)n);
		assert_memory_equal(buf_span(&b).at + 1, expected, (size_t)n);
		buf_fini(&b);
	}
}

static void test_take_text(void **state)
{
	struct buf b = { 0 };
	char *text = buf_take_text(&b);

	(void)state;
	assert_string_equal(text, "");
	free(text);
	buf_put_text(&b, "xabc");
	buf_drop(&b, 1);
	text = buf_take_text(&b);
	assert_string_equal(text, "abc");
	assert_int_equal(b.len, 0);
	free(text);
}

static void test_room_reuses_the_front(void **state)
{
	struct buf b = { 0 };
	size_t cap;

	(void)state;
	buf_room(&b, 64);
	cap = b.cap;
	for (int i = 0; i < 100; i++) {
		buf_put(&b, "0123456789", 10);
		buf_drop(&b, 9);
		buf_drop(&b, 1);
	}
	assert_int_equal(b.cap, cap);
	buf_fini(&b);
}

static void test_secret(void **state)
{
	struct secret s = { 0 };

	(void)state;
	secret_set(&s, span_text("first"));
	secret_set(&s, span_text("second"));
	assert_span_text(secret_span(&s), "second");
	secret_fini(&s);
	assert_int_equal(secret_span(&s).len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_and_drop),
		cmocka_unit_test(test_long_run),
		cmocka_unit_test(test_printf_is_exact),
		cmocka_unit_test(test_take_text),
		cmocka_unit_test(test_room_reuses_the_front),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_printf_of_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tests/unit/queue/envelope.c: what is written comes back; what is cut, damaged or newer does not.
 */
#include "test.h"

#include "base/mem.h"
#include "queue/envelope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct envelope sample(size_t recipients)
{
	struct envelope e = { .qid = 0x0123456789ABCDEF,
			      .sid = 42,
			      .account = mem_text("alice"),
			      .sender = mem_text("alice@example.com"),
			      .arrived_ms = 1795299114123,
			      .size = 1ull << 40,
			      .header_octets = 512,
			      .has_8bit = true };

	for (size_t i = 0; i < recipients; i++) {
		char text[64];

		snprintf(text, sizeof(text), "user%zu@example.net", i);
		envelope_add_recipient(&e, span_text(text));
	}
	return e;
}

static void assert_same(const struct envelope *a, const struct envelope *b)
{
	assert_true(a->qid == b->qid && a->sid == b->sid && a->size == b->size);
	assert_true(a->arrived_ms == b->arrived_ms && a->header_octets == b->header_octets);
	assert_int_equal(a->has_8bit, b->has_8bit);
	assert_string_equal(a->account, b->account);
	assert_string_equal(a->sender, b->sender);
	assert_int_equal(a->recipient_count, b->recipient_count);
	for (size_t i = 0; i < a->recipient_count; i++)
		assert_string_equal(a->recipients[i], b->recipients[i]);
}

static void envelope_comes_back(void **state)
{
	static const size_t counts[] = { 0, 1, 2, 3, 4, 5, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct envelope e = sample(counts[i]), back;
		struct buf out = { 0 };

		envelope_encode(&e, &out);
		assert_int_equal(envelope_decode(buf_span(&out), &back), 0);
		assert_same(&e, &back);
		envelope_fini(&e);
		envelope_fini(&back);
		buf_fini(&out);
	}
}

static void null_sender_comes_back(void **state)
{
	struct envelope e = { .account = mem_text(""), .sender = mem_text("") }, back;
	struct buf out = { 0 };

	(void)state;
	envelope_add_recipient(&e, span_text("a@b"));
	envelope_encode(&e, &out);
	assert_int_equal(envelope_decode(buf_span(&out), &back), 0);
	assert_string_equal(back.sender, "");
	assert_false(back.has_8bit);
	envelope_fini(&e);
	envelope_fini(&back);
	buf_fini(&out);
}

static void cut_or_longer_is_refused(void **state)
{
	struct envelope e = sample(3), back;
	struct buf out = { 0 };

	(void)state;
	envelope_encode(&e, &out);
	for (size_t n = 0; n < out.len; n++)
		assert_int_equal(envelope_decode(span_first(buf_span(&out), n), &back), -EINVAL);
	buf_put_char(&out, 0);
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	envelope_fini(&e);
	buf_fini(&out);
}

static void later_version_is_told_apart(void **state)
{
	struct envelope e = sample(1), back;
	struct delivery d, d_back;
	struct buf out = { 0 };

	(void)state;
	envelope_encode(&e, &out);
	out.at[out.from] = 2;
	assert_int_equal(envelope_decode(buf_span(&out), &back), -ENOTSUP);
	out.at[out.from] = 0;
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	buf_clear(&out);
	delivery_init(&d, 1);
	delivery_encode(&d, &out);
	out.at[out.from] = 9;
	assert_int_equal(delivery_decode(buf_span(&out), &d_back), -ENOTSUP);
	delivery_fini(&d);
	envelope_fini(&e);
	buf_fini(&out);
}

/* A count or a length that claims more than there is must not be believed; a NUL within a text
 * would shorten it behind our back. */
static void lies_are_refused(void **state)
{
	struct envelope e = sample(1), back;
	struct buf out = { 0 };
	size_t account = 1 + 5 * 8 + 1;
	size_t count = account + 4 + strlen("alice") + 4 + strlen("alice@example.com");

	(void)state;
	envelope_encode(&e, &out);
	memset(out.at + out.from + count, 0xFF, 4);
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	buf_clear(&out);
	envelope_encode(&e, &out);
	memset(out.at + out.from + account, 0xFF, 4);
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	buf_clear(&out);
	envelope_encode(&e, &out);
	out.at[out.from + account + 4 + 2] = 0;
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	envelope_fini(&e);
	buf_fini(&out);
}

/* Every single octet changed to every value: an answer, and no memory error (the sanitizers look).
 */
static void damage_is_survived(void **state)
{
	struct envelope e = sample(2), back;
	struct buf out = { 0 };

	(void)state;
	envelope_encode(&e, &out);
	for (size_t i = 0; i < out.len; i++) {
		unsigned char was = out.at[out.from + i];

		for (int value = 0; value < 256; value++) {
			out.at[out.from + i] = (unsigned char)value;
			if (envelope_decode(buf_span(&out), &back) == 0)
				envelope_fini(&back);
		}
		out.at[out.from + i] = was;
	}
	assert_int_equal(envelope_decode(buf_span(&out), &back), 0);
	assert_same(&e, &back);
	envelope_fini(&back);
	envelope_fini(&e);
	buf_fini(&out);
}

static struct delivery sample_delivery(void)
{
	struct delivery d;

	delivery_init(&d, 3);
	d.attempts = 7;
	d.last_ms = 1795299114123;
	d.next_ms = 1795299200000;
	d.recipients[0].state = RECIPIENT_DELIVERED;
	d.recipients[0].code = 250;
	d.recipients[0].status = (struct smtp_status){ 2, 0, 0 };
	d.recipients[0].text = mem_text("Ok: queued as 1234");
	d.recipients[0].smarthost = mem_text("main");
	d.recipients[1].state = RECIPIENT_FAILED;
	d.recipients[1].code = 550;
	d.recipients[1].status = (struct smtp_status){ 5, 1, 999 };
	d.recipients[1].text = mem_text("");
	return d;
}

static void delivery_comes_back(void **state)
{
	struct delivery d = sample_delivery(), back;
	struct buf out = { 0 };

	(void)state;
	delivery_encode(&d, &out);
	assert_int_equal(delivery_decode(buf_span(&out), &back), 0);
	assert_int_equal(back.attempts, 7);
	assert_true(back.last_ms == d.last_ms && back.next_ms == d.next_ms);
	assert_int_equal(back.recipient_count, 3);
	assert_int_equal(back.recipients[0].state, RECIPIENT_DELIVERED);
	assert_int_equal(back.recipients[0].code, 250);
	assert_string_equal(back.recipients[0].text, "Ok: queued as 1234");
	assert_string_equal(back.recipients[0].smarthost, "main");
	assert_int_equal(back.recipients[1].status.detail, 999);
	assert_string_equal(back.recipients[1].text, "");
	assert_null(back.recipients[1].smarthost);
	assert_int_equal(back.recipients[2].state, RECIPIENT_WAITING);
	assert_null(back.recipients[2].text);
	for (size_t n = 0; n < out.len; n++) {
		struct delivery cut;

		assert_int_equal(delivery_decode(span_first(buf_span(&out), n), &cut), -EINVAL);
	}
	delivery_fini(&d);
	delivery_fini(&back);
	buf_fini(&out);
}

static void unknown_state_is_refused(void **state)
{
	struct delivery d, back;
	struct buf out = { 0 };

	(void)state;
	delivery_init(&d, 1);
	delivery_encode(&d, &out);
	out.at[out.from + 1 + 4 + 8 + 8 + 4] = 3;
	assert_int_equal(delivery_decode(buf_span(&out), &back), -EINVAL);
	delivery_fini(&d);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(envelope_comes_back),
		cmocka_unit_test(null_sender_comes_back),
		cmocka_unit_test(cut_or_longer_is_refused),
		cmocka_unit_test(later_version_is_told_apart),
		cmocka_unit_test(lies_are_refused),
		cmocka_unit_test(damage_is_survived),
		cmocka_unit_test(delivery_comes_back),
		cmocka_unit_test(unknown_state_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

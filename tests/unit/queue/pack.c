/* tests/unit/queue/pack.c: what is packed comes out as it went in, and said once stands once. */
#include "test.h"

#include "pack.h"

#include "base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pack_scratch scratch;

static int tear_down(void **state)
{
	(void)state;
	pack_scratch_fini(&scratch);
	return 0;
}

static struct delivery encoded(size_t recipients, unsigned texts, unsigned tries)
{
	struct delivery d;

	delivery_init(&d, recipients);
	d.attempts = 5;
	d.last_ms = -3;
	d.next_ms = INT64_MAX;
	for (size_t i = 0; i < recipients; i++) {
		struct recipient_status *s = &d.recipients[i];
		char text[64];

		snprintf(text, sizeof(text), "words %u", (unsigned)(i % (texts ? texts : 1)));
		s->state = (enum recipient_state)(i % 3);
		s->is_owed = i % 3 && i % 2;
		s->code = 200 + (int)(i % 400);
		s->status = (struct smtp_status){ 5, (uint16_t)i, 999 };
		s->text = texts ? mem_text(text) : NULL;
		s->smarthost = i % 2 ? mem_text("main") : NULL;
		if (i < tries)
			delivery_add_try(&d, (int64_t)i, s);
	}
	return d;
}

/* By their records, which are compared octet by octet. */
static void assert_same(const struct delivery *a, const struct delivery *b)
{
	struct buf one = { 0 }, two = { 0 };

	delivery_encode(a, &one);
	delivery_encode(b, &two);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(buf_span(&one).at, buf_span(&two).at, one.len);
	buf_fini(&one);
	buf_fini(&two);
}

static const struct {
	size_t recipients;
	unsigned texts, tries;
} sizes[] = { { 0, 0, 0 }, { 1, 0, 0 },	  { 1, 1, 1 },	  { 2, 1, 2 },	   { 3, 3, 3 },
	      { 9, 9, 9 }, { 16, 4, 16 }, { 50, 20, 30 }, { 1000, 1, 16 }, { 1000, 1000, 1000 } };

static void what_is_packed_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct delivery d = encoded(sizes[i].recipients, sizes[i].texts, sizes[i].tries);
		struct delivery_pack *pack = delivery_pack(&d);
		struct delivery view, copy;

		assert_non_null(pack);
		view = delivery_pack_view(pack, d.recipient_count, &scratch);
		assert_same(&d, &view);
		copy = delivery_unpack(pack, d.recipient_count, &scratch);
		delivery_pack_restart(pack);
		view = delivery_pack_view(pack, d.recipient_count, &scratch);
		assert_int_equal(view.attempts, 0);
		assert_int_equal(view.next_ms, 0);
		free(pack);
		assert_same(&d, &copy);
		delivery_fini(&copy);
		delivery_fini(&d);
	}
}

static void nothing_to_say_takes_nothing(void **state)
{
	struct delivery d, view;

	(void)state;
	delivery_init(&d, 20);
	assert_null(delivery_pack(&d));
	view = delivery_pack_view(NULL, 20, &scratch);
	assert_same(&d, &view);
	d.recipients[19].state = RECIPIENT_FAILED;
	free(delivery_pack(&d));
	d.recipients[19].state = RECIPIENT_WAITING;
	d.last_ms = 1;
	assert_non_null(d.recipients);
	free(delivery_pack(&d));
	delivery_fini(&d);
}

static void said_once_stands_once(void **state)
{
	struct delivery same = encoded(1000, 1, 1), other = encoded(1000, 1000, 1);
	struct delivery_pack *small = delivery_pack(&same), *large = delivery_pack(&other);

	(void)state;
	assert_true(malloc_usable_size(small) < 1000 * 16 + 200);
	assert_true(malloc_usable_size(large) > 1000 * 25);
	free(small);
	free(large);
	delivery_fini(&same);
	delivery_fini(&other);
}

static void strings_come_back(void **state)
{
	static const size_t counts[] = { 0, 1, 2, 100 };

	(void)state;
	for (size_t n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
		struct envelope e = { .sender = mem_text(n % 2 ? "" : "alice@example.com"),
				      .envid = n % 2 ? mem_text("QQ") : NULL,
				      .release_ms = n % 2 ? 0 : 0x7755443322110000 };
		struct envelope view = { .recipient_count = counts[n] };
		struct envelope_recipient places[100];
		char *at;

		for (size_t i = 0; i < counts[n]; i++) {
			struct smtp_rcpt_params params = { (unsigned)(i % 16),
							   span_text("rfc822;x") };

			envelope_add_recipient(&e, span_text("bob@example.net"),
					       i % 2 ? &params : NULL);
		}
		at = malloc(envelope_strings_octets(&e));
		envelope_strings_put(&e, at);
		envelope_strings_view(at, places, &view);
		assert_true(envelope_strings_release(at) == e.release_ms);
		assert_true(view.release_ms == e.release_ms);
		assert_string_equal(view.sender, e.sender);
		assert_string_equal(view.envid, e.envid ? e.envid : "");
		for (size_t i = 0; i < counts[n]; i++) {
			assert_string_equal(places[i].address, e.recipients[i].address);
			assert_string_equal(places[i].orcpt, e.recipients[i].orcpt);
			assert_int_equal(places[i].notify, e.recipients[i].notify);
		}
		free(at);
		envelope_fini(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_is_packed_comes_back, tear_down),
		cmocka_unit_test_teardown(nothing_to_say_takes_nothing, tear_down),
		cmocka_unit_test_teardown(said_once_stands_once, tear_down),
		cmocka_unit_test_teardown(strings_come_back, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

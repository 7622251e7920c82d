#include "test.h"

#include "record.h"
#include "segments.h"

#include <stdlib.h>

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Against a plain array of flags: blocks, the free list and the growing table all take part. */
static void test_find_add_remove(void **state)
{
	enum { COUNT = 10000 };
	static bool is_in[COUNT];
	struct index index;
	struct message *m;
	uint32_t random = 3;
	size_t at = 0, visits = 0, count = 0;

	(void)state;
	index_init(&index);
	for (int i = 0; i < 200000; i++) {
		uint64_t n = next_random(&random) % COUNT, id = (n + 1) << 20;

		m = index_find(&index, id);
		assert_int_equal(m != NULL, is_in[n]);
		if (m) {
			assert_int_equal(m->id, id);
			index_remove(&index, &m);
			assert_null(m);
		} else {
			index_add(&index, id);
		}
		is_in[n] = !is_in[n];
		count = is_in[n] ? count + 1 : count - 1;
		assert_int_equal(index.count, count);
	}
	while ((m = index_next(&index, &at)) != NULL) {
		assert_true(is_in[(m->id >> 20) - 1]);
		visits++;
	}
	assert_int_equal(visits, count);
	index_fini(&index);
}

static void test_chunks_grow_and_keep_their_places(void **state)
{
	struct index index;
	struct message *m;

	(void)state;
	index_init(&index);
	m = index_add(&index, 1);
	for (uint32_t part = 0; part < 300; part++) {
		*message_make_chunk(m, part) = (struct place){ 7, part, part };
		assert_int_equal(m->chunks, part + 1);
		for (uint32_t i = 0; i <= part; i++)
			assert_int_equal(message_chunk(m, i)->unit, i);
	}
	index_remove(&index, &m);
	/* Recovery may meet a later chunk first. */
	m = index_add(&index, 2);
	message_make_chunk(m, 5)->segment = 9;
	message_make_chunk(m, 0)->segment = 8;
	assert_int_equal(m->chunks, 6);
	assert_int_equal(message_chunk(m, 3)->segment, 0);
	assert_int_equal(message_chunk(m, 5)->segment, 9);
	index_fini(&index);
}

static void test_accounts_of_segments(void **state)
{
	struct segments all = { 0 };
	struct message m = { .id = 1 };

	(void)state;
	segments_add(&all, 3, 1);
	segments_add(&all, 7, 1);
	segments_grew(&all, segments_find(&all, 3), 1000);
	assert_null(segments_find(&all, 5));
	assert_null(segments_find(&all, 0));
	segments_move(&all, &m.envelope, (struct place){ 3, 10, 1 });
	segments_move(&all, &m.note, (struct place){ 3, 20, 8 });
	assert_int_equal(segments_find(&all, 3)->live_records, 2);
	assert_int_equal(all.live_octets, 144);
	segments_move(&all, &m.note, (struct place){ 7, 20, 9 });
	assert_int_equal(segments_find(&all, 3)->live_octets, 72);
	assert_int_equal(segments_find(&all, 7)->live_octets, 80);
	segments_release(&all, &m);
	assert_int_equal(all.live_octets, 0);
	segments_remove_oldest(&all);
	assert_int_equal(all.octets, 0);
	assert_int_equal(all.at[0].number, 7);
	segments_fini(&all);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool is_segment;
		uint64_t number;
	} cases[] = {
		{ "seg-0000000000000001.log", true, 1 },
		{ "seg-00000000deadbeef.log", true, 0xDEADBEEF },
		{ "seg-00000000DEADBEEF.log", false, 0 },
		{ "seg-000000000000001.log", false, 0 },
		{ "seg-000000000000000g.log", false, 0 },
		{ "seg--000000000000001.log", false, 0 },
		{ "seg-0000000000000001.lo~", false, 0 },
		{ "lock", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t number = 0;

		if (segment_name_parse(cases[i].name, &number) != cases[i].is_segment)
			fail_msg("%s", cases[i].name);
		if (cases[i].is_segment)
			assert_int_equal(number, cases[i].number);
	}
}

static void test_record_header_both_ways(void **state)
{
	const struct record in = {
		.type = RECORD_ENVELOPE,
		.length = 0x01020304,
		.part = 0x00050607,
		.id = 0x1112131415161718,
		.sequence = 0x2122232425262728,
		.octets = 0x3132333435363738,
		.content_sum = 0x4142434445464748,
		.payload_sum = 0x5152535455565758,
	};
	struct record record = in, out;
	unsigned char octets[64], again[64];

	(void)state;
	record.length = 0x00F20304;
	record_encode(&record, 99, octets);
	assert_memory_equal(octets, "PSTR\2\0\0\0\x04\x03\xF2\0\x07\x06\x05\0\x18\x17", 18);
	assert_int_equal(record_decode(octets, 99, &out), 0);
	record_encode(&out, 99, again);
	assert_memory_equal(again, octets, sizeof(octets));
	assert_int_equal(out.type, record.type);
	assert_int_equal(out.payload_sum, record.payload_sum);
	assert_true(record_decode(octets, 98, &out) < 0);
	record_encode(&in, 99, octets);
	assert_true(record_decode(octets, 99, &out) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find_add_remove),
		cmocka_unit_test(test_chunks_grow_and_keep_their_places),
		cmocka_unit_test(test_accounts_of_segments),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_record_header_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "rig.h"

#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

enum { MESSAGES = 50 };

static void text_of(unsigned id, char content[32], char envelope[32])
{
	snprintf(content, 32, "content %u%.*s", id, (int)(id % 8), "........");
	snprintf(envelope, 32, "envelope %u", id);
}

/* A log of 100 records, closed; its octets in *log. */
static void make_log(struct rig *rig, char path[256], struct buf *log)
{
	rig_init(rig);
	rig_open(rig);
	for (unsigned id = 1; id <= MESSAGES; id++) {
		char content[32], envelope[32];

		text_of(id, content, envelope);
		assert_int_equal(rig_commit(rig, id, content, envelope), 0);
	}
	rig_close(rig);
	rig_segment_path(rig, 0, path);
	rig_slurp(path, log);
	rig->conf.is_read_only = true;
}

/* Every message that is found is whole, and so is what can be read of it. */
static void assert_found_whole(struct rig *rig)
{
	char *line = (char *)rig->found.at, *next;

	buf_put_char(&rig->found, '\0');
	for (line = (char *)rig->found.at; *line; line = next + 1) {
		unsigned id = (unsigned)strtoul(line, NULL, 10);
		char content[32], envelope[32], expected[128];
		struct buf out = { 0 };

		text_of(id, content, envelope);
		snprintf(expected, sizeof(expected), "%u %s  1/%zu\n", id, envelope,
			 strlen(content));
		next = strchr(line, '\n');
		assert_memory_equal(line, expected, strlen(expected));
		assert_int_equal(rig_read(rig, id, &out), 0);
		assert_span_text(buf_span(&out), content);
		buf_fini(&out);
	}
}

static void put_octet(const char *path, size_t at, unsigned char octet)
{
	int fd = open(path, O_WRONLY);

	assert_int_equal(pwrite(fd, &octet, 1, (off_t)at), 1);
	close(fd);
}

static void check_flip(struct rig *rig, const char *path, const struct buf *log, size_t at,
		       unsigned bit)
{
	put_octet(path, at, log->at[at] ^ (unsigned char)(1u << bit));
	rig_open(rig);
	assert_true(rig->damaged_count >= 1);
	assert_in_range(rig->found_count, MESSAGES - 1, MESSAGES);
	assert_found_whole(rig);
	rig_close(rig);
	put_octet(path, at, log->at[at]);
}

/* Every bit of the first records and of both headers; behind them one bit in every third octet. */
static void test_flipped_bits(void **state)
{
	struct rig rig;
	struct buf log = { 0 };
	char path[256];

	(void)state;
	make_log(&rig, path, &log);
	for (size_t at = 0; at < log.len; at++) {
		bool is_fill = at >= SEGMENT_HEADER_OCTETS && at < SEGMENT_HEADER_AGAIN;
		bool is_sample = at < 64 || (at >= SEGMENT_HEADER_AGAIN && at < 4160 + 400);

		if (at % (is_fill ? 64 : 3) && !is_sample)
			continue;
		for (unsigned bit = 0; bit < 8; bit++)
			if (is_sample || bit == at % 8)
				check_flip(&rig, path, &log, at, bit);
	}
	buf_fini(&log);
	rig_fini(&rig);
}

/* Cut at any octet, all messages before are there, and nothing else. */
static void test_truncated_anywhere(void **state)
{
	struct rig rig;
	struct buf log = { 0 };
	char path[256];
	unsigned most = 0;

	(void)state;
	make_log(&rig, path, &log);
	rig_open(&rig);
	assert_int_equal(rig.found_count, MESSAGES);
	assert_int_equal(rig.damaged_count, 0);
	rig_close(&rig);
	for (size_t n = 0; n < log.len; n++) {
		if (n < SEGMENT_RECORDS_AT && n % 97)
			continue;
		rig_spill(path, span_first(buf_span(&log), n));
		rig_open(&rig);
		assert_true(rig.found_count >= most && rig.found_count <= MESSAGES);
		assert_true(rig.found_count == 0 || rig.last_found == rig.found_count);
		most = rig.found_count;
		assert_found_whole(&rig);
		rig_close(&rig);
	}
	/* Only the very last octets were missing in the end. */
	assert_in_range(most, MESSAGES - 1, MESSAGES);
	buf_fini(&log);
	rig_fini(&rig);
}

/* A block of zeros, or a block that stands twice: what it covers is lost, the rest is not. */
static void test_damaged_blocks(void **state)
{
	struct rig rig;
	struct buf log = { 0 };
	char path[256];

	(void)state;
	make_log(&rig, path, &log);
	for (size_t from = 0; from + 4096 <= log.len; from += 512) {
		for (int is_copy = 0; is_copy < 2; is_copy++) {
			struct buf bad = { 0 };

			buf_put_span(&bad, buf_span(&log));
			if (is_copy)
				memmove(bad.at + from, log.at + (from ? 0 : 4096), 4096);
			else
				memset(bad.at + from, 0, 4096);
			rig_spill(path, buf_span(&bad));
			rig_open(&rig);
			/* About 25 of them fit into a block. */
			if (from > 64 && from < SEGMENT_HEADER_AGAIN && !is_copy)
				assert_true(rig.damaged_count >= 1);
			assert_true(rig.found_count + 32 >= MESSAGES || from <= 64);
			assert_found_whole(&rig);
			rig_close(&rig);
			buf_fini(&bad);
		}
	}
	buf_fini(&log);
	rig_fini(&rig);
}

/* A damaged tail is cut off once; what is accepted afterwards is found with the rest. */
static void test_tail_is_cut_once(void **state)
{
	struct rig rig;
	struct buf log = { 0 };
	char path[256];

	(void)state;
	make_log(&rig, path, &log);
	rig.conf.is_read_only = false;
	rig_spill(path, span_first(buf_span(&log), log.len - 5));
	rig_open(&rig);
	assert_int_equal(rig.found_count, MESSAGES - 1);
	assert_int_equal(rig.damaged_count, 1);
	buf_put_char(&rig.damaged, '\0');
	assert_non_null(
		strstr((char *)rig.damaged.at, "cut off: the envelope of message 000000000001J"));
	assert_int_equal(rig_commit(&rig, 1000, "later", "E"), 0);
	rig_close(&rig);
	rig_open(&rig);
	assert_int_equal(rig.damaged_count, 0);
	assert_int_equal(rig.found_count, MESSAGES);
	assert_int_equal(rig.last_found, 1000);
	buf_fini(&log);
	rig_fini(&rig);
}

/* At the end of a segment that others follow it is no torn tail: nothing is thrown away. */
static void test_the_end_of_an_older_segment_is_kept(void **state)
{
	struct rig rig;
	struct buf log = { 0 }, after = { 0 };
	char path[256], content[10000];

	(void)state;
	memset(content, 'c', sizeof(content) - 1);
	content[sizeof(content) - 1] = '\0';
	rig_init(&rig);
	rig.conf.segment_octets = 256 * 1024;
	rig_open(&rig);
	for (unsigned id = 1; id <= MESSAGES; id++)
		assert_int_equal(rig_commit(&rig, id, content, "envelope"), 0);
	assert_true(rig_count_segments(&rig) > 1);
	rig_close(&rig);
	rig_segment_path(&rig, 0, path);
	rig_slurp(path, &log);
	for (size_t at = log.len - 40; at < log.len; at++)
		put_octet(path, at, 0xA5);
	for (unsigned start = 0; start < 2; start++) {
		rig_open(&rig);
		assert_int_equal(rig.found_count, MESSAGES - 1);
		buf_put_char(&rig.damaged, '\0');
		assert_non_null(strstr((char *)rig.damaged.at, "are damaged"));
		assert_null(strstr((char *)rig.damaged.at, "cut off"));
		rig_close(&rig);
		buf_clear(&after);
		rig_slurp(path, &after);
		assert_int_equal(after.len, log.len);
	}
	buf_fini(&log);
	buf_fini(&after);
	rig_fini(&rig);
}

/* Records that stand in a message's content are not believed, even where the scan has lost its way. */
static void test_forged_records_are_not_believed(void **state)
{
	struct rig rig;
	struct buf forged = { 0 };
	struct record record = { .type = RECORD_SETTLE, .id = 1, .sequence = 99 };
	char path[256];

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	assert_int_equal(rig_commit(&rig, 1, "x", "E"), 0);
	record.payload_sum = record_payload_sum((struct span){ 0 }, 0);
	for (int i = 0; i < 8; i++) {
		record_encode(&record, 0, buf_room(&forged, 64));
		buf_grew(&forged, 64);
	}
	assert_int_equal(rig_write(&rig, SPOOL_COMMIT, 2, buf_span(&forged), span_text("F")), 0);
	rig_close(&rig);
	rig_segment_path(&rig, 0, path);
	/* The header of the content that holds them: behind two records of message 1. */
	put_octet(path, SEGMENT_RECORDS_AT + 2 * 72 + 3, 0);
	rig_open(&rig);
	assert_span_text(buf_span(&rig.found), "1 E  1/1\n");
	buf_fini(&forged);
	rig_fini(&rig);
}

static void seal_header(unsigned char header[64])
{
	uint64_t sum = XXH3_64bits(header, 56);

	for (int i = 0; i < 8; i++)
		header[56 + i] = (unsigned char)(sum >> 8 * i);
}

static void test_a_later_version_is_refused(void **state)
{
	struct rig rig;
	struct buf log = { 0 };
	struct fault fault = { 0 };
	char path[256];

	(void)state;
	make_log(&rig, path, &log);
	for (int copy = 0; copy < 2; copy++) {
		unsigned char *header = log.at + (copy ? SEGMENT_HEADER_AGAIN : 0);
		struct segment_header decoded;

		assert_int_equal(segment_header_decode(header, &decoded), 0);
		header[8] = 2;
		seal_header(header);
		assert_int_equal(segment_header_decode(header, &decoded), -ENOTSUP);
	}
	rig_spill(path, buf_span(&log));
	assert_null(spool_open(&rig.conf, &fault));
	assert_int_equal(fault.code, -ENOTSUP);
	assert_non_null(strstr(fault.text, "later version"));
	buf_fini(&log);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_truncated_anywhere),
		cmocka_unit_test(test_damaged_blocks),
		cmocka_unit_test(test_tail_is_cut_once),
		cmocka_unit_test(test_the_end_of_an_older_segment_is_kept),
		cmocka_unit_test(test_forged_records_are_not_believed),
		cmocka_unit_test(test_a_later_version_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

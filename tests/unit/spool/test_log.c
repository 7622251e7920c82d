#include "rig.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

static const struct span none;

static int setup(void **state)
{
	struct rig *rig = malloc(sizeof(*rig));

	rig_init(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	rig_fini(*state);
	free(*state);
	return 0;
}

static void assert_content(struct rig *rig, uint64_t id, const char *text)
{
	struct buf out = { 0 };

	assert_int_equal(rig_read(rig, id, &out), 0);
	assert_span_text(buf_span(&out), text);
	buf_fini(&out);
}

static void test_commit_is_found_again(void **state)
{
	struct rig *rig = *state;

	rig_open(rig);
	assert_int_equal(rig_commit(rig, 7, "hello", "env"), 0);
	assert_content(rig, 7, "hello");
	rig_close(rig);
	rig_open(rig);
	assert_span_text(buf_span(&rig->found), "7 env  1/5\n");
	assert_int_equal(rig->damaged_count, 0);
	assert_content(rig, 7, "hello");
}

static void test_chunks_join(void **state)
{
	struct rig *rig = *state;
	struct buf out = { 0 };

	rig_open(rig);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(rig_write(rig, SPOOL_CONTENT, 9, span_of(&"abcde"[i], 1), none),
				 0);
	assert_int_equal(rig_read(rig, 9, &out), 0);
	assert_span_text(buf_span(&out), "abcde");
	buf_clear(&out);
	assert_int_equal(rig_commit(rig, 9, "fgh", "E"), 0);
	assert_content(rig, 9, "abcdefgh");
	assert_int_equal(spool_read(rig->spool, 9, 6, &out, NULL), -ENODATA);
	rig_close(rig);
	rig_open(rig);
	assert_span_text(buf_span(&rig->found), "9 E  6/8\n");
	assert_content(rig, 9, "abcdefgh");
	buf_fini(&out);
}

static void test_empty_message(void **state)
{
	struct rig *rig = *state;

	rig_open(rig);
	assert_int_equal(rig_commit(rig, 3, "", "E"), 0);
	assert_content(rig, 3, "");
	rig_close(rig);
	rig_open(rig);
	assert_span_text(buf_span(&rig->found), "3 E  0/0\n");
}

static void test_latest_note_counts(void **state)
{
	struct rig *rig = *state;
	struct buf envelope = { 0 }, note = { 0 };

	rig_open(rig);
	assert_int_equal(rig_commit(rig, 1, "x", "E"), 0);
	assert_int_equal(spool_read_records(rig->spool, 1, &envelope, &note, NULL), 0);
	assert_span_text(buf_span(&envelope), "E");
	assert_int_equal(note.len, 0);
	assert_int_equal(rig_write(rig, SPOOL_NOTE, 1, none, span_text("first")), 0);
	assert_int_equal(rig_write(rig, SPOOL_NOTE, 1, none, span_text("second")), 0);
	assert_int_equal(spool_read_records(rig->spool, 1, NULL, &note, NULL), 0);
	assert_span_text(buf_span(&note), "second");
	assert_int_equal(rig_write(rig, SPOOL_NOTE, 2, none, span_text("nobody")), -ENOENT);
	rig_close(rig);
	rig_open(rig);
	assert_span_text(buf_span(&rig->found), "1 E second 1/1\n");
	buf_fini(&envelope);
	buf_fini(&note);
}

static void test_settled_is_gone(void **state)
{
	struct rig *rig = *state;
	struct buf out = { 0 };

	rig_open(rig);
	assert_int_equal(rig_commit(rig, 1, "x", "E1"), 0);
	assert_int_equal(rig_commit(rig, 2, "y", "E2"), 0);
	assert_int_equal(rig_settle(rig, 1), 0);
	assert_int_equal(rig_settle(rig, 1), 0);
	assert_int_equal(spool_read(rig->spool, 1, 0, &out, NULL), -ENOENT);
	rig_close(rig);
	rig_open(rig);
	assert_span_text(buf_span(&rig->found), "2 E2  1/1\n");
	buf_fini(&out);
}

static void test_lazy_goes_out(void **state)
{
	struct rig *rig = *state;
	struct rig_pending p = { .write = { .kind = SPOOL_SETTLE, .id = 1, .is_lazy = true } };

	rig_open(rig);
	assert_int_equal(rig_commit(rig, 1, "x", "E"), 0);
	rig_put(rig, &p);
	assert_int_equal(rig_wait(&p), 0);
	rig_close(rig);
	rig_open(rig);
	assert_int_equal(rig->found_count, 0);
}

static void test_close_writes_what_waits(void **state)
{
	struct rig *rig = *state;
	struct rig_pending p = { .write = { .kind = SPOOL_SETTLE, .id = 1, .is_lazy = true } };

	rig->conf.lazy_ms = 1000000;
	rig_open(rig);
	assert_int_equal(rig_commit(rig, 1, "x", "E"), 0);
	rig_put(rig, &p);
	rig_close(rig);
	assert_true(p.is_done);
	assert_int_equal(p.write.status, 0);
	rig_open(rig);
	assert_int_equal(rig->found_count, 0);
}

static void test_dropped_leaves_nothing(void **state)
{
	struct rig *rig = *state;

	rig_open(rig);
	assert_int_equal(rig_write(rig, SPOOL_CONTENT, 4, span_text("abc"), none), 0);
	assert_int_equal(rig_write(rig, SPOOL_DROP, 4, none, none), 0);
	rig_close(rig);
	rig_open(rig);
	assert_int_equal(rig->found_count + rig->damaged_count, 0);
	rig_await_segments(rig, 1);
}

static void test_misuse_is_refused(void **state)
{
	struct rig *rig = *state;
	static unsigned char big[SPOOL_CHUNK_MAX + 1];

	rig_open(rig);
	assert_int_equal(rig_commit(rig, 1, "x", "E"), 0);
	assert_int_equal(rig_commit(rig, 1, "x", "E"), -EINVAL);
	assert_int_equal(rig_write(rig, SPOOL_CONTENT, 1, span_text("y"), none), -EINVAL);
	assert_int_equal(rig_write(rig, SPOOL_DROP, 1, none, none), -EINVAL);
	assert_int_equal(rig_write(rig, SPOOL_CONTENT, 2, span_of(big, sizeof(big)), none),
			 -EMSGSIZE);
	assert_content(rig, 1, "x");
}

static void test_second_daemon_is_refused(void **state)
{
	struct rig *rig = *state;
	struct fault fault = { 0 };

	rig_open(rig);
	assert_null(spool_open(&rig->conf, &fault));
	assert_int_equal(fault.code, -EBUSY);
	assert_non_null(strstr(fault.text, rig->dir));
}

static void test_found_in_order_of_commit(void **state)
{
	struct rig *rig = *state;

	rig_open(rig);
	assert_int_equal(rig_commit(rig, 30, "a", "A"), 0);
	assert_int_equal(rig_commit(rig, 10, "b", "B"), 0);
	assert_int_equal(rig_commit(rig, 20, "c", "C"), 0);
	rig_close(rig);
	rig_open(rig);
	assert_span_text(buf_span(&rig->found), "30 A  1/1\n10 B  1/1\n20 C  1/1\n");
}

static int64_t wall_at_5(void)
{
	return 5;
}

static int64_t wall_at_3(void)
{
	return 3;
}

static void test_ids_grow_when_the_clock_goes_back(void **state)
{
	struct rig *rig = *state;
	uint64_t first, second;

	rig->conf.wall_ms = wall_at_5;
	rig_open(rig);
	first = spool_new_id(rig->spool);
	second = spool_new_id(rig->spool);
	assert_true(second > first);
	assert_int_equal(rig_commit(rig, second, "x", "E"), 0);
	assert_int_equal(rig_settle(rig, second), 0);
	rig_close(rig);
	rig->conf.wall_ms = wall_at_3;
	/* Once to remove the segment that held it, once to see that its id is still known. */
	for (int i = 0; i < 2; i++) {
		rig_open(rig);
		rig_await_segments(rig, 1);
		rig_close(rig);
	}
	rig_open(rig);
	assert_true(spool_new_id(rig->spool) > second);
}

enum { THREADS = 8, EACH = 200 };

struct writer {
	struct rig *rig;
	unsigned number;
	int failures;
};

static void *write_many(void *arg)
{
	struct writer *w = arg;

	for (unsigned i = 0; i < EACH; i++) {
		uint64_t id = 1 + w->number * EACH + i;
		struct buf out = { 0 };

		w->failures += rig_commit(w->rig, id, "some content", "envelope") != 0;
		w->failures += rig_read(w->rig, id, &out) != 0;
		w->failures += !span_eq(buf_span(&out), span_text("some content"));
		if (i % 4)
			w->failures += rig_settle(w->rig, id) != 0;
		buf_fini(&out);
	}
	return NULL;
}

static void test_many_threads_share_syncs(void **state)
{
	struct rig *rig = *state;
	pthread_t threads[THREADS];
	struct writer writers[THREADS];

	rig->conf.segment_octets = 16 * 1024;
	rig_open(rig);
	for (unsigned i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){ rig, i, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(writers[i].failures, 0);
	}
	assert_int_equal(counter_get(&rig->counters.spool_commits), THREADS * EACH);
	rig_close(rig);
	rig_open(rig);
	assert_int_equal(rig->found_count, THREADS * EACH / 4);
	assert_int_equal(rig->damaged_count, 0);
}

/* One live message at the very front must not keep all that is dead behind it. */
static void test_log_stays_short(void **state)
{
	struct rig *rig = *state;
	static unsigned char content[2000];
	unsigned most = 0;

	rig->conf.segment_octets = 32 * 1024;
	rig_open(rig);
	assert_int_equal(rig_commit(rig, 1, "live", "E"), 0);
	for (uint64_t id = 2; id < 300; id++) {
		unsigned segments;

		assert_int_equal(rig_write(rig, SPOOL_COMMIT, id, span_of(content, sizeof(content)),
					   span_text("e")),
				 0);
		assert_int_equal(rig_settle(rig, id), 0);
		segments = rig_count_segments(rig);
		most = segments > most ? segments : most;
	}
	assert_in_range(most, 1, 5);
	assert_content(rig, 1, "live");
	rig_close(rig);
	rig_open(rig);
	assert_span_text(buf_span(&rig->found), "1 E  1/4\n");
	assert_int_equal(rig->damaged_count, 0);
}

static void test_read_only_changes_nothing(void **state)
{
	struct rig *rig = *state;
	struct buf before = { 0 }, after = { 0 };
	char path[256];

	rig_open(rig);
	assert_int_equal(rig_commit(rig, 1, "x", "E"), 0);
	rig_segment_path(rig, 0, path);
	rig_slurp(path, &before);
	struct spool *writer = rig->spool;
	rig->conf.is_read_only = true;
	rig_open(rig);
	assert_span_text(buf_span(&rig->found), "1 E  1/1\n");
	assert_content(rig, 1, "x");
	rig_close(rig);
	rig_slurp(path, &after);
	assert_true(span_eq(buf_span(&before), buf_span(&after)));
	rig->spool = writer;
	buf_fini(&before);
	buf_fini(&after);
}

/* A limit on the size of files ends one segment, not the service. */
static void test_file_size_limit_begins_a_segment(void **state)
{
	static const char content[64 * 1024];
	struct rig *rig = *state;
	struct rlimit old, small;
	unsigned stored = 0, refused = 0;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 512 * 1024;
	rig_open(rig);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (uint64_t id = 1; id <= 24; id++) {
		int status = rig_write(rig, SPOOL_COMMIT, id, span_of(content, sizeof(content)),
				       span_text("E"));

		assert_true(status == 0 || status == -EFBIG);
		stored += status == 0;
		refused += status != 0;
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_in_range(refused, 1, 4);
	rig_close(rig);
	rig_open(rig);
	assert_int_equal(rig->found_count, stored);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
		T(commit_is_found_again),
		T(chunks_join),
		T(empty_message),
		T(latest_note_counts),
		T(settled_is_gone),
		T(lazy_goes_out),
		T(close_writes_what_waits),
		T(dropped_leaves_nothing),
		T(misuse_is_refused),
		T(second_daemon_is_refused),
		T(found_in_order_of_commit),
		T(ids_grow_when_the_clock_goes_back),
		T(many_threads_share_syncs),
		T(log_stays_short),
		T(read_only_changes_nothing),
		T(file_size_limit_begins_a_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "test.h"

#include "../../sim/disk.h"
#include "committer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A spool on a simulated disk, stepped by hand. */
struct rig {
	struct sim_disk disk;
	struct spool_disk calls;
	struct spool *spool;
	struct counters counters;
	int64_t now_ms;
	unsigned found;
};

static unsigned done_count;

static void note_done(void *home, struct work *work)
{
	(void)home;
	(void)work;
	done_count++;
}

static void note_found(void *user, const struct spool_found *found)
{
	struct rig *rig = user;

	(void)found;
	rig->found++;
}

static void open_rig(struct rig *rig)
{
	struct spool_conf conf = {
		.dir = "sim",
		.disk = &rig->calls,
		.segment_octets = 64 * 1024,
		.reserve_octets = 4096,
		.post = note_done,
		.found = note_found,
		.counters = &rig->counters,
		.user = rig,
	};
	struct fault fault = { 0 };

	rig->calls = sim_disk_calls(&rig->disk);
	rig->found = 0;
	rig->spool = spool_open_idle(&conf, &fault);
	if (rig->spool == NULL)
		fail_msg("%s", fault.text);
	committer_step(rig->spool, rig->now_ms);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	sim_disk_init(&rig->disk, 1);
	open_rig(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	spool_close(&rig->spool);
	sim_disk_fini(&rig->disk);
	free(rig);
	return 0;
}

static int put(struct rig *rig, struct spool_write *w, enum spool_write_kind kind, uint64_t id)
{
	static unsigned char octets[8192];
	unsigned before = done_count;

	*w = (struct spool_write){ .kind = kind, .id = id };
	if (kind == SPOOL_CONTENT || kind == SPOOL_COMMIT)
		w->content = span_of(octets, sizeof(octets));
	if (kind == SPOOL_COMMIT || kind == SPOOL_NOTE)
		w->record = span_text("record");
	spool_put(rig->spool, w);
	for (int i = 0; i < 4; i++)
		committer_step(rig->spool, rig->now_ms);
	assert_int_equal(done_count, before + 1);
	return w->status;
}

static int do_write(struct rig *rig, enum spool_write_kind kind, uint64_t id)
{
	struct spool_write w;

	return put(rig, &w, kind, id);
}

/* The next `count` calls fail. */
static void fail_next(struct rig *rig, enum sim_fault fault, unsigned long skip,
		      unsigned long count)
{
	rig->disk.fault = fault;
	rig->disk.fault_at = rig->disk.calls + 1 + skip;
	rig->disk.fault_calls = count;
}

static void test_failed_sync_fails_the_batch(void **state)
{
	struct rig *rig = *state;
	struct spool_write w;

	assert_int_equal(do_write(rig, SPOOL_CONTENT, 5), 0);
	fail_next(rig, SIM_EIO, 1, 1);
	assert_int_equal(put(rig, &w, SPOOL_COMMIT, 1), -EIO);
	assert_string_equal(w.fault.text,
			    "syncing sim/seg-0000000000000001.log: Input/output error");
	assert_int_equal(counter_get(&rig->counters.spool_failures), 1);
	assert_true(spool_may_accept(rig->spool, NULL));
	/* Its content stood unsynced in that segment. */
	assert_int_equal(put(rig, &w, SPOOL_COMMIT, 5), -EIO);
	assert_non_null(strstr(w.fault.text, "0000000000005"));
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 2), 0);
	assert_int_equal(rig->disk.broken_rules, 0);
	spool_close(&rig->spool);
	sim_disk_restart(&rig->disk, SIM_CUT_NONE);
	open_rig(rig);
	assert_int_equal(rig->found, 1);
}

static void test_synced_content_survives_a_failed_sync(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(do_write(rig, SPOOL_CONTENT, 5), 0);
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 1), 0);
	fail_next(rig, SIM_EIO, 1, 1);
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 2), -EIO);
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 5), 0);
	spool_close(&rig->spool);
	sim_disk_restart(&rig->disk, SIM_CUT_NONE);
	open_rig(rig);
	assert_int_equal(rig->found, 2);
}

static void test_chunk_after_a_lost_chunk_is_refused(void **state)
{
	struct rig *rig = *state;

	fail_next(rig, SIM_ENOSPC, 0, 1);
	assert_int_equal(do_write(rig, SPOOL_CONTENT, 5), -ENOSPC);
	assert_int_equal(do_write(rig, SPOOL_CONTENT, 5), -EIO);
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 5), -EIO);
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 6), 0);
}

static void test_short_writes_are_carried_on(void **state)
{
	struct rig *rig = *state;
	struct buf out = { 0 };

	/* Each call writes some of what it is given. */
	fail_next(rig, SIM_SHORT, 0, 2);
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 1), 0);
	assert_int_equal(spool_read(rig->spool, 1, 0, &out, NULL), 0);
	assert_int_equal(out.len, 8192);
	buf_fini(&out);
}

static void test_no_segment_can_be_opened(void **state)
{
	struct rig *rig = *state;
	struct fault why = { 0 };

	fail_next(rig, SIM_EIO, 0, 1000);
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 1), -EIO);
	assert_false(spool_may_accept(rig->spool, &why));
	assert_int_equal(why.code, -EIO);
	assert_non_null(strstr(why.text, "opening the new segment sim/seg-"));
	rig->disk.fault_at = 0;
	/* Not before the pause is over. */
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 2), -EIO);
	rig->now_ms += 1000;
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 3), 0);
	assert_true(spool_may_accept(rig->spool, NULL));
}

static void test_recovers_without_a_write(void **state)
{
	struct rig *rig = *state;

	fail_next(rig, SIM_EIO, 0, 1000);
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 1), -EIO);
	rig->disk.fault_at = 0;
	rig->now_ms += 1000;
	committer_step(rig->spool, rig->now_ms);
	assert_true(spool_may_accept(rig->spool, NULL));
}

/* Commits until there is no room. Returns how many were taken. */
static unsigned fill_disk(struct rig *rig)
{
	struct spool_write w;
	unsigned n = 0;

	while (put(rig, &w, SPOOL_COMMIT, n + 1) == 0)
		assert_true(++n < 1000);
	assert_int_equal(w.status, -ENOSPC);
	return n;
}

static void test_full_disk_takes_outcomes_and_resumes(void **state)
{
	struct rig *rig = *state;
	struct fault why = { 0 };
	unsigned n;

	rig->disk.capacity = 700 * 1024;
	n = fill_disk(rig);
	assert_true(n > 10);
	assert_false(spool_may_accept(rig->spool, &why));
	assert_int_equal(why.code, -ENOSPC);
	/* Not an octet is free. */
	rig->disk.capacity = sim_disk_used(&rig->disk);
	assert_int_equal(do_write(rig, SPOOL_NOTE, 1), 0);
	for (unsigned id = 1; id <= n; id++)
		assert_int_equal(do_write(rig, SPOOL_SETTLE, id), 0);
	for (int i = 0; i < 100; i++)
		committer_step(rig->spool, rig->now_ms += 100);
	assert_true(sim_disk_used(&rig->disk) < 450 * 1024);
	assert_true(spool_may_accept(rig->spool, NULL));
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 5000), 0);
	spool_close(&rig->spool);
	rig->disk.capacity = 0;
	sim_disk_restart(&rig->disk, SIM_CUT_NONE);
	open_rig(rig);
	assert_int_equal(rig->found, 1);
}

static void test_low_space_is_noticed_within_a_second(void **state)
{
	struct rig *rig = *state;
	struct fault why = { 0 };

	rig->disk.capacity = sim_disk_used(&rig->disk) + 4000;
	assert_true(spool_may_accept(rig->spool, NULL));
	committer_step(rig->spool, rig->now_ms += 1000);
	assert_false(spool_may_accept(rig->spool, &why));
	assert_string_equal(why.text, "sim: 4000 octets are free, 4096 are kept in reserve");
	rig->disk.capacity = 0;
	committer_step(rig->spool, rig->now_ms += 1000);
	assert_true(spool_may_accept(rig->spool, NULL));
}

static void test_one_sync_for_all_that_wait(void **state)
{
	struct rig *rig = *state;
	static struct spool_write w[3000];
	uint64_t before = counter_get(&rig->counters.spool_syncs);

	done_count = 0;
	for (unsigned i = 0; i < 3000; i++) {
		w[i] = (struct spool_write){ .kind = SPOOL_COMMIT,
					     .id = i + 1,
					     .content = span_text("abc"),
					     .record = span_text("envelope") };
		spool_put(rig->spool, &w[i]);
	}
	committer_step(rig->spool, rig->now_ms);
	assert_int_equal(done_count, 3000);
	for (unsigned i = 0; i < 3000; i++)
		assert_int_equal(w[i].status, 0);
	assert_int_equal(counter_get(&rig->counters.spool_syncs), before + 1);
}

static void test_lazy_writes_wait_for_company(void **state)
{
	struct rig *rig = *state;
	struct spool_write lazy = { .kind = SPOOL_SETTLE, .id = 1, .is_lazy = true };

	assert_int_equal(do_write(rig, SPOOL_COMMIT, 1), 0);
	done_count = 0;
	spool_put(rig->spool, &lazy);
	committer_step(rig->spool, rig->now_ms);
	committer_step(rig->spool, rig->now_ms + 49);
	assert_int_equal(done_count, 0);
	committer_step(rig->spool, rig->now_ms + 50);
	assert_int_equal(done_count, 1);
	/* With company it goes at once. */
	assert_int_equal(do_write(rig, SPOOL_COMMIT, 2), 0);
	lazy = (struct spool_write){ .kind = SPOOL_SETTLE, .id = 2, .is_lazy = true };
	done_count = 0;
	spool_put(rig->spool, &lazy);
	committer_step(rig->spool, rig->now_ms);
	assert_int_equal(done_count, 0);
	struct spool_write urgent = { .kind = SPOOL_COMMIT, .id = 3, .record = span_text("E") };
	spool_put(rig->spool, &urgent);
	committer_step(rig->spool, rig->now_ms);
	assert_int_equal(done_count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
		T(failed_sync_fails_the_batch),
		T(synced_content_survives_a_failed_sync),
		T(chunk_after_a_lost_chunk_is_refused),
		T(short_writes_are_carried_on),
		T(no_segment_can_be_opened),
		T(recovers_without_a_write),
		T(full_disk_takes_outcomes_and_resumes),
		T(low_space_is_noticed_within_a_second),
		T(one_sync_for_all_that_wait),
		T(lazy_writes_wait_for_company),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "sim_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void test_failed_sync_fails_the_batch(void **state)
{
	struct sim_rig *rig = *state;
	struct spool_write w;

	assert_int_equal(sim_rig_do(rig, SPOOL_CONTENT, 5), 0);
	sim_rig_fail(rig, SIM_EIO, 1, 1);
	assert_int_equal(sim_rig_put(rig, &w, SPOOL_COMMIT, 1), -EIO);
	assert_string_equal(w.fault.text,
			    "syncing sim/seg-0000000000000001.log: Input/output error");
	assert_int_equal(counter_get(&rig->counters.spool_failures), 1);
	assert_true(spool_may_accept(rig->spool, NULL));
	/* Its content stood unsynced in that segment. */
	assert_int_equal(sim_rig_put(rig, &w, SPOOL_COMMIT, 5), -EIO);
	assert_non_null(strstr(w.fault.text, "0000000000005"));
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 2), 0);
	assert_int_equal(rig->disk.broken_rules, 0);
	sim_rig_restart(rig, SIM_CUT_NONE);
	assert_int_equal(rig->found, 1);
}

static void test_synced_content_survives_a_failed_sync(void **state)
{
	struct sim_rig *rig = *state;

	assert_int_equal(sim_rig_do(rig, SPOOL_CONTENT, 5), 0);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), 0);
	sim_rig_fail(rig, SIM_EIO, 1, 1);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 2), -EIO);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 5), 0);
	sim_rig_restart(rig, SIM_CUT_NONE);
	assert_int_equal(rig->found, 2);
}

static void test_chunk_after_a_lost_chunk_is_refused(void **state)
{
	struct sim_rig *rig = *state;

	sim_rig_fail(rig, SIM_ENOSPC, 0, 1);
	assert_int_equal(sim_rig_do(rig, SPOOL_CONTENT, 5), -ENOSPC);
	assert_int_equal(sim_rig_do(rig, SPOOL_CONTENT, 5), -EIO);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 5), -EIO);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 6), 0);
}

static void test_short_writes_are_carried_on(void **state)
{
	struct sim_rig *rig = *state;
	struct buf out = { 0 };

	/* Each call writes some of what it is given. */
	sim_rig_fail(rig, SIM_SHORT, 0, 2);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), 0);
	assert_int_equal(spool_read(rig->spool, 1, 0, &out, NULL), 0);
	assert_int_equal(out.len, 8192);
	buf_fini(&out);
}

static void test_no_segment_can_be_opened(void **state)
{
	struct sim_rig *rig = *state;
	struct fault why = { 0 };

	sim_rig_fail(rig, SIM_EIO, 0, 1000);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), -EIO);
	assert_false(spool_may_accept(rig->spool, &why));
	assert_int_equal(why.code, -EIO);
	assert_non_null(strstr(why.text, "opening the new segment sim/seg-"));
	rig->disk.fault_at = 0;
	/* Not before the pause is over. */
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 2), -EIO);
	rig->now_ms += 1000;
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 3), 0);
	assert_true(spool_may_accept(rig->spool, NULL));
}

static void test_recovers_without_a_write(void **state)
{
	struct sim_rig *rig = *state;

	sim_rig_fail(rig, SIM_EIO, 0, 1000);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), -EIO);
	rig->disk.fault_at = 0;
	rig->now_ms += 1000;
	committer_step(rig->spool, rig->now_ms);
	assert_true(spool_may_accept(rig->spool, NULL));
}

/* Commits until there is no room. Returns how many were taken. */
static unsigned fill_disk(struct sim_rig *rig)
{
	struct spool_write w;
	unsigned n = 0;

	while (sim_rig_put(rig, &w, SPOOL_COMMIT, n + 1) == 0)
		assert_true(++n < 1000);
	assert_int_equal(w.status, -ENOSPC);
	return n;
}

static void test_full_disk_takes_outcomes_and_resumes(void **state)
{
	struct sim_rig *rig = *state;
	struct fault why = { 0 };
	unsigned n;

	rig->disk.capacity = 700 * 1024;
	n = fill_disk(rig);
	assert_true(n > 10);
	assert_false(spool_may_accept(rig->spool, &why));
	assert_int_equal(why.code, -ENOSPC);
	/* Not an octet is free. */
	rig->disk.capacity = sim_disk_used(&rig->disk);
	assert_int_equal(sim_rig_do(rig, SPOOL_NOTE, 1), 0);
	for (unsigned id = 1; id <= n; id++)
		assert_int_equal(sim_rig_do(rig, SPOOL_SETTLE, id), 0);
	for (int i = 0; i < 100; i++)
		committer_step(rig->spool, rig->now_ms += 100);
	assert_true(sim_disk_used(&rig->disk) < 450 * 1024);
	assert_true(spool_may_accept(rig->spool, NULL));
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 5000), 0);
	rig->disk.capacity = 0;
	sim_rig_restart(rig, SIM_CUT_NONE);
	assert_int_equal(rig->found, 1);
}

static void test_low_space_is_noticed_within_a_second(void **state)
{
	struct sim_rig *rig = *state;
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
	struct sim_rig *rig = *state;
	static struct spool_write w[3000];
	uint64_t syncs = counter_get(&rig->counters.spool_syncs);
	unsigned before;

	before = sim_rig_done();
	for (unsigned i = 0; i < 3000; i++) {
		w[i] = (struct spool_write){ .kind = SPOOL_COMMIT,
					     .id = i + 1,
					     .content = span_text("abc"),
					     .record = span_text("envelope") };
		spool_put(rig->spool, &w[i]);
	}
	committer_step(rig->spool, rig->now_ms);
	assert_int_equal(sim_rig_done(), before + 3000);
	for (unsigned i = 0; i < 3000; i++)
		assert_int_equal(w[i].status, 0);
	assert_int_equal(counter_get(&rig->counters.spool_syncs), syncs + 1);
}

static void test_lazy_writes_wait_for_company(void **state)
{
	struct sim_rig *rig = *state;
	struct spool_write lazy = { .kind = SPOOL_SETTLE, .id = 1, .is_lazy = true };
	unsigned before;

	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), 0);
	before = sim_rig_done();
	spool_put(rig->spool, &lazy);
	committer_step(rig->spool, rig->now_ms);
	committer_step(rig->spool, rig->now_ms + 49);
	assert_int_equal(sim_rig_done(), before);
	committer_step(rig->spool, rig->now_ms + 50);
	assert_int_equal(sim_rig_done(), before + 1);
	/* With company it goes at once. */
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 2), 0);
	lazy = (struct spool_write){ .kind = SPOOL_SETTLE, .id = 2, .is_lazy = true };
	before = sim_rig_done();
	spool_put(rig->spool, &lazy);
	committer_step(rig->spool, rig->now_ms);
	assert_int_equal(sim_rig_done(), before);
	struct spool_write urgent = { .kind = SPOOL_COMMIT, .id = 3, .record = span_text("E") };
	spool_put(rig->spool, &urgent);
	committer_step(rig->spool, rig->now_ms);
	assert_int_equal(sim_rig_done(), before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, sim_rig_setup, sim_rig_teardown)
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

/* spool.c: the spool on a disk that loses power, fails and fills up, at each single call.
 *
 * sim-spool [ROUNDS [SEED]]: so many rounds, each with a workload of its own; the same seed does the
 * same again. Without ROUNDS a short run. Each round also has one long mixed life, cut at every call.
 * sim-spool --cut SEED CALL: one of these cuts alone.
 */
#include "model.h"

#include "committer.h"
#include "mixed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MIXED_MESSAGES = 500,
	WORKS_SHORT = 60,
	WORKS_LONG = 1000,
	WORKS_AFTER = 12,
	ROUNDS = 3,
	CALLS_A_ROUND = 250
};

/* One life of a spool, what befalls it, and how it ends. */
struct plan {
	uint64_t seed;
	unsigned works;
	unsigned long cut_at, fault_at, fault_calls;
	enum sim_fault fault;
	enum sim_end end;
	bool is_lying, is_quiet;
	uint64_t capacity;
};

struct totals {
	unsigned long scenarios, calls, commits, refusals, found, failures;
};

static unsigned long live(struct model *m, unsigned works)
{
	unsigned long calls;

	for (unsigned i = 0; i < works && !m->disk->is_dead; i++)
		model_work(m);
	calls = m->disk->calls;
	model_close(m);
	return calls;
}

/* A recovery that the power, or the disk, does not let come to its end: nothing may be lost by it. */
static void recover_in_vain(struct model *m)
{
	unsigned long at = 1 + (unsigned long)(sim_random(&m->random) % 60);

	if (sim_random(&m->random) % 2) {
		m->disk->cut_at = at;
	} else {
		m->disk->fault_at = at;
		m->disk->fault_calls = 1 + (unsigned long)(sim_random(&m->random) % 3);
		m->disk->fault = SIM_EIO;
	}
	m->is_blind = true;
	if (model_open(m)) {
		for (int i = 0; i < 20; i++)
			committer_step(m->spool, m->now_ms += 300);
		model_close(m);
	}
	m->is_blind = false;
}

/* Ends with an open spool. */
static void recover(struct model *m, enum sim_end end)
{
	m->was_killed = end == SIM_KILL;
	sim_disk_restart(m->disk, end);
	for (unsigned tries = (unsigned)(sim_random(&m->random) % 3); tries; tries--) {
		recover_in_vain(m);
		sim_disk_restart(m->disk, end);
	}
	if (!model_open(m)) {
		m->failures++;
		fprintf(stderr, "seed %" PRIu64 ": does not open after a restart\n", m->seed);
	}
}

/* A life with its misfortune, a shorter one after it, and a look at what is left. Returns how many disk
 * calls the first life made. */
static unsigned long run(const struct plan *plan, struct totals *totals)
{
	struct sim_disk disk;
	struct model m;
	unsigned long calls = 0;

	sim_disk_init(&disk, plan->seed);
	model_init(&m, &disk, plan->seed);
	disk.cut_at = plan->cut_at;
	disk.fault_at = plan->fault_at;
	disk.fault_calls = plan->fault_calls;
	disk.fault = plan->fault;
	disk.is_lying = plan->is_lying;
	disk.capacity = plan->capacity;
	m.has_faults = plan->fault != SIM_NO_FAULT || plan->capacity;
	m.is_quiet = plan->is_quiet;
	if (model_open(&m))
		calls = live(&m, plan->works);
	disk.capacity = 0;
	recover(&m, plan->end);
	m.has_faults = false;
	if (m.spool) {
		disk.cut_at = disk.calls + 1 + (unsigned long)(sim_random(&m.random) % 60);
		live(&m, WORKS_AFTER);
		recover(&m, SIM_CUT_SOME);
		model_close(&m);
	}
	totals->scenarios++;
	totals->calls += calls;
	totals->commits += m.commits;
	totals->refusals += m.refusals;
	totals->found += m.found;
	totals->failures += m.failures + disk.broken_rules;
	if (disk.broken_rules)
		fprintf(stderr, "seed %" PRIu64 ": a file was used after a failed sync\n", m.seed);
	if ((m.failures || disk.broken_rules) && !plan->is_quiet)
		fprintf(stderr, "  (cut at %lu, fault %d at %lu for %lu, end %d)\n", plan->cut_at,
			(int)plan->fault, plan->fault_at, plan->fault_calls, (int)plan->end);
	model_fini(&m);
	sim_disk_fini(&disk);
	return calls;
}

static void cut_everywhere(struct plan plan, unsigned long calls, unsigned long step,
			   struct totals *totals)
{

	for (plan.cut_at = 1; plan.cut_at <= calls; plan.cut_at += step) {
		plan.end = (enum sim_end)(plan.cut_at / step % SIM_ENDS);
		run(&plan, totals);
		plan.end = SIM_CUT_SOME;
		run(&plan, totals);
	}
}

static void fail_everywhere(struct plan plan, unsigned long calls, unsigned long step,
			    struct totals *totals)
{
	unsigned long n = 0;

	for (plan.fault_at = 1; plan.fault_at <= calls; plan.fault_at += step, n++) {
		for (int fault = SIM_EIO; fault < SIM_FAULTS; fault++) {
			plan.fault = (enum sim_fault)fault;
			plan.fault_calls = 1 + (n + (unsigned)fault) % 3 * 4;
			plan.end = (enum sim_end)(n % SIM_ENDS);
			/* Where not even the cut after a failed sync succeeds, a kill leaves a cache
			 * that cannot be told from what is stored. */
			if (plan.end == SIM_KILL && plan.fault_calls > 1)
				plan.end = SIM_CUT_SOME;
			run(&plan, totals);
		}
	}
}

static void fill_up(struct plan plan, struct totals *totals)
{
	plan.works *= 2;
	plan.end = SIM_CUT_SOME;
	for (plan.capacity = 8 * 1024; plan.capacity < 512 * 1024; plan.capacity += 29 * 1024)
		run(&plan, totals);
}

/* In the long mode each call of a long life, otherwise some hundred calls of a short one. */
static void round_of(uint64_t seed, bool is_long, struct totals *totals)
{
	struct plan plan = { .seed = seed, .works = is_long ? WORKS_LONG : WORKS_SHORT };
	unsigned long calls = run(&plan, totals), step;

	step = is_long ? 1 : 1 + calls / CALLS_A_ROUND;
	cut_everywhere(plan, calls, step, totals);
	fail_everywhere(plan, calls, step, totals);
	fill_up(plan, totals);
}

/* A disk that says "synced" and is not: if that goes unnoticed, the checks are worth nothing. */
static bool notices_a_lying_disk(uint64_t seed)
{
	struct totals totals = { 0 };
	struct plan plan = { .seed = seed, .is_lying = true, .is_quiet = true };

	plan.works = WORKS_SHORT;
	plan.end = SIM_CUT_SOME;
	run(&plan, &totals);
	return totals.failures > 0;
}

static unsigned long run_mixed(uint64_t seed, unsigned messages, unsigned long only_at)
{
	struct mixed_totals totals = { 0 };

	mixed_run(seed, messages, only_at, &totals);
	printf("mixed life of seed %" PRIu64
	       ": %lu disk calls, %lu cuts, %lu messages answered for, "
	       "%lu spoilt, %lu repairs: %lu failures\n",
	       seed, totals.calls, totals.cuts, totals.commits, totals.spoilt, totals.repairs,
	       totals.failures);
	return totals.failures;
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 20200;
	struct totals totals = { 0 };
	bool is_honest;

	if (argc == 4 && strcmp(argv[1], "--cut") == 0)
		return run_mixed(strtoull(argv[2], NULL, 10), MIXED_MESSAGES,
				 strtoul(argv[3], NULL, 10)) != 0;
	printf("%lu rounds from seed %" PRIu64 "\n", rounds, seed);
	is_honest = notices_a_lying_disk(seed);
	for (unsigned long i = 0; i < rounds; i++)
		round_of(seed + i, argc > 1, &totals);
	for (unsigned long i = 0; i < (argc > 1 ? rounds : 1); i++)
		totals.failures += run_mixed(seed + i, MIXED_MESSAGES, 0);
	printf("%lu scenarios, %lu disk calls, %lu messages answered for, %lu refusals, %lu found: "
	       "%lu failures\n",
	       totals.scenarios, totals.calls, totals.commits, totals.refusals, totals.found,
	       totals.failures);
	if (!is_honest)
		printf("a disk that never syncs went unnoticed\n");
	return totals.failures || !is_honest ? 1 : 0;
}

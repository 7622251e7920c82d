#include "mixed.h"

#include "model.h"

#include "committer.h"
#include "spool/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKS_AFTER = 15, CHILDREN = 2, LARGE_OCTETS = 20000 };

/* A fork of a sanitized process is slow; the plain one does them all. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CUT_EVERY = 29 };
#else
enum { CUT_EVERY = 1 };
#endif

/* What children add up, in shared memory. */
struct shared {
	_Atomic unsigned long commits, repairs, spoilt, failures;
};

struct mixed {
	struct sim_disk disk;
	struct model model;
	struct shared *shared;
	unsigned long only_at;
	unsigned long cut_at; /* in a child: where */
	unsigned children;
};

static void await_child(struct mixed *x)
{
	int status = 0;

	if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		x->shared->failures++;
	x->children--;
}

static void begin_branch(struct mixed *x)
{
	struct sim_disk *disk = &x->disk;

	disk->at_call = NULL;
	disk->cut_at = x->cut_at = disk->calls;
	x->model.random ^= disk->calls * 0x9E3779B97F4A7C15u;
	disk->random ^= disk->calls * 0xD1B54A32D192ED03u;
	x->model.commits = x->model.failures = 0;
}

/* Before each call of the one life: a child, in which this call is the last. */
static void branch(struct sim_disk *disk)
{
	struct mixed *x = disk->user;
	pid_t pid;

	if (x->only_at && disk->calls == x->only_at)
		begin_branch(x);
	if (x->only_at || disk->calls % CUT_EVERY)
		return;
	if (x->children == CHILDREN)
		await_child(x);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid > 0) {
		x->children++;
		return;
	}
	begin_branch(x);
}

static unsigned pick(struct mixed *x, unsigned n)
{
	return (unsigned)(sim_random(&x->model.random) % n);
}

static void note_hurt(void *user, const struct spool_check_damage *damage)
{
	struct mixed *x = user;

	model_hurt(&x->model, damage->id);
}

static int64_t wall_ms(void)
{
	return 0;
}

static int look(struct mixed *x, bool is_repair, struct spool_check_totals *totals)
{
	struct spool_disk calls = sim_disk_calls(&x->disk);
	struct spool_check check = {
		.dir = "sim",
		.disk = &calls,
		.damage = note_hurt,
		.user = x,
		.wall_ms = wall_ms,
	};
	struct fault fault = { 0 };
	int status = (is_repair ? spool_repair : spool_check)(&check, totals, &fault);

	if (status < 0 && !x->disk.is_dead) {
		fprintf(stderr, "%s: %s\n", is_repair ? "repair" : "check", fault.text);
		x->model.failures++;
	}
	return status;
}

/* One octet of one record's payload: whose it is can then be told from its header. */
static void spoil_something(struct mixed *x)
{
	const char *name = NULL, *next;
	struct spool_check_totals totals;
	unsigned seen = 0;
	struct span octets;
	unsigned char octet;
	uint64_t at, begin;
	size_t i = 0;

	while ((next = sim_disk_name(&x->disk, "sim", &i)) != NULL)
		if (strncmp(next, "seg-", 4) == 0 && pick(x, ++seen) == 0)
			name = next;
	octets = name ? sim_disk_file(&x->disk, "sim", name) : (struct span){ 0 };
	if (octets.len < 6000)
		return;
	begin = 4160 + pick(x, (unsigned)octets.len - 5000);
	for (at = begin; at + 65 < octets.len && memcmp(octets.at + at, "PSTR", 4) != 0; at++)
		;
	if (at + 65 >= octets.len || octets.at[at + 8] == 0)
		return;
	octet = octets.at[at + 64] ^ 0x10;
	sim_disk_spoil(&x->disk, "sim", name, at + 64, span_of(&octet, 1));
	x->shared->spoilt++;
	look(x, false, &totals);
}

/* Its power may go as well; then once more. */
static void repair(struct mixed *x)
{
	struct spool_check_totals totals;

	x->shared->repairs++;
	if (pick(x, 2)) {
		x->disk.cut_at = x->disk.calls + 1 + pick(x, 80);
		look(x, true, &totals);
		sim_disk_restart(&x->disk, SIM_CUT_SOME);
	}
	if (look(x, true, &totals) == 0 && look(x, false, &totals) == 0 &&
	    !spool_check_is_clean(&totals)) {
		fprintf(stderr, "not clean after a repair\n");
		x->model.failures++;
	}
}

static void go_on(struct mixed *x)
{
	struct model *m = &x->model;
	enum sim_end end = (enum sim_end)(SIM_CUT_ALL + pick(x, 3));

	for (unsigned lives = 0; lives < 2; lives++) {
		m->was_killed = false;
		sim_disk_restart(&x->disk, end);
		if (lives == 0 && pick(x, 3) == 0)
			spoil_something(x);
		if (lives == 0 && pick(x, 2))
			repair(x);
		if (!model_open(m)) {
			fprintf(stderr, "does not open\n");
			m->failures++;
			return;
		}
		x->disk.cut_at = x->disk.calls + 1 + pick(x, 80);
		for (unsigned i = 0; i < WORKS_AFTER && !x->disk.is_dead; i++)
			model_work(m);
		model_close(m);
		end = SIM_CUT_SOME;
	}
	sim_disk_restart(&x->disk, SIM_CUT_SOME);
	if (model_open(m))
		model_close(m);
}

static void end_branch(struct mixed *x)
{
	go_on(x);
	x->shared->commits += x->model.commits;
	if (x->model.failures || x->disk.broken_rules) {
		fprintf(stderr, "  (sim-spool --cut %" PRIu64 " %lu)\n", x->model.seed, x->cut_at);
		x->shared->failures++;
	}
}

void mixed_run(uint64_t seed, unsigned messages, unsigned long only_at, struct mixed_totals *totals)
{
	struct mixed x = { .only_at = only_at };
	struct model *m = &x.model;

	x.shared = mmap(NULL, sizeof(*x.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (x.shared == MAP_FAILED)
		exit(2);
	fflush(NULL);
	sim_disk_init(&x.disk, seed);
	x.disk.at_call = branch;
	x.disk.user = &x;
	model_init(m, &x.disk, seed);
	m->gives_up = true;
	m->max_octets = LARGE_OCTETS;
	if (model_open(m)) {
		while (m->commits < messages && !x.disk.is_dead)
			model_work(m);
		model_close(m);
	}
	x.disk.at_call = NULL;
	if (x.cut_at)
		end_branch(&x);
	if (x.cut_at && !only_at)
		_exit(0);
	while (x.children)
		await_child(&x);
	totals->calls += x.disk.calls;
	totals->cuts += only_at ? 1 : x.disk.calls / CUT_EVERY;
	totals->commits += x.shared->commits + m->commits;
	totals->repairs += x.shared->repairs;
	totals->spoilt += x.shared->spoilt;
	totals->failures += x.shared->failures + (x.cut_at ? 0 : m->failures);
	model_fini(m);
	sim_disk_fini(&x.disk);
	munmap(x.shared, sizeof(*x.shared));
}

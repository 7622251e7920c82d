/* A spool's clients and its committer in virtual time: when a sync waits for more to share it. */
#include "gather.h"

#include "../test.h"

enum { CLIENTS_MOST = 400 };

struct crowd {
	const char *name;
	unsigned clients;
	int64_t think_us; /* each, between an answer and its next write */
	int64_t serve_us; /* the processor's, for each write, one after another */
	int64_t sync_us;  /* the disk's */
	int64_t pause_us; /* > 0: they come by themselves, at such distances, and wait for no answer */
	double least_batch; /* on average */
	double most_slower; /* than without a wait: how long a write waits for its answer, in all */
};

struct run {
	const struct crowd *crowd;
	int64_t next_us[CLIENTS_MOST]; /* when each writes; INT64_MAX: it waits for an answer */
	int64_t since_us[CLIENTS_MOST];
	bool is_waiting[CLIENTS_MOST];
	int64_t now_us, served_us, waited_us;
	size_t waiting, writes, syncs;
};

/* Until `until`, or until as many wait. */
static void pass(struct run *r, int64_t until, size_t goal)
{
	for (;;) {
		unsigned first = 0;

		for (unsigned i = 1; i < r->crowd->clients; i++)
			if (r->next_us[i] < r->next_us[first])
				first = i;
		if (r->waiting >= goal || r->next_us[first] > until)
			break;
		r->now_us = r->next_us[first];
		r->since_us[first] = r->now_us;
		r->is_waiting[first] = true;
		r->next_us[first] = INT64_MAX;
		r->waiting++;
	}
	if (r->waiting < goal && r->now_us < until)
		r->now_us = until;
}

static void answer(struct run *r, const bool *is_in)
{
	for (unsigned i = 0; i < r->crowd->clients; i++) {
		if (!is_in[i])
			continue;
		r->writes++;
		r->waited_us += r->now_us - r->since_us[i];
		if (r->crowd->pause_us) {
			r->next_us[i] = r->since_us[i] + r->crowd->pause_us * r->crowd->clients;
			if (r->next_us[i] < r->now_us)
				r->next_us[i] = r->now_us;
			continue;
		}
		if (r->served_us < r->now_us)
			r->served_us = r->now_us;
		r->served_us += r->crowd->serve_us;
		r->next_us[i] = r->served_us + r->crowd->think_us;
	}
}

static void sync_batch(struct run *r)
{
	bool is_in[CLIENTS_MOST];

	memcpy(is_in, r->is_waiting, sizeof(is_in));
	memset(r->is_waiting, 0, sizeof(r->is_waiting));
	r->waiting = 0;
	r->syncs++;
	pass(r, r->now_us + r->crowd->sync_us, SIZE_MAX);
	answer(r, is_in);
}

static void wait_for_more(struct run *r, struct gather *g)
{
	const int64_t slice = GATHER_MOST_US / GATHER_SLICES;
	bool pays = true;

	if (!gather_begins(g, r->now_us, r->waiting, GATHER_MOST_US))
		return;
	for (int i = 0; pays && i < GATHER_SLICES && r->waiting < GATHER_GOAL; i++) {
		size_t before = r->waiting;

		pass(r, r->now_us + slice, GATHER_GOAL);
		pays = gather_pays(g, slice, before, r->waiting);
	}
	gather_ended(g, pays);
}

static struct run run(const struct crowd *crowd, bool gathers)
{
	struct run r = { .crowd = crowd };
	struct gather g = { 0 };

	for (unsigned i = 0; i < crowd->clients; i++)
		r.next_us[i] = (int64_t)(i + 1) *
			       (crowd->pause_us ? crowd->pause_us : crowd->serve_us + 1);
	for (int i = 0; i < 2000; i++) {
		pass(&r, INT64_MAX - 1, r.waiting ? r.waiting : 1);
		if (gathers)
			wait_for_more(&r, &g);
		gather_taken(&g, r.now_us, r.waiting);
		sync_batch(&r);
	}
	return r;
}

static void test_crowds(void **state)
{
	static const struct crowd crowds[] = {
		{ "one", 1, 100, 200, 300, 0, 1, 1.05 },
		{ "one, and a disk of glass", 1, 10, 20, 30, 0, 1, 1.35 },
		{ "four that keep each other company", 4, 100, 50, 300, 0, 1, 1.15 },
		{ "sixteen, on a fast disk", 16, 100, 10, 100, 0, 1, 1.3 },
		{ "fifty, and a busy processor", 50, 0, 200, 300, 0, 15, 1.05 },
		{ "two hundred, and a busy processor", 200, 0, 200, 300, 0, 20, 1.12 },
		{ "two hundred, and a disk of glass", 200, 0, 200, 30, 0, 20, 1.12 },
		{ "two hundred, far away", 200, 40000, 20, 300, 0, 8, 1.1 },
		{ "two hundred, and a slow disk", 200, 1000, 200, 12000, 0, 32, 1.0001 },
		{ "a few in a second", 8, 0, 0, 300, 100000, 1, 1.0001 },
		{ "a thousand in a second, at a distance", 100, 0, 0, 300, 1000, 1, 1.0001 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(crowds) / sizeof(*crowds); i++) {
		struct run with = run(&crowds[i], true), without = run(&crowds[i], false);
		double batch = (double)with.writes / (double)with.syncs;
		double each = (double)with.now_us / (double)with.writes;
		double each_without = (double)without.now_us / (double)without.writes;

		if (batch < crowds[i].least_batch || each > each_without * crowds[i].most_slower)
			fail_msg("%s: %.1f a sync, %.0f us each instead of %.0f", crowds[i].name,
				 batch, each, each_without);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_crowds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "gather.h"

enum {
	LATELY_US = 20000,
	WORTH = 8, /* fewer to be expected are not waited for */
	DOUBLINGS_MOST = 8,
};

/* With those who came since the last batch. */
static double rate(const struct gather *g, int64_t now_us, size_t writes)
{
	double gap = now_us > g->taken_us ? (double)(now_us - g->taken_us) : 1;
	double weight = gap / (gap + LATELY_US);

	return g->per_us + ((double)writes / gap - g->per_us) * weight;
}

void gather_taken(struct gather *g, int64_t now_us, size_t writes)
{
	g->per_us = rate(g, now_us, writes);
	g->taken_us = now_us;
}

bool gather_begins(struct gather *g, int64_t now_us, size_t waiting, int64_t most_us)
{
	if (waiting == 0 || waiting >= GATHER_GOAL ||
	    rate(g, now_us, waiting) * (double)most_us < WORTH)
		return false;
	if (g->skip == 0)
		return true;
	g->skip--;
	return false;
}

bool gather_pays(const struct gather *g, int64_t slice_us, size_t before, size_t waiting)
{
	double expected = g->per_us * (double)slice_us;

	return waiting >= GATHER_GOAL || (double)(waiting - before) * 4 >= expected;
}

void gather_ended(struct gather *g, bool has_paid)
{
	if (has_paid)
		g->vain = 0;
	else if (g->vain < DOUBLINGS_MOST)
		g->vain++;
	g->skip = has_paid ? 0 : 1u << g->vain;
}

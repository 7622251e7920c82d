#include "load.h"

#include <time.h>

int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Below 256 each value by itself, above by its first eight bits. */
static unsigned place_of(uint32_t us)
{
	unsigned shift = us < 256 ? 0 : 24 - (unsigned)__builtin_clz(us);

	return shift * 128 + (us >> shift);
}

static uint32_t value_at(unsigned place)
{
	unsigned shift = place < 256 ? 0 : place / 128 - 1;

	return shift ? (uint32_t)(((uint64_t)(place - shift * 128) << shift) + (1u << (shift - 1)))
		     : place;
}

void figures_add(struct figures *f, int64_t us)
{
	uint32_t value = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;

	f->of[place_of(value)]++;
	f->count++;
	if (value > f->max)
		f->max = value;
}

void figures_merge(struct figures *into, const struct figures *f)
{
	for (unsigned i = 0; i < sizeof(f->of) / sizeof(f->of[0]); i++)
		into->of[i] += f->of[i];
	into->count += f->count;
	if (f->max > into->max)
		into->max = f->max;
}

uint32_t figures_at(const struct figures *f, double share)
{
	uint64_t rank = (uint64_t)(share * (double)f->count), sum = 0;

	for (unsigned i = 0; i < sizeof(f->of) / sizeof(f->of[0]); i++) {
		sum += f->of[i];
		if (sum > rank)
			return value_at(i) < f->max ? value_at(i) : f->max;
	}
	return f->max;
}

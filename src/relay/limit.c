#include "limit.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

enum { WINDOW_MS = 60000 };

static void lock(struct relay_limit *l)
{
	pthread_mutex_lock(&l->lock);
}

static void unlock(struct relay_limit *l)
{
	pthread_mutex_unlock(&l->lock);
}

static int64_t *time_at(const struct relay_limit *l, unsigned i)
{
	return &l->times[(l->first + i) % l->rate];
}

/* Keeps the newest times: they are what the new rate may count. */
static void set_rate(struct relay_limit *l, unsigned rate)
{
	int64_t *times;
	unsigned kept = l->count < rate ? l->count : rate;

	if (rate == l->rate)
		return;
	times = rate ? mem_array(rate, sizeof(*times)) : NULL;
	for (unsigned i = 0; i < kept; i++)
		times[i] = *time_at(l, l->count - kept + i);
	free(l->times);
	l->times = times;
	l->rate = rate;
	l->first = 0;
	l->count = kept;
}

struct relay_limit *relay_limit_new(unsigned connections, unsigned rate)
{
	struct relay_limit *l = mem_new(struct relay_limit);

	require(pthread_mutex_init(&l->lock, NULL) == 0);
	l->window_ms = WINDOW_MS;
	relay_limit_set(l, connections, rate);
	return l;
}

void relay_limit_set(struct relay_limit *l, unsigned connections, unsigned rate)
{
	lock(l);
	l->most = connections ? connections : 1;
	set_rate(l, rate < RELAY_RATE_MOST ? rate : RELAY_RATE_MOST);
	unlock(l);
}

void relay_limit_free(struct relay_limit **limit)
{
	struct relay_limit *l = *limit;

	if (l == NULL)
		return;
	*limit = NULL;
	pthread_mutex_destroy(&l->lock);
	free(l->times);
	free(l);
}

bool limit_take_place(struct relay_limit *l)
{
	bool is_free;

	lock(l);
	is_free = l->open < l->most;
	if (is_free)
		l->open++;
	unlock(l);
	return is_free;
}

void limit_give_place(struct relay_limit *l)
{
	lock(l);
	require(l->open > 0);
	l->open--;
	unlock(l);
}

static unsigned look(const atomic_uint *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

unsigned limit_most(struct relay_limit *l)
{
	return look(&l->most);
}

unsigned limit_free_places(struct relay_limit *l)
{
	unsigned open = look(&l->open), most = look(&l->most);

	return open < most ? most - open : 0;
}

unsigned limit_hungry(struct relay_limit *l)
{
	return look(&l->hungry);
}

void limit_add_hungry(struct relay_limit *l, int n)
{
	lock(l);
	l->hungry += (unsigned)n;
	unlock(l);
}

/* Messages */

static void forget_old(struct relay_limit *l, int64_t now_ms)
{
	while (l->count && *time_at(l, 0) <= now_ms - l->window_ms) {
		l->first = (l->first + 1) % l->rate;
		l->count--;
	}
}

unsigned limit_rate(struct relay_limit *l)
{
	return look(&l->rate);
}

bool limit_take_message(struct relay_limit *l, int64_t now_ms, int64_t *at_out)
{
	bool is_free;

	*at_out = now_ms;
	if (limit_rate(l) == 0)
		return true;
	lock(l);
	forget_old(l, now_ms);
	is_free = l->rate == 0 || l->count < l->rate;
	/* The clock of each loop stands still within a turn: another one may be ahead. */
	if (l->count && *time_at(l, l->count - 1) > now_ms)
		*at_out = *time_at(l, l->count - 1);
	if (is_free && l->rate)
		*time_at(l, l->count++) = *at_out;
	unlock(l);
	return is_free;
}

void limit_give_message(struct relay_limit *l, int64_t at_ms)
{
	unsigned i;

	if (limit_rate(l) == 0)
		return;
	lock(l);
	for (i = l->count; i > 0 && *time_at(l, i - 1) > at_ms; i--)
		;
	if (i > 0 && *time_at(l, i - 1) == at_ms) {
		for (; i < l->count; i++)
			*time_at(l, i - 1) = *time_at(l, i);
		l->count--;
	}
	unlock(l);
}

size_t limit_messages(struct relay_limit *l, int64_t now_ms)
{
	size_t n;

	if (limit_rate(l) == 0)
		return SIZE_MAX;
	lock(l);
	forget_old(l, now_ms);
	n = l->rate ? l->rate - l->count : SIZE_MAX;
	unlock(l);
	return n;
}

int64_t limit_wait_ms(struct relay_limit *l, int64_t now_ms)
{
	int64_t wait = 0;

	if (limit_rate(l) == 0)
		return 0;
	lock(l);
	forget_old(l, now_ms);
	if (l->rate && l->count == l->rate)
		wait = *time_at(l, 0) + l->window_ms - now_ms;
	unlock(l);
	return wait;
}

void limit_scale(struct relay_limit *l, int64_t window_ms)
{
	lock(l);
	l->window_ms = window_ms;
	unlock(l);
}

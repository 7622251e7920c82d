#include "base/map.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>
#include <xxhash.h>

void map_init(struct map *m, uint64_t seed)
{
	*m = (struct map){ .seed = seed };
}

void map_fini(struct map *m)
{
	free(m->at);
	*m = (struct map){ .seed = m->seed };
}

static size_t find(const struct map *m, struct span key, uint64_t hash)
{
	size_t i = hash & (m->cap - 1);

	while (m->at[i].value && !(m->at[i].hash == hash && span_eq(m->at[i].key, key)))
		i = (i + 1) & (m->cap - 1);
	return i;
}

static void grow(struct map *m)
{
	struct map_slot *old = m->at;
	size_t old_cap = m->cap;

	m->cap = old_cap ? old_cap * 2 : 16;
	m->at = mem_array(m->cap, sizeof(struct map_slot));
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].value)
			m->at[find(m, old[i].key, old[i].hash)] = old[i];
	free(old);
}

static uint64_t hash_of(const struct map *m, struct span key)
{
	return XXH3_64bits_withSeed(key.at, key.len, m->seed);
}

void *map_get(const struct map *m, struct span key)
{
	return m->cap ? m->at[find(m, key, hash_of(m, key))].value : NULL;
}

void *map_put(struct map *m, struct span key, void *value)
{
	uint64_t hash = hash_of(m, key);
	void *before;
	size_t i;

	require(value != NULL);
	if ((m->count + 1) * 4 > m->cap * 3)
		grow(m);
	i = find(m, key, hash);
	before = m->at[i].value;
	m->at[i] = (struct map_slot){ key, value, hash };
	if (before == NULL)
		m->count++;
	return before;
}

/* Closes the gap at i: moves back each follower that could not be found across it. */
static void close_gap(struct map *m, size_t i)
{
	size_t mask = m->cap - 1;

	for (size_t j = (i + 1) & mask; m->at[j].value; j = (j + 1) & mask) {
		size_t home = m->at[j].hash & mask;

		if (((j - home) & mask) >= ((j - i) & mask)) {
			m->at[i] = m->at[j];
			i = j;
		}
	}
	m->at[i] = (struct map_slot){ .value = NULL };
}

void *map_remove(struct map *m, struct span key)
{
	void *value;
	size_t i;

	if (m->cap == 0)
		return NULL;
	i = find(m, key, hash_of(m, key));
	value = m->at[i].value;
	if (value) {
		m->count--;
		close_gap(m, i);
	}
	return value;
}

void *map_next(const struct map *m, size_t *place)
{
	while (*place < m->cap) {
		void *value = m->at[(*place)++].value;

		if (value)
			return value;
	}
	return NULL;
}

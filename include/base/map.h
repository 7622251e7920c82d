/* base/map.h: from octets to an object.
 *
 * Shape    open addressing; a key is a span that lives inside the object it finds
 * Owns     its table; neither keys nor objects
 * Errors   with a seed that no peer knows, no peer can choose keys that collide
 */
#pragma once

#include "base/span.h"

struct map_slot {
	struct span key;
	void *value; /* NULL: free */
	uint64_t hash;
};

struct map {
	struct map_slot *at;
	size_t count, cap;
	uint64_t seed;
};

void map_init(struct map *m, uint64_t seed);
void map_fini(struct map *m);
void *map_get(const struct map *m, struct span key);
/* The key must live as long as it is in the map; value is not NULL. Returns what stood there before
 * (now replaced), or NULL. */
void *map_put(struct map *m, struct span key, void *value);
/* Returns what was removed, or NULL. */
void *map_remove(struct map *m, struct span key);
/* Visits all in no order: start with *place = 0; NULL at the end. No change while visiting. */
void *map_next(const struct map *m, size_t *place);

#include "base/counters.h"

#include "base/require.h"

const struct counter_name counter_names[] = {
#define X(name, help) { #name, help },
	COUNTERS(X)
#undef X
};

const unsigned counter_count = sizeof(counter_names) / sizeof(counter_names[0]);

uint64_t counters_get(struct counters *c, unsigned i)
{
	_Atomic uint64_t *const fields[] = {
#define X(name, help) &c->name,
		COUNTERS(X)
#undef X
	};

	require(i < counter_count);
	return counter_get(fields[i]);
}

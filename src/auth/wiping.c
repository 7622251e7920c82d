#include "wiping.h"

#include "base/mem.h"

#include <malloc.h>
#include <sasl/sasl.h>
#include <stdlib.h>
#include <string.h>

static void wipe_and_free(void *p)
{
	if (p)
		mem_wipe(p, malloc_usable_size(p));
	free(p);
}

static void *move_and_wipe(void *p, size_t n)
{
	size_t had = p ? malloc_usable_size(p) : 0;
	void *fresh = malloc(n ? n : 1);

	if (fresh == NULL)
		return NULL;
	if (had)
		memcpy(fresh, p, had < n ? had : n);
	wipe_and_free(p);
	return fresh;
}

void wiping_install(void)
{
	sasl_set_alloc(malloc, calloc, move_and_wipe, wipe_and_free);
}

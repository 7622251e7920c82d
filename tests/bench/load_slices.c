#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each message's wait by its number, which says when it was due; 0 is none. A message has one
 * thread, and all threads have ended before anything is read. */
static uint32_t *waits;

/* How many messages are due in a slice, or all of them where there are fewer. */
static unsigned slice_messages(void)
{
	double in_time = set.rate * SLICE_US / 1e6;
	double most = in_time > SLICE_MESSAGES ? in_time : SLICE_MESSAGES;

	return most < set.messages ? (unsigned)most : set.messages;
}

void slices_init(void)
{
	if (set.rate <= 0)
		return;
	waits = calloc((size_t)set.messages + 1, sizeof(*waits));
	if (waits == NULL)
		abort();
}

void slices_fini(void)
{
	free(waits);
	waits = NULL;
}

void slices_add(unsigned number, int64_t us)
{
	if (waits && number < set.messages)
		waits[number] = us < 1 ? 1 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void print_shares(const char *name, double share, unsigned count, unsigned each)
{
	struct figures slice;
	const char *comma = "";

	printf(", \"%s\": [", name);
	for (unsigned i = 0; i < count; i++) {
		/* What would not fill a slice of its own belongs to the last. */
		unsigned end = i + 1 < count ? (i + 1) * each : set.messages;

		memset(&slice, 0, sizeof(slice));
		for (unsigned n = i * each; n < end; n++)
			if (waits[n])
				figures_add(&slice, waits[n]);
		if (slice.count == 0)
			continue;
		printf("%s%u", comma, figures_at(&slice, share));
		comma = ", ";
	}
	printf("]");
}

void slices_print(void)
{
	unsigned each = slice_messages(), count;

	if (waits == NULL || each == 0)
		return;
	count = set.messages / each;
	printf(", \"slice_messages\": %u", each);
	print_shares("slices_p50_us", 0.5, count, each);
	print_shares("slices_p99_us", 0.99, count, each);
}

#include "smarthost_limits.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>

struct smarthost_limits {
	struct map names;
};

struct entry {
	struct relay_limit *limit;
	struct relay_learned *learned;
	char *name;
};

struct smarthost_limits *smarthost_limits_new(void)
{
	struct smarthost_limits *limits = mem_new(struct smarthost_limits);

	map_init(&limits->names, 0);
	return limits;
}

void smarthost_limits_free(struct smarthost_limits **limits)
{
	struct entry *entry;
	size_t place = 0;

	if (*limits == NULL)
		return;
	while ((entry = map_next(&(*limits)->names, &place))) {
		relay_limit_free(&entry->limit);
		relay_learned_free(&entry->learned);
		free(entry->name);
		free(entry);
	}
	map_fini(&(*limits)->names);
	free(*limits);
	*limits = NULL;
}

static struct entry *find(struct smarthost_limits *limits, const char *smarthost)
{
	struct entry *entry = map_get(&limits->names, span_text(smarthost));

	if (entry == NULL) {
		entry = mem_new(struct entry);
		entry->name = mem_text(smarthost);
		entry->limit = relay_limit_new(1, 0);
		entry->learned = relay_learned_new();
		map_put(&limits->names, span_text(entry->name), entry);
	}
	return entry;
}

struct relay_limit *smarthost_limits_get(struct smarthost_limits *limits, const char *smarthost)
{
	return find(limits, smarthost)->limit;
}

struct relay_learned *smarthost_limits_learned(struct smarthost_limits *limits,
					       const char *smarthost)
{
	return find(limits, smarthost)->learned;
}

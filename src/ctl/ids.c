#include "ids.h"

#include "base/id.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

static int by_id(const void *a, const void *b)
{
	const struct ctl_asked *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static size_t drop_doubles(struct ctl_asked *at, size_t count)
{
	size_t kept = 0;

	qsort(at, count, sizeof(*at), by_id);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || at[kept - 1].id != at[i].id)
			at[kept++] = at[i];
	return kept;
}

struct ctl_ids *ctl_ids_read(const json_t *request, size_t most, struct fault *fault)
{
	const json_t *array = json_object_get(request, "qids");
	size_t count = json_array_size(array);
	struct ctl_ids *ids;

	if (count == 0 || count > most) {
		fault_set(fault, -EINVAL, "qids is an array of 1 to %zu ids", most);
		return NULL;
	}
	ids = mem_alloc(sizeof(*ids) + count * sizeof(ids->at[0]));
	atomic_store(&ids->refs, 1);
	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(json_array_get(array, i));

		if (id_parse(span_text(text), &ids->at[i].id) < 0) {
			fault_set(fault, -EINVAL, "qids are ids as they stand in the log");
			free(ids);
			return NULL;
		}
	}
	ids->count = drop_doubles(ids->at, count);
	return ids;
}

struct ctl_ids *ctl_ids_ref(struct ctl_ids *ids)
{
	atomic_fetch_add(&ids->refs, 1);
	return ids;
}

void ctl_ids_unref(struct ctl_ids **ids)
{
	struct ctl_ids *i = *ids;

	*ids = NULL;
	if (i && atomic_fetch_sub(&i->refs, 1) == 1)
		free(i);
}

json_t *ctl_ids_missing(const struct ctl_ids *ids)
{
	json_t *out = json_array();

	for (size_t i = 0; i < ids->count; i++)
		if (!ids->at[i].is_found)
			json_array_append_new(out, ctl_id(ids->at[i].id));
	return out;
}

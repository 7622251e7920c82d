#include "store.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct conf_store {
	void **at;
	size_t count, cap;
};

struct conf_store *conf_store_new(void)
{
	return mem_new(struct conf_store);
}

void conf_store_free(struct conf_store **store)
{
	if (*store == NULL)
		return;
	for (size_t i = 0; i < (*store)->count; i++)
		free((*store)->at[i]);
	free((*store)->at);
	free(*store);
	*store = NULL;
}

void *conf_store_alloc(struct conf_store *store, size_t n)
{
	if (store->count == store->cap) {
		store->cap = store->cap ? store->cap * 2 : 64;
		store->at = mem_resize(store->at, store->cap * sizeof(*store->at));
	}
	return store->at[store->count++] = mem_alloc(n);
}

char *conf_store_text(struct conf_store *store, const char *text)
{
	size_t n = strlen(text) + 1;

	return memcpy(conf_store_alloc(store, n), text, n);
}

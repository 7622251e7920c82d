#include "last_use.h"

#include "last_use_file.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "io/loop.h"
#include "spool/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* How many entries are copied while others wait for the lock: some ten microseconds. */
enum { PORTION = 256 };

struct entry {
	struct list_node node; /* in by_use */
	size_t slot;
	int64_t time_s;
	struct span key; /* account, NUL, credential, NUL */
	char address[LAST_USE_ADDRESS_OCTETS + 1];
	char text[];
};

struct last_use {
	char *directory;
	size_t most;
	pthread_mutex_t lock; /* for all below */
	struct entry **slots; /* no order; a portion is taken by place */
	size_t count, cap;
	struct map by_key;
	struct list by_use; /* the one used longest ago first */
	uint64_t changes, saved;
};

struct last_use *last_use_new(const char *directory, size_t most)
{
	struct last_use *t = mem_new(struct last_use);
	uint64_t seed;

	random_fill(&seed, sizeof(seed));
	t->directory = mem_text(directory);
	t->most = most;
	pthread_mutex_init(&t->lock, NULL);
	map_init(&t->by_key, seed);
	list_init(&t->by_use);
	return t;
}

void last_use_free(struct last_use **table)
{
	struct last_use *t = *table;

	*table = NULL;
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->slots[i]);
	free(t->slots);
	map_fini(&t->by_key);
	pthread_mutex_destroy(&t->lock);
	free(t->directory);
	free(t);
}

static struct entry *entry_new(const struct ctl_use *use)
{
	size_t account = strlen(use->account) + 1, credential = strlen(use->credential) + 1;
	struct entry *e = mem_alloc(sizeof(*e) + account + credential);

	memcpy(e->text, use->account, account);
	memcpy(e->text + account, use->credential, credential);
	e->key = span_of(e->text, account + credential);
	return e;
}

/* A free place, or that of the entry used longest ago. */
static size_t take_slot(struct last_use *t)
{
	struct entry *oldest;
	size_t slot = t->count;

	if (t->count < t->most) {
		if (t->count == t->cap) {
			t->cap = t->cap ? t->cap * 2 : 64;
			t->slots = mem_resize(t->slots, t->cap * sizeof(*t->slots));
		}
		t->count++;
		return slot;
	}
	oldest = list_entry(list_pop_front(&t->by_use), struct entry, node);
	slot = oldest->slot;
	map_remove(&t->by_key, oldest->key);
	free(oldest);
	return slot;
}

/* Uses `fresh`, or the entry that is there already, and then frees it. */
static void put_locked(struct last_use *t, struct entry *fresh, const struct ctl_use *use)
{
	struct entry *e = map_get(&t->by_key, fresh->key);

	if (e) {
		free(fresh);
		list_remove(&t->by_use, &e->node);
	} else {
		e = fresh;
		e->slot = take_slot(t);
		t->slots[e->slot] = e;
		map_put(&t->by_key, e->key, e);
	}
	list_push_back(&t->by_use, &e->node);
	e->time_s = use->time_s;
	memcpy(e->address, use->address, strlen(use->address) + 1);
	t->changes++;
}

void last_use_put_at(struct last_use *t, const struct ctl_use *use)
{
	struct entry *fresh;

	if (!last_use_fits(use))
		return;
	fresh = entry_new(use);
	pthread_mutex_lock(&t->lock);
	put_locked(t, fresh, use);
	pthread_mutex_unlock(&t->lock);
}

void last_use_put(void *table, const char *account, const char *credential, const char *address)
{
	last_use_put_at(table, &(struct ctl_use){ .account = account,
						  .credential = credential,
						  .address = address,
						  .time_s = wall_now_ms() / 1000 });
}

static void copy_entry(const struct entry *e, struct buf *out)
{
	buf_put(out, &e->time_s, sizeof(e->time_s));
	buf_put_span(out, e->key);
	buf_put(out, e->address, strlen(e->address) + 1);
}

static const char *take_text(struct span *rest)
{
	const char *text = (const char *)rest->at;

	*rest = span_from(*rest, strlen(text) + 1);
	return text;
}

static struct ctl_use take_use(struct span *rest)
{
	struct ctl_use use;

	memcpy(&use.time_s, rest->at, sizeof(use.time_s));
	*rest = span_from(*rest, sizeof(use.time_s));
	use.account = take_text(rest);
	use.credential = take_text(rest);
	use.address = take_text(rest);
	return use;
}

/* The entries from place `from` on; false: there are no more. */
static bool copy_portion(struct last_use *t, size_t from, const char *account, struct buf *out)
{
	size_t end = from + PORTION;

	pthread_mutex_lock(&t->lock);
	for (size_t i = from; i < end && i < t->count; i++)
		if (account == NULL || strcmp(t->slots[i]->text, account) == 0)
			copy_entry(t->slots[i], out);
	end = end < t->count ? end : 0;
	pthread_mutex_unlock(&t->lock);
	return end != 0;
}

void last_use_each(void *table, const char *account,
		   bool (*each)(void *to, const struct ctl_use *use), void *to)
{
	struct last_use *t = table;
	struct buf copied = { 0 };
	bool goes_on = true, is_more = true;

	for (size_t from = 0; goes_on && is_more; from += PORTION) {
		struct span rest;

		buf_clear(&copied);
		is_more = copy_portion(t, from, account, &copied);
		rest = buf_span(&copied);
		while (rest.len && goes_on) {
			struct ctl_use use = take_use(&rest);

			goes_on = each(to, &use);
		}
	}
	buf_fini(&copied);
}

static uint64_t changes_until_now(struct last_use *t)
{
	uint64_t changes;

	pthread_mutex_lock(&t->lock);
	changes = t->changes;
	pthread_mutex_unlock(&t->lock);
	return changes;
}

static bool write_use(void *writer, const struct ctl_use *use)
{
	return last_use_file_put(writer, use) == 0;
}

int last_use_save(struct last_use *t, struct fault *fault)
{
	struct last_use_file *file;
	uint64_t changes = changes_until_now(t);
	int r;

	if (changes == t->saved)
		return 0;
	file = last_use_file_begin(t->directory, SPOOL_GUEST_PREFIX);
	last_use_each(t, NULL, write_use, file);
	r = last_use_file_end(&file, fault);
	if (r == 0)
		t->saved = changes;
	return r;
}

static void take_read(void *table, const struct ctl_use *use)
{
	last_use_put_at(table, use);
}

int last_use_read(struct last_use *t, struct fault *fault)
{
	int r = last_use_file_read(t->directory, SPOOL_GUEST_PREFIX, take_read, t, fault);

	t->saved = t->changes;
	return r;
}

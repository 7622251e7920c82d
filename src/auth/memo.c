#include "memo.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <assert.h>
#include <nettle/hmac.h>
#include <stdlib.h>
#include <sys/random.h>

struct entry {
	struct list_node node;
	int64_t until_ms;
	struct span key, value; /* in octets */
	unsigned char octets[];
};

struct memo {
	struct hmac_sha256_ctx keyed;
	struct map by_key;
	struct list oldest_first;
};

static_assert((int)MEMO_MAC_OCTETS == (int)SHA256_DIGEST_SIZE, "a whole digest");

struct memo *memo_new(void)
{
	struct {
		uint8_t key[32];
		uint64_t seed;
	} random;
	struct memo *m;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return NULL;
	m = mem_new(struct memo);
	hmac_sha256_set_key(&m->keyed, sizeof(random.key), random.key);
	map_init(&m->by_key, random.seed);
	list_init(&m->oldest_first);
	mem_wipe(&random, sizeof(random));
	return m;
}

static void drop(struct memo *m, struct entry *e)
{
	map_remove(&m->by_key, e->key);
	list_remove(&m->oldest_first, &e->node);
	mem_wipe(e, sizeof(*e) + e->key.len + e->value.len);
	free(e);
}

static struct entry *oldest(const struct memo *m)
{
	struct list_node *node = list_first(&m->oldest_first);

	return node ? list_entry(node, struct entry, node) : NULL;
}

void memo_clear(struct memo *m)
{
	while (oldest(m))
		drop(m, oldest(m));
}

void memo_free(struct memo **memo)
{
	struct memo *m = *memo;

	if (m == NULL)
		return;
	memo_clear(m);
	map_fini(&m->by_key);
	mem_wipe(m, sizeof(*m));
	free(m);
	*memo = NULL;
}

void memo_mac(const struct memo *m, const struct span *parts, size_t count,
	      unsigned char out[MEMO_MAC_OCTETS])
{
	struct hmac_sha256_ctx ctx = m->keyed;

	for (size_t i = 0; i < count; i++) {
		hmac_sha256_update(&ctx, sizeof(parts[i].len), (const uint8_t *)&parts[i].len);
		hmac_sha256_update(&ctx, parts[i].len, parts[i].at);
	}
	hmac_sha256_digest(&ctx, MEMO_MAC_OCTETS, out);
	mem_wipe(&ctx, sizeof(ctx));
}

static struct span copy(unsigned char *at, struct span s)
{
	if (s.len)
		memcpy(at, s.at, s.len);
	return span_of(at, s.len);
}

void memo_put(struct memo *m, struct span key, struct span value, int64_t until_ms)
{
	struct entry *e = map_get(&m->by_key, key);

	if (e)
		drop(m, e);
	else if (m->by_key.count >= MEMO_ENTRIES_MAX)
		drop(m, oldest(m));
	e = mem_alloc(sizeof(*e) + key.len + value.len);
	e->until_ms = until_ms;
	e->key = copy(e->octets, key);
	e->value = copy(e->octets + key.len, value);
	map_put(&m->by_key, e->key, e);
	list_push_back(&m->oldest_first, &e->node);
}

struct span memo_get(struct memo *m, struct span key, int64_t now_ms)
{
	const struct entry *e;

	memo_expire(m, now_ms);
	e = map_get(&m->by_key, key);
	return e && e->until_ms > now_ms ? e->value : span_of(NULL, 0);
}

int64_t memo_expire(struct memo *m, int64_t now_ms)
{
	struct entry *e;

	while ((e = oldest(m)) != NULL) {
		if (e->until_ms > now_ms)
			return e->until_ms - now_ms;
		drop(m, e);
	}
	return -1;
}

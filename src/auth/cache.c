#include "cache.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdlib.h>
#include <sys/random.h>

struct entry {
	struct list_node node;
	char *account;
	struct span key; /* of account */
	uint8_t mac[SHA256_DIGEST_SIZE];
	int64_t until_ms;
};

struct cache {
	struct hmac_sha256_ctx keyed;
	int64_t life_ms;
	struct map by_account;
	struct list oldest_first; /* all live equally long: the first expires first */
};

struct cache *cache_new(uint32_t seconds)
{
	struct {
		uint8_t key[32];
		uint64_t seed;
	} random;
	struct cache *c;

	if (seconds == 0 || getrandom(&random, sizeof(random), 0) != sizeof(random))
		return NULL;
	c = mem_new(struct cache);
	c->life_ms = (int64_t)seconds * 1000;
	hmac_sha256_set_key(&c->keyed, sizeof(random.key), random.key);
	map_init(&c->by_account, random.seed);
	list_init(&c->oldest_first);
	mem_wipe(&random, sizeof(random));
	return c;
}

static void drop(struct cache *c, struct entry *e)
{
	map_remove(&c->by_account, e->key);
	list_remove(&c->oldest_first, &e->node);
	free(e->account);
	mem_wipe(e, sizeof(*e));
	free(e);
}

static struct entry *oldest(const struct cache *c)
{
	struct list_node *node = list_first(&c->oldest_first);

	return node ? list_entry(node, struct entry, node) : NULL;
}

void cache_free(struct cache **cache)
{
	struct cache *c = *cache;

	if (c == NULL)
		return;
	while (oldest(c))
		drop(c, oldest(c));
	map_fini(&c->by_account);
	mem_wipe(c, sizeof(*c));
	free(c);
	*cache = NULL;
}

/* The basis's length goes in too, so that no part of one can be taken for a part of the other. */
static void mac_of(const struct cache *c, struct span basis, struct span password,
		   uint8_t mac[SHA256_DIGEST_SIZE])
{
	struct hmac_sha256_ctx ctx = c->keyed;

	hmac_sha256_update(&ctx, sizeof(basis.len), (const uint8_t *)&basis.len);
	hmac_sha256_update(&ctx, basis.len, basis.at);
	hmac_sha256_update(&ctx, password.len, password.at);
	hmac_sha256_digest(&ctx, SHA256_DIGEST_SIZE, mac);
	mem_wipe(&ctx, sizeof(ctx));
}

bool cache_has(struct cache *c, struct span account, struct span basis, struct span password,
	       int64_t now_ms)
{
	uint8_t mac[SHA256_DIGEST_SIZE];
	struct entry *e;
	bool is_same;

	if (c == NULL || basis.len == 0)
		return false;
	cache_expire(c, now_ms);
	e = map_get(&c->by_account, account);
	if (e == NULL)
		return false;
	mac_of(c, basis, password, mac);
	is_same = memeql_sec(mac, e->mac, sizeof(mac));
	mem_wipe(mac, sizeof(mac));
	return is_same;
}

void cache_keep(struct cache *c, struct span account, struct span basis, struct span password,
		int64_t now_ms)
{
	struct entry *e;

	if (c == NULL || basis.len == 0)
		return;
	e = map_get(&c->by_account, account);
	if (e)
		drop(c, e);
	else if (c->by_account.count >= CACHE_ENTRIES_MAX)
		drop(c, oldest(c));
	e = mem_new(struct entry);
	e->account = mem_text_n(account.at, account.len);
	e->key = span_of(e->account, account.len);
	e->until_ms = now_ms + c->life_ms;
	mac_of(c, basis, password, e->mac);
	map_put(&c->by_account, e->key, e);
	list_push_back(&c->oldest_first, &e->node);
}

int64_t cache_expire(struct cache *c, int64_t now_ms)
{
	struct entry *e;

	while (c && (e = oldest(c)) != NULL) {
		if (e->until_ms > now_ms)
			return e->until_ms - now_ms;
		drop(c, e);
	}
	return -1;
}

#include "cache.h"

#include "memo.h"

#include "base/mem.h"

#include <nettle/memops.h>
#include <stdlib.h>

struct cache {
	struct memo *memo; /* by account, so that the last password counts */
	int64_t life_ms;
};

struct cache *cache_new(uint32_t seconds)
{
	struct memo *memo = seconds ? memo_new() : NULL;
	struct cache *c;

	if (memo == NULL)
		return NULL;
	c = mem_new(struct cache);
	c->memo = memo;
	c->life_ms = (int64_t)seconds * 1000;
	return c;
}

void cache_free(struct cache **cache)
{
	if (*cache == NULL)
		return;
	memo_free(&(*cache)->memo);
	free(*cache);
	*cache = NULL;
}

static void mac_of(const struct cache *c, struct span basis, struct span password,
		   unsigned char mac[MEMO_MAC_OCTETS])
{
	const struct span parts[] = { basis, password };

	memo_mac(c->memo, parts, 2, mac);
}

bool cache_has(struct cache *c, struct span account, struct span basis, struct span password,
	       int64_t now_ms)
{
	unsigned char mac[MEMO_MAC_OCTETS];
	struct span kept;
	bool is_same;

	if (c == NULL || basis.len == 0)
		return false;
	kept = memo_get(c->memo, account, now_ms);
	if (kept.at == NULL)
		return false;
	mac_of(c, basis, password, mac);
	is_same = memeql_sec(mac, kept.at, sizeof(mac));
	mem_wipe(mac, sizeof(mac));
	return is_same;
}

void cache_keep(struct cache *c, struct span account, struct span basis, struct span password,
		int64_t now_ms)
{
	unsigned char mac[MEMO_MAC_OCTETS];

	if (c == NULL || basis.len == 0)
		return;
	mac_of(c, basis, password, mac);
	memo_put(c->memo, account, span_of(mac, sizeof(mac)), now_ms + c->life_ms);
	mem_wipe(mac, sizeof(mac));
}

int64_t cache_expire(struct cache *c, int64_t now_ms)
{
	return c ? memo_expire(c->memo, now_ms) : -1;
}

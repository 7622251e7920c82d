/* auth/cache.h (private): password checks that succeeded a short while ago.
 *
 * Shape    an account and an HMAC-SHA-256, keyed by a random key of this process, over password
 *          and basis, which is what the check stood on: the stored hash, or the state of a file.
 *          Neither can be had from it, and a changed basis misses by itself
 * Owns     its entries, in a memo (memo.h): bounded in number, wiped when they go
 * Units    ms of any clock that does not go back
 */
#pragma once

#include "base/span.h"

struct cache;

/* NULL when `seconds` is 0 or the kernel gives no random octets: all others take NULL for an empty
 * one that keeps nothing. */
struct cache *cache_new(uint32_t seconds);
void cache_free(struct cache **cache);
/* An empty basis is never remembered. */
bool cache_has(struct cache *cache, struct span account, struct span basis, struct span password,
	       int64_t now_ms);
void cache_keep(struct cache *cache, struct span account, struct span basis, struct span password,
		int64_t now_ms);
/* Wipes what has expired; in how many ms the next one does, -1 when there is none. */
int64_t cache_expire(struct cache *cache, int64_t now_ms);

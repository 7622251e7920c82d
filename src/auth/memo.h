/* auth/memo.h (private): octets that are found again by other octets for a while.
 *
 * Shape    memo_put(key, value, until) -> memo_get(key) until then; memo_mac() makes of what must not be
 *          kept something that may be
 * Owns     copies, bounded in number: the oldest goes first. Wiped when they go
 * Units    ms of any clock that does not go back
 */
#pragma once

#include "base/span.h"

enum { MEMO_ENTRIES_MAX = 4096, MEMO_MAC_OCTETS = 32 };

struct memo;

/* NULL when the kernel gives no random octets. */
struct memo *memo_new(void);
void memo_free(struct memo **memo);
/* HMAC-SHA-256 over the parts, each with its length, so that no end of one can be taken for the beginning
 * of the next. The key is random and this memo's own. */
void memo_mac(const struct memo *memo, const struct span *parts, size_t count,
	      unsigned char out[MEMO_MAC_OCTETS]);
/* In place of what that key had. */
void memo_put(struct memo *memo, struct span key, struct span value, int64_t until_ms);
/* Lives until the next call but memo_mac(). at NULL: nothing. */
struct span memo_get(struct memo *memo, struct span key, int64_t now_ms);
void memo_clear(struct memo *memo);
/* Wipes what has expired, the oldest first: where not all live equally long, one waits for those before
 * it, but is not found any more. In how many ms the oldest does; -1 when there is none. */
int64_t memo_expire(struct memo *memo, int64_t now_ms);

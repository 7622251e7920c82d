/* relay/learned.h: what a smarthost said that it can do, remembered for those who talk to clients.
 *
 * Shape    one for each smarthost of the configuration; the relays of all loops write, anyone reads
 * Thread   any; a lock held for the length of a copy, taken where an EHLO came and where a session or
 *          a message begins
 * Units    octets, recipients
 */
#pragma once

#include "smtp/client.h"

struct relay;
struct relay_learned;

struct relay_learned *relay_learned_new(void);
void relay_learned_free(struct relay_learned **learned);
/* What it offered last, behind TLS and login; without require_tls where its certificate is not verified, and
 * without chunking where it does not know what it offers. False: nobody has talked to it yet. */
bool relay_learned_get(struct relay_learned *learned, struct smtp_client_offers *out);
/* The same without the offers, and without a lock. */
bool relay_learned_is_known(const struct relay_learned *learned);
void relay_learned_put(struct relay_learned *learned, const struct smtp_client_offers *offers);
/* It is another one now, by its address or TLS. */
void relay_learned_forget(struct relay_learned *learned);

/* The same of smarthost i of a relay, on that relay's loop. */
bool relay_offered(const struct relay *relay, size_t smarthost, struct smtp_client_offers *out);

/* What every one of them can do, by itself or by what the relay converts; what at least one can do where
 * the relay chooses that one. Those not known yet are left out, with NULLs; where none is known, anything
 * is thought possible. */
struct relay_ability {
	bool is_known;		/* one at least */
	bool takes_utf8;	/* SMTPUTF8 */
	bool takes_require_tls; /* one at least: it gets them */
	uint64_t size_octets;	/* the smallest SIZE; 0: no limit told */
};
struct relay_ability relay_ability(struct relay_learned *const *learned, size_t count);

/* queue/pack.h: what is known of a message in few octets, for the time that it waits.
 *
 * Shape    envelope_strings: one run of octets with all texts of an envelope but the account's, and
 *          its release date, which hardly any has;
 *          struct delivery_pack: a struct delivery in one block, where a text that was said to many
 *          is kept once
 * Owns     a view borrows: its texts are those of the pack, its arrays those of the scratch
 */
#pragma once

#include "queue/envelope.h"

struct delivery_pack;

/* Where views have their arrays; a zeroed one is ready. */
struct pack_scratch {
	struct envelope_recipient *addresses;
	struct recipient_status *recipients;
	struct delivery_try *tries;
	size_t address_cap, recipient_cap;
};

void pack_scratch_fini(struct pack_scratch *scratch);

size_t envelope_strings_octets(const struct envelope *e);
void envelope_strings_put(const struct envelope *e, char *at);
/* 0: at once. */
int64_t envelope_strings_release(const char *at);
/* Fills release_ms, sender, envid and the recipients; `recipients` has room for out->recipient_count. */
void envelope_strings_view(char *at, struct envelope_recipient *recipients, struct envelope *out);

/* NULL: there is nothing to say. is_held and is_warned are kept by the message. */
struct delivery_pack *delivery_pack(const struct delivery *d);
/* pack NULL: nothing has happened. */
struct delivery delivery_pack_view(struct delivery_pack *pack, size_t recipient_count,
				   struct pack_scratch *scratch);
struct delivery delivery_unpack(struct delivery_pack *pack, size_t recipient_count,
				struct pack_scratch *scratch);
/* As if no attempt had been made yet, or as if it were due. */
void delivery_pack_restart(struct delivery_pack *pack);
void delivery_pack_set_due(struct delivery_pack *pack);

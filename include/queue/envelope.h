/* queue/envelope.h: what is known of a message besides its content.
 *
 * Shape    struct envelope is written once, with the commit; struct delivery is what has become of
 *          it since, written as the spool's note after each attempt
 * Owns     its strings
 * Errors   decoding: -EINVAL; a record of a later version is -ENOTSUP
 *
 * Octets   numbers are little-endian; a text is its length in 4 octets and its octets, without NUL
 *
 *   envelope  version 1 (1), qid (8), sid (8), arrived_ms (8), size (8), header_octets (8),
 *             flags (1; 1: has_8bit), account, sender, number of recipients (4), each recipient
 *   note      version 1 (1), attempts (4), last_ms (8), next_ms (8), number of recipients (4); for
 *             each: state (1), code (2), class (1), subject (2), detail (2), flags (1; 1: there is
 *             a text, 2: a smarthost), text, smarthost
 *
 * The spool (doc/spool.md) keeps both as they are and sums them; nothing stands behind the last
 * field.
 */
#pragma once

#include "base/buf.h"
#include "smtp/reply.h"

struct envelope {
	uint64_t qid, sid;
	char *account; /* who handed it in; "" for our own notices */
	char *sender;  /* reverse-path without angle brackets; "": <> */
	char **recipients;
	size_t recipient_count;
	int64_t arrived_ms;
	uint64_t size; /* content octets */
	uint64_t header_octets; /* of the content: how far the header section goes */
	bool has_8bit;
};

enum recipient_state { RECIPIENT_WAITING, RECIPIENT_DELIVERED, RECIPIENT_FAILED };

struct recipient_status {
	enum recipient_state state;
	int code;		   /* the last reply's; 0: none */
	struct smtp_status status;
	char *text;		   /* the last reply's words, or our own reason; NULL: none yet */
	char *smarthost;	   /* label; NULL: none could be asked */
};

struct delivery {
	unsigned attempts;
	int64_t last_ms, next_ms; /* 0: never / at once */
	struct recipient_status *recipients; /* as many as the envelope's */
	size_t recipient_count;
};

void envelope_fini(struct envelope *e);
void envelope_add_recipient(struct envelope *e, struct span mailbox);
void envelope_encode(const struct envelope *e, struct buf *out);
int envelope_decode(struct span in, struct envelope *out);

void delivery_init(struct delivery *d, size_t recipient_count);
void delivery_fini(struct delivery *d);
void delivery_encode(const struct delivery *d, struct buf *out);
int delivery_decode(struct span in, struct delivery *out);

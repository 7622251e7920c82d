/* queue/envelope.h: what is known of a message besides its content.
 *
 * Shape    struct envelope is written once, with the commit; struct delivery is what has become of
 *          it since, written as the spool's note after each attempt and each change by hand
 * Owns     both: their strings and arrays
 * Errors   decoding: -EINVAL; a record of a later version is -ENOTSUP. Earlier versions are read
 *
 * Octets   numbers are little-endian; a text is its length in 4 octets and its octets, without NUL
 *
 *   envelope  version 3 (1), qid (8), sid (8), arrived_ms (8), size (8), header_octets (8),
 *             form (1), flags (1; 1: is_utf8, 2: require_tls), release_ms (8), ret (1), account, sender,
 *             envid, number of recipients (4), each recipient: address, notify (1), orcpt
 *   version 2 has neither flags nor release_ms; its form is 0 or 1
 *   version 1 has neither ret, envid, notify nor orcpt besides
 *
 *   note      version 2 (1), flags (1; 1: held, 2: warned), attempts (4), last_ms (8), next_ms (8; of a
 *             message that waits for its release: release_ms),
 *             number of recipients (4); for each: state (1), code (2), class (1), subject (2),
 *             detail (2), flags (1; 1: there is a text, 2: a smarthost, 4: its notice is still to
 *             be made), text, smarthost; number of tries (4); for each: first_ms (8), last_ms (8),
 *             times (4), recipients (4), code (2), class (1), subject (2), detail (2), flags (1;
 *             1 and 2 as above), text, smarthost
 *   version 1 has neither flags nor tries
 *
 * The spool (doc/spool.md) keeps both as they are and sums them; nothing stands behind the last
 * field.
 */
#pragma once

#include "base/buf.h"
#include "smtp/content.h"
#include "smtp/dsn.h"
#include "smtp/reply.h"

struct envelope_recipient {
	char *address;	/* without angle brackets */
	char *orcpt;	/* as sent (xtext); "": not given */
	uint8_t notify; /* flags of enum smtp_notify; 0: not given */
};

struct envelope {
	uint64_t qid, sid;
	char *account; /* who handed it in; "" for our own notices */
	char *sender;  /* reverse-path without angle brackets; "": <> */
	char *envid;   /* xtext; "": not given */
	enum smtp_ret ret;
	struct envelope_recipient *recipients;
	size_t recipient_count;
	int64_t arrived_ms;
	uint64_t size;		/* content octets */
	uint64_t header_octets; /* of the content: how far the header section goes */
	unsigned form;	    /* of the content: enum smtp_form; of it ENVELOPE_FORMS are stored */
	bool is_utf8;	    /* the sender said SMTPUTF8 */
	bool require_tls;   /* and REQUIRETLS */
	int64_t release_ms; /* FUTURERELEASE: not before then, by the wall clock; 0: at once */
};

/* What is true of a content wherever it is read. Not SMTP_FORM_DOTLESS, which is what the session
 * saw: what is read from the spool at a later attempt is looked at on its way out. */
enum {
	ENVELOPE_FORMS =
		SMTP_FORM_8BIT | SMTP_FORM_8BIT_HEADER | SMTP_FORM_LONG_LINES | SMTP_FORM_BINARY
};

/* A later release is none that can be kept: the end of the year 9999. */
#define ENVELOPE_RELEASE_MOST_MS INT64_C(253402300799999)

/* With as many, whatever their addresses are and whatever was said of them, each of both fits into
 * a record of the spool's (16 MiB). */
enum { ENVELOPE_RECIPIENTS_MOST = 20000 };

enum recipient_state { RECIPIENT_WAITING, RECIPIENT_DELIVERED, RECIPIENT_FAILED };

struct recipient_status {
	enum recipient_state state;
	int code; /* the last reply's; 0: none */
	struct smtp_status status;
	char *text;	 /* the last reply's words, or our own reason; NULL: none yet */
	char *smarthost; /* label; NULL: none could be asked */
	bool is_owed;	 /* DELIVERED, FAILED: the sender is still to be told */
};

/* One reply that came, and how often the same came in a row: "tried 12 times between 9:00 and 15:00". */
struct delivery_try {
	int64_t first_ms, last_ms;
	unsigned times;
	unsigned recipients; /* how many heard it, the last time */
	int code;
	struct smtp_status status;
	char *text, *smarthost; /* as in struct recipient_status */
};

enum { DELIVERY_TRIES_MOST = 16 }; /* of more, the first four and the last are kept */

struct delivery {
	unsigned attempts;
	int64_t last_ms, next_ms;	     /* 0: never / at once */
	bool is_held;			     /* by hand */
	bool is_warned;			     /* the sender has had a delay notice */
	struct recipient_status *recipients; /* as many as the envelope's */
	size_t recipient_count;
	struct delivery_try *tries; /* the oldest first */
	size_t try_count;
};

void envelope_fini(struct envelope *e);
/* params may be NULL. */
void envelope_add_recipient(struct envelope *e, struct span mailbox,
			    const struct smtp_rcpt_params *params);
void envelope_encode(const struct envelope *e, struct buf *out);
int envelope_decode(struct span in, struct envelope *out);

void delivery_init(struct delivery *d, size_t recipient_count);
void delivery_fini(struct delivery *d);
/* Adds what one recipient heard; joins it to the last try where it is the same. Copies. */
void delivery_add_try(struct delivery *d, int64_t now_ms, const struct recipient_status *heard);
void delivery_encode(const struct delivery *d, struct buf *out);
int delivery_decode(struct span in, struct delivery *out);

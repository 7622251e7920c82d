/* auth/conversation.h (private): logins that take several requests.
 *
 * Shape    conversation_hear() once per request; it finds the conversation by its number, or begins it
 * Owns     at most AUTH_CONVERSATIONS_MAX, each for AUTH_CONVERSATION_MS from its begin; the oldest
 *          makes room. What they hold is wiped when they end
 * Errors   verdicts; any but AUTH_CONTINUE ends the conversation
 */
#pragma once

#include "auth/frame.h"
#include "auth/mech.h"
#include "scram.h"

#include "base/list.h"
#include "base/map.h"

#include <sasl/sasl.h>

struct checker;
struct conversation;

/* How a mechanism talks. */
struct talk {
	/* response NULL: the client has said nothing yet. Fills c->challenge with AUTH_CONTINUE. */
	enum auth_verdict (*hear)(struct checker *c, struct conversation *v,
				  const struct span *response);
	void (*fini)(struct conversation *v);
};

extern const struct talk talk_scram, talk_cram, talk_gssapi;

struct conversation {
	struct list_node node;
	uint64_t number;
	int64_t until_ms;
	const struct auth_mech *mech;
	const struct talk *talk;
	unsigned stage;			  /* as the mechanism counts, from 0 */
	struct buf account;		  /* once it is known */
	bool has_binding;		  /* as the first request said */
	struct buf binding, binding_data; /* as the first one that had any */
	/* talk_scram */
	struct scram scram;
	char credential[AUTH_APP_ID_MAX];
	/* talk_cram, talk_gssapi */
	sasl_conn_t *conn;
};

struct conversations {
	struct map by_number;
	struct list oldest_first;
};

void conversations_init(struct conversations *all);
void conversations_fini(struct conversations *all);
/* Ends those whose time is over; in how many ms the next one's is, -1: there is none. */
int64_t conversations_expire(struct conversations *all, int64_t now_ms);
enum auth_verdict conversation_hear(struct checker *c, const struct auth_request *request);

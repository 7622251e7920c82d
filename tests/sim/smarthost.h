/* smarthost.h: scripted smarthosts: they take mail, or do what real ones do at their worst.
 *
 * Shape    smarthosts_begin -> (moods come and go) -> smarthosts_behave -> smarthosts_end
 *
 * smarthost.c  moods, connections, limits
 * talk.c       one connection: commands, replies and misdeeds
 */
#pragma once

#include "net.h"
#include "relay/relay.h"
#include "world.h"

enum { SMARTHOSTS_MOST = 3 };

#define MOODS(X)                                                                                   \
	X(GOOD)                                                                                    \
	X(FLAKY)  /* each command may go wrong in any way */                                       \
	X(SLOW)	  /* answers take seconds to minutes */                                            \
	X(DEAD)	  /* refuses connections, or is not there at all */                                \
	X(CLOSED) /* greets with 421 or 554 */                                                     \
	X(LOCKED) /* no login succeeds */

enum mood {
#define X(name) MOOD_##name,
	MOODS(X)
#undef X
		MOOD_COUNT
};

struct smarthost {
	char name[16], host[32];
	int port;
	enum smtp_client_tls tls;
	bool wants_login;
	unsigned connections, rate; /* what the process was told of */
	int64_t pause_first_ms, pause_most_ms;
	unsigned messages_each; /* over one connection */

	enum mood mood;
	bool is_silent; /* DEAD: does not even refuse */
	struct event turn;
	struct list talks;
	struct sent {
		unsigned life;
		int64_t begun_ms;
	} * sent; /* each transaction that came to DATA */
	unsigned sent_count;
	/* Since it has been of no use. */
	int64_t down_ms;
	unsigned calls_in_vain, hurries;
};

struct smarthosts {
	struct smarthost hosts[SMARTHOSTS_MOST];
	unsigned count;
	bool is_good;	  /* from now on all behave */
	unsigned badness; /* 0 to 100 */
};

extern struct smarthosts smarthosts;

void smarthosts_begin(void);
void smarthosts_end(void);
/* No more faults. */
void smarthosts_behave(void);
/* The process has a reason to ask earlier than its pauses would have it: a new start, a flush. */
void smarthosts_hurried(void);
/* How many loops ask. */
extern unsigned smarthosts_askers;
/* Limits over the whole run. */
void smarthosts_judge(void);

/* talk.c */
void *talk_new(struct smarthost *host, struct net *net);
void talk_free(void *peer);
void talk_connected(void *peer);
size_t talk_octets(void *peer, struct span octets);
bool talk_secure(void *peer);
/* The talks of a smarthost that dies. */
void talks_reset(struct smarthost *host);
unsigned talks_of_process(const struct smarthost *host);

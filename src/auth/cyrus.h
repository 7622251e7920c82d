/* auth/cyrus.h (private): logins as Cyrus SASL sees them.
 *
 * Shape    cyrus_start() once -> cyrus_login() for each attempt with a password; cyrus_talk_new() ->
 *          _start() -> _step() ... -> _free() for each conversation. A connection of its own for each
 * Thread   one; Cyrus keeps its state in globals, so one in a process
 * Owns     nothing of the configuration
 * Errors   SASL codes; what Cyrus said stands in cyrus_words()
 *
 * Options come from here alone: no file of Cyrus's is read, and of its plug-ins only those named
 * are loaded.
 */
#pragma once

#include "base/span.h"

#include <sasl/sasl.h>

enum { CYRUS_WORDS_MAX = 512 };

struct cyrus_conf {
	const char *hostname;
	const char *realm; /* NULL: none */
	const char *mechanisms;
	const char *pwcheck_method;
	const char *auxprop_plugin;
	const char *saslauthd_path; /* may change between logins */
	const char *sasldb_path;    /* NULL: Cyrus's own */
	const char *const *plugins; /* file names, NULL at the end */
	/* Whether who logged in as `identity` may act as `requested`, which is another text. */
	bool (*may_act_as)(void *user, struct span requested, struct span identity);
	/* Asked instead of a method of Cyrus's when set: SASL_OK or why not. */
	int (*check)(void *user, const char *account, struct span password);
	void *user;
};

struct cyrus {
	const struct cyrus_conf *conf;
	sasl_callback_t callbacks[8];
	bool is_checked;  /* conf->check has been asked, */
	int check_result; /* and said this */
	size_t words_len;
	char words[CYRUS_WORDS_MAX];
};

/* `c` and `conf` live until cyrus_stop(). */
int cyrus_start(struct cyrus *c, const struct cyrus_conf *conf);
void cyrus_stop(struct cyrus *c);
/* account and password hold no NUL. */
int cyrus_login(struct cyrus *c, const char *mechanism, const char *account, struct span password);

/* Conversations: codes as Cyrus's, SASL_CONTINUE with a challenge, which lives until the next call. */
int cyrus_talk_new(struct cyrus *c, sasl_conn_t **conn);
/* initial NULL: none. */
int cyrus_talk_start(struct cyrus *c, sasl_conn_t *conn, const char *mechanism,
		     const struct span *initial, struct span *challenge);
int cyrus_talk_step(struct cyrus *c, sasl_conn_t *conn, struct span response,
		    struct span *challenge);
/* Who logged in, after SASL_OK; empty: nobody. Lives as long as conn. */
struct span cyrus_talk_identity(sasl_conn_t *conn);
/* Whether `identity` is the account, but for the realm. */
bool cyrus_is_account(const struct cyrus *c, struct span identity, struct span account);
void cyrus_talk_free(sasl_conn_t **conn);

/* What Cyrus had to say in the last call, for the log. */
const char *cyrus_words(const struct cyrus *c);

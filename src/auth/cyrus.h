/* auth/cyrus.h (private): one login as Cyrus SASL sees it.
 *
 * Shape    cyrus_start() once -> cyrus_login() for each attempt, with a connection of its own
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
/* What Cyrus had to say about the last login, for the log. */
const char *cyrus_words(const struct cyrus *c);

/* auth/checker.h (private): one login request after the other, against one back end.
 *
 * Shape    checker_start(hello) -> checker_check(request) -> answer
 * Thread   one checker in a process: Cyrus is global
 * Owns     users table, cache, Cyrus; the answer's octets until the next check
 * Errors   verdicts: a back end that cannot be asked is AUTH_UNAVAILABLE, with a detail that says
 *          what to do, never AUTH_WRONG
 */
#pragma once

#include "auth/frame.h"
#include "auth/users.h"
#include "cache.h"
#include "cyrus.h"
#include "settings.h"

#include <sys/un.h>

struct checker;

/* What a back end does its own way. */
struct checker_backend {
	const char *pwcheck_method, *auxprop_plugin;
	const char *const *plugins;
	int (*check)(void *checker, const char *account, struct span password); /* or NULL */
	/* Whether it can be asked at all; the fault goes into the log. */
	int (*ready)(struct checker *c, struct fault *fault);
	/* What `code`, which is not SASL_OK, means; fills c->detail. */
	enum auth_verdict (*judge)(struct checker *c, int code);
};

extern const struct checker_backend checker_users, checker_saslauthd, checker_sasldb;

struct checker {
	struct settings settings;
	const struct checker_backend *backend;
	struct cyrus_conf cyrus_conf;
	struct cyrus cyrus;
	int cyrus_started; /* what cyrus_start() said */
	struct buf account;
	char detail[AUTH_DETAIL_OCTETS_MAX + 1];
	/* checker_users */
	struct auth_users *users;
	struct cache *cache;
	struct fault flaw; /* of the file on disk, while an older table is in use */
	/* checker_saslauthd */
	char mux[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int next_descriptor;
};

void checker_start(struct checker *c, const struct auth_hello *hello);
void checker_stop(struct checker *c);
void checker_check(struct checker *c, const struct auth_request *request,
		   struct auth_answer *answer);
/* Wipes what need not be kept any longer; in how many ms to call again, -1: no need. */
int64_t checker_expire(struct checker *c);

void checker_say(struct checker *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int64_t checker_now_ms(void);
/* Codes by which a back end says no; all others mean that it said nothing. */
bool checker_is_refusal(int code);

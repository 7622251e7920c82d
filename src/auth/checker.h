/* auth/checker.h (private): one login request after the other, against one back end.
 *
 * Shape    checker_start(hello) -> checker_check(request) -> answer
 * Thread   one checker in a process: Cyrus is global
 * Owns     users table, cache, conversations, Cyrus; the answer's octets until the next check
 * Errors   verdicts: a back end that cannot be asked is AUTH_UNAVAILABLE, with a detail that says
 *          what to do, never AUTH_WRONG
 *
 * Passwords are UTF-8: one that is not comes from a client that sends Latin-1 and is made UTF-8 before
 * its one check (auth/users.h and the other back ends hold no others).
 */
#pragma once

#include "auth/frame.h"
#include "auth/users.h"
#include "cache.h"
#include "conversation.h"
#include "cyrus.h"
#include "settings.h"

#include <sys/un.h>

struct checker;

/* What a back end does its own way. */
struct checker_backend {
	const char *pwcheck_method, *auxprop_plugin;
	const char *plugin; /* that it needs besides; NULL: none */
	int (*check)(void *checker, const char *account, struct span password); /* or NULL */
	/* Whether it can be asked at all; the fault goes into the log. */
	int (*ready)(struct checker *c, struct fault *fault);
	/* As ready(), when nobody logs in: what only a login would find out is asked for. NULL: the
	 * same. */
	int (*probe)(struct checker *c, struct fault *fault);
	/* Appends what names the present state of all its passwords, another with every change. False:
	 * it cannot tell. NULL: never; nothing is remembered then but by `check`. */
	bool (*state)(const struct checker *c, struct buf *out);
	/* What `code`, which is not SASL_OK, means; fills c->detail. */
	enum auth_verdict (*judge)(struct checker *c, int code);
};

extern const struct checker_backend checker_users, checker_saslauthd, checker_sasldb;

enum { CHECKER_PLUGINS_MAX = 8 };

struct checker {
	struct settings settings;
	const struct checker_backend *backend;
	struct cyrus_conf cyrus_conf;
	struct cyrus cyrus;
	int cyrus_started; /* what cyrus_start() said */
	const char *plugins[CHECKER_PLUGINS_MAX];
	struct conversations conversations;
	/* Of the present answer. */
	struct buf account, challenge;
	char credential[AUTH_APP_ID_MAX];
	uint64_t good_until_s;
	struct buf file_state;
	char detail[AUTH_DETAIL_OCTETS_MAX + 1];
	/* The users file: accounts of checker_users, app passwords of all. */
	struct auth_users *users;
	bool is_file_asked; /* in this check, */
	struct fault file;  /* and this was said */
	struct cache *cache;
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
/* Why a login by `mech` cannot be (also NULL: unknown); NULL: it can. */
const char *checker_mech_flaw(const struct checker *c, const struct auth_mech *mech);
bool checker_has_cyrus(struct checker *c);
/* Whether Cyrus and the back end can be asked; says why not. */
bool checker_can_ask(struct checker *c);
/* What a Cyrus without that plug-in comes to. */
enum auth_verdict checker_no_plugin(struct checker *c, const char *mechanism);

/* The account that a name stands for; false, and says so, when it can be none. */
bool checker_account(struct checker *c, struct span name, struct buf *out);
/* Whether that account may act as authzid: as itself only, whatever it is called, or as nobody. */
bool checker_may_act(struct checker *c, struct span authzid, struct span account);

/* checker_file.c: the users file. */

/* Once in a check: whether the table is as the file. -ENOENT: there is none. */
int checker_file_ready(struct checker *c, struct fault *fault);
/* Whether the file, which is ready, has the account, by a password of its own or app passwords. */
bool checker_is_user(const struct checker *c, struct span account);
/* Whether an account that was proven without a password of ours may log in: with checker_users it must
 * stand in the file. Fills c->detail where not. */
enum auth_verdict checker_admit(struct checker *c, struct span account);

/* checker_app.c: app passwords. */

bool checker_is_expired(const struct auth_app_password *app);
enum auth_verdict checker_say_expired(struct checker *c, const char *id);
/* AUTH_OK, _EXPIRED: it is one of c->account. AUTH_WRONG: it is none. AUTH_UNAVAILABLE: none can be
 * looked for, c->file says why. */
enum auth_verdict checker_app_check(struct checker *c, struct span password);
/* Whether it looks as those do that auth_users_app_add() makes. */
bool checker_app_looks_like(struct span password);

/* checker_password.c: PLAIN and LOGIN. */
enum auth_verdict checker_password(struct checker *c, const struct auth_mech *mech,
				   const struct auth_request *request);
/* checker_external.c */
enum auth_verdict checker_external(struct checker *c, const struct auth_request *request);

#include "login.h"

#include <errno.h>

bool login_has_binding(const struct session *s)
{
	return strstr(s->mechanisms, "-PLUS") != NULL;
}

/* An accepted login with a detail: the users file has a flaw, and its former content is in use. */
static enum log_level level_of(const struct session *s, const struct auth_answer *a)
{
	if (a->verdict == AUTH_UNAVAILABLE)
		return LOG_LEVEL_ERROR;
	if (a->verdict == AUTH_OK &&
	    (a->detail.len || s->listen->conf->profile == CONF_PROFILE_LEGACY))
		return LOG_LEVEL_WARN;
	return LOG_LEVEL_INFO;
}

void login_log(struct session *s, const struct login *login, const struct auth_answer *a)
{
	struct logline l;

	session_log_start(s, &l, level_of(s, a), "login");
	logline_text(&l, "verdict", auth_verdict_name(a->verdict));
	if (a->account.len)
		logline_span(&l, "account", a->account);
	if (a->credential.len)
		logline_span(&l, "app_password", a->credential);
	logline_text(&l, "mech", login->mech->name);
	logline_text(&l, "address", s->address);
	if (s->listen->conf->profile == CONF_PROFILE_LEGACY)
		logline_text(&l, "profile", "legacy");
	if (a->detail.len)
		logline_span(&l, "detail", a->detail);
	session_log_put(s, &l);
}

void login_count(struct counters *counters, enum auth_verdict verdict)
{
	if (verdict == AUTH_OK)
		counter_add(&counters->logins_ok, 1);
	else if (verdict == AUTH_UNAVAILABLE)
		counter_add(&counters->logins_unavailable, 1);
	else
		counter_add(&counters->logins_failed, 1);
}

#define WRONG                                                                                      \
	SMTP_REPLY(535, 5, 7, 8,                                                                   \
		   "User name or password not accepted; check both in the settings of the "        \
		   "outgoing server")

/* An app password past its end reads like a wrong one: who does not know it learns nothing. */
static const struct smtp_reply replies[] = {
	[AUTH_OK] = SMTP_REPLY(235, 2, 7, 0, "Logged in"),
	[AUTH_WRONG] = WRONG,
	[AUTH_EXPIRED] = WRONG,
	[AUTH_MALFORMED] = SMTP_REPLY(501, 5, 5, 2, "The login was sent in a malformed way"),
	[AUTH_UNAVAILABLE] = SMTP_REPLY(454, 4, 7, 0,
					"Logins cannot be checked right now; your "
					"password may be right, try again later"),
	[AUTH_APP_REQUIRED] = SMTP_REPLY(534, 5, 7, 9,
					 "An app password is required here; ask your help desk "
					 "for one and use it in place of your own"),
};

const struct smtp_reply *login_reply(enum auth_verdict verdict)
{
	return &replies[verdict];
}

static const char *why_no_answer(int status)
{
	switch (status) {
	case 0:
		return "the login worker's answer is malformed";
	case -ETIMEDOUT:
		return "no login worker answered in time (login.deadline, login.workers)";
	case -EAGAIN:
		return "too many logins wait (login.waiting)";
	case -ECHILD:
		return "no login worker can be started";
	case -ESTALE:
		return "the login worker was replaced while the login was under way";
	default:
		return "the login worker ended before it answered";
	}
}

void login_answer_of(const struct worker_ask *ask, struct auth_answer *out)
{
	if (ask->status == 0 && auth_answer_decode(buf_span(&ask->answer), out) == 0)
		return;
	*out = (struct auth_answer){ .verdict = AUTH_UNAVAILABLE };
	out->detail = span_text(why_no_answer(ask->status));
}

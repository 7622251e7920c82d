#include "session.h"

#include "auth/frame.h"
#include "auth/mech.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

/* Lives until the worker's answer is here, also when the session is gone before. */
struct login {
	struct worker_ask ask;
	struct session *session; /* NULL: nobody waits any more */
	struct submit *submit;
	unsigned ticket;
	bool is_asked;
	const struct auth_mech *mech;
	struct buf responses[AUTH_RESPONSES_MAX];
	unsigned response_count;
	char *name; /* as the worker read it, for the log */
};

static void login_free(struct login *login)
{
	for (unsigned i = 0; i < AUTH_RESPONSES_MAX; i++)
		buf_wipe(&login->responses[i]);
	buf_wipe(&login->ask.request);
	buf_wipe(&login->ask.answer);
	free(login->name);
	free(login);
}

void login_drop(struct session *s)
{
	struct login *login = s->login;

	s->login = NULL;
	if (login == NULL)
		return;
	if (login->is_asked)
		login->session = NULL;
	else
		login_free(login);
}

const char *login_last_name(const struct session *s)
{
	return s->login ? s->login->name : NULL;
}

/* An accepted login with a detail: the users file has a flaw, and its former content is in use. */
static enum log_level login_level(const struct auth_answer *a)
{
	if (a->verdict == AUTH_UNAVAILABLE)
		return LOG_LEVEL_ERROR;
	return a->verdict == AUTH_OK && a->detail.len ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;
}

static void log_login(struct session *s, const struct login *login, const struct auth_answer *a)
{
	struct logline l;

	session_log_start(s, &l, login_level(a), "login");
	logline_text(&l, "verdict", auth_verdict_name(a->verdict));
	if (a->account.len)
		logline_span(&l, "account", a->account);
	logline_text(&l, "mech", login->mech->name);
	logline_text(&l, "address", s->address);
	if (a->detail.len)
		logline_span(&l, "detail", a->detail);
	session_log_put(s, &l);
}

static void count_login(struct counters *counters, enum auth_verdict verdict)
{
	if (verdict == AUTH_OK)
		counter_add(&counters->logins_ok, 1);
	else if (verdict == AUTH_UNAVAILABLE)
		counter_add(&counters->logins_unavailable, 1);
	else
		counter_add(&counters->logins_failed, 1);
}

static const struct smtp_reply verdict_replies[] = {
	[AUTH_OK] = SMTP_REPLY(235, 2, 7, 0, "Logged in"),
	[AUTH_WRONG] = SMTP_REPLY(535, 5, 7, 8,
				  "User name or password not accepted; check both in the "
				  "settings of the outgoing server"),
	[AUTH_MALFORMED] = SMTP_REPLY(501, 5, 5, 2, "The login was sent in a malformed way"),
	[AUTH_UNAVAILABLE] = SMTP_REPLY(454, 4, 7, 0,
					"Logins cannot be checked right now; your "
					"password may be right, try again later"),
};

static const char *why_no_answer(int status)
{
	switch (status) {
	case 0:
		return "the login worker's answer is malformed";
	case -ETIMEDOUT:
		return "no login worker answered in time (login.deadline, login.workers)";
	case -EAGAIN:
		return "too many logins wait (login.waiting), or no login worker can be started";
	default:
		return "the login worker ended before it answered";
	}
}

static void answer_of(const struct worker_ask *ask, struct auth_answer *out)
{
	if (ask->status == 0 && auth_answer_decode(buf_span(&ask->answer), out) == 0)
		return;
	*out = (struct auth_answer){ .verdict = AUTH_UNAVAILABLE };
	out->detail = span_text(why_no_answer(ask->status));
}

static void on_answer(struct worker_ask *ask)
{
	struct login *login = work_entry(ask, struct login, ask);
	struct session *s = login->session;
	struct auth_answer answer;

	login->is_asked = false;
	if (s == NULL) {
		login_free(login);
		return;
	}
	answer_of(ask, &answer);
	log_login(s, login, &answer);
	count_login(s->submit->conf.counters, answer.verdict);
	free(login->name);
	login->name = answer.account.len ? mem_text_n(answer.account.at, answer.account.len) : NULL;
	if (answer.verdict == AUTH_OK) {
		free(s->account);
		s->account = mem_text(login->name ? login->name : "");
	}
	session_answer(s, login->ticket, &verdict_replies[answer.verdict]);
}

static void ask_worker(struct session *s)
{
	struct login *login = s->login;
	struct auth_request request = { .mechanism = span_text(login->mech->name) };

	for (unsigned i = 0; i < login->response_count; i++)
		request.responses[i] = buf_span(&login->responses[i]);
	request.response_count = login->response_count;
	auth_request_encode(&request, &login->ask.request);
	for (unsigned i = 0; i < login->response_count; i++)
		buf_wipe(&login->responses[i]);
	login->ask.home = s->submit->conf.loop;
	login->ask.done = on_answer;
	login->is_asked = true;
	worker_ask(s->submit->conf.logins, &login->ask);
}

/* The next prompt, or, with all responses here, the question to a worker. */
static void go_on(struct session *s, unsigned ticket)
{
	struct login *login = s->login;

	login->ticket = ticket;
	if (login->response_count == login->mech->challenge_count) {
		ask_worker(s);
		return;
	}
	smtp_server_answer(s->engine, ticket,
			   &(struct smtp_reply){
				   .code = 334,
				   .text = span_text(
					   login->mech->challenges[login->response_count]),
			   });
}

void login_on_auth(struct session *s, const struct smtp_event *ev)
{
	const struct auth_mech *mech = auth_mech_find(ev->text);

	login_drop(s);
	if (mech == NULL) {
		smtp_server_answer(s->engine, ev->ticket,
				   &SMTP_REPLY(504, 5, 5, 4, "This way to log in is not offered"));
		return;
	}
	s->login = mem_new(struct login);
	s->login->session = s;
	s->login->submit = s->submit;
	s->login->mech = mech;
	if (ev->has_data)
		buf_put_span(&s->login->responses[s->login->response_count++], ev->data);
	go_on(s, ev->ticket);
}

void login_on_line(struct session *s, const struct smtp_event *ev)
{
	buf_put_span(&s->login->responses[s->login->response_count++], ev->data);
	go_on(s, ev->ticket);
}

void login_on_cancel(struct session *s, const struct smtp_event *ev)
{
	(void)ev;
	login_drop(s);
}

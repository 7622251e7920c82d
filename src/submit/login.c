#include "login.h"

#include "backend.h"
#include "base/mem.h"
#include "words.h"

#include <errno.h>
#include <stdlib.h>

/* As soon as they are on their way: the session, and the login with it, may last for hours. */
static void wipe_responses(struct login *login)
{
	for (unsigned i = 0; i < AUTH_RESPONSES_MAX; i++)
		buf_wipe(&login->responses[i]);
}

static void login_free(struct login *login)
{
	wipe_responses(login);
	mem_wipe(&login->key, sizeof(login->key));
	buf_wipe(&login->ask.request);
	buf_wipe(&login->ask.answer);
	free(login->name);
	free(login);
}

static void on_ended(struct worker_ask *ask)
{
	login_free(work_entry(ask, struct login, ask));
}

/* The worker need not keep a conversation that nobody goes on with. */
static void end_conversation(struct submit *submit, struct login *login)
{
	const struct auth_request request = { .mechanism = span_text(login->mech->name),
					      .conversation = login->conversation,
					      .is_end = true };

	login->session = NULL;
	buf_wipe(&login->ask.request);
	buf_wipe(&login->ask.answer);
	auth_request_encode(&request, &login->ask.request);
	login->ask.done = on_ended;
	worker_ask(submit->conf.logins, &login->ask);
}

void login_drop(struct session *s)
{
	struct login *login = s->login;

	s->login = NULL;
	if (login == NULL)
		return;
	if (login->is_asked) {
		/* Else one client that asks and leaves, again and again, would fill the line of all. */
		login->session = NULL;
		worker_ask_withdraw(&login->ask);
	} else if (login->is_talking) {
		end_conversation(s->submit, login);
	} else {
		login_free(login);
	}
}

const char *login_last_name(const struct session *s)
{
	return s->login ? s->login->name : NULL;
}

static bool is_named(const struct conf_list *users, const char *account)
{
	for (size_t i = 0; i < users->count; i++)
		if (strcmp(users->at[i], account) == 0)
			return true;
	return users->count == 0;
}

static bool may_log_in_here(const struct session *s, const struct login *login)
{
	return login->name && is_named(&s->listen->conf->users, login->name);
}

static void admit(struct session *s, const struct login *login, const struct auth_answer *answer)
{
	if (!s->is_known)
		gate_know(s->submit->conf.gate, &s->gate_address);
	s->is_known = true;
	free(s->account);
	free(s->credential);
	s->account = mem_text(login->name);
	s->credential = mem_text_n(answer->credential.at, answer->credential.len);
	/* Then it ends behind its 235, as it would have, had the login been a moment earlier. */
	s->is_revoked =
		withdrawn_hit(&s->submit->withdrawn, login->withdrawn, s->account, s->credential);
	if (s->submit->conf.used)
		s->submit->conf.used(s->submit->conf.user, s->account, s->credential, s->address);
	if (s->listen->conf->profile == CONF_PROFILE_LEGACY)
		counter_add(&s->submit->conf.counters->logins_legacy, 1);
}

static void challenge(struct session *s, unsigned ticket, struct span octets)
{
	smtp_server_answer(s->engine, ticket, &(struct smtp_reply){ .code = 334, .text = octets });
}

/* It was the right password: to say so tells nobody anything that another port would not. */
static struct smtp_reply turn_away(struct session *s, struct auth_answer *answer)
{
	answer->verdict = AUTH_WRONG;
	answer->detail = span_text("not among the users of this listener");
	buf_clear(&s->submit->scratch);
	return words_for_other_users(s->listen->tls_port, &s->submit->scratch);
}

/* What a verdict comes to: for the session, the log, the counters. Its text lives until the next event. */
static struct smtp_reply conclude(struct session *s, const struct auth_answer *a)
{
	struct login *login = s->login;
	struct auth_answer answer = *a;
	struct smtp_reply reply = *login_reply(answer.verdict);

	mem_wipe(&login->key, sizeof(login->key));
	free(login->name);
	login->name = answer.account.len ? mem_text_n(answer.account.at, answer.account.len) : NULL;
	if (answer.verdict == AUTH_OK && may_log_in_here(s, login))
		admit(s, login, &answer);
	else if (answer.verdict == AUTH_OK)
		reply = turn_away(s, &answer);
	login_log(s, login, &answer);
	login_count(s->submit->conf.counters, answer.verdict);
	return reply;
}

static void on_answer(struct worker_ask *ask)
{
	struct login *login = work_entry(ask, struct login, ask);
	struct session *s = login->session;
	struct auth_answer answer;
	struct smtp_reply reply;

	login->is_asked = false;
	if (s == NULL) { /* and the submit may be gone: the worker forgets by itself */
		login_free(login);
		return;
	}
	login_answer_of(ask, &answer);
	login->is_talking = answer.verdict == AUTH_CONTINUE;
	backend_heard(s->submit, ask->status, answer.verdict);
	if (login->is_talking) {
		challenge(s, login->ticket, answer.challenge);
		buf_wipe(&login->ask.answer);
		session_resume(s);
		return;
	}
	auth_recent_keep(s->submit->recent, &login->key, loop_now_ms(s->submit->conf.loop),
			 wall_now_ms(), &answer);
	reply = conclude(s, &answer);
	session_answer(s, login->ticket, &reply);
}

static void ask_worker(struct session *s, const struct auth_request *request)
{
	struct login *login = s->login;

	buf_wipe(&login->ask.request);
	auth_request_encode(request, &login->ask.request);
	login->ask.home = s->submit->conf.loop;
	login->ask.done = on_answer;
	login->is_asked = true;
	worker_ask(s->submit->conf.logins, &login->ask);
}

/* Whether a worker said yes to this a short while ago: then that is the answer. */
static bool is_answered_again(struct session *s, const struct auth_request *request)
{
	struct auth_recent *recent = s->submit->recent;
	struct login *login = s->login;
	struct auth_answer answer;
	struct smtp_reply reply;

	auth_recent_key(recent, request, &login->key);
	if (!auth_recent_find(recent, &login->key, loop_now_ms(s->submit->conf.loop), wall_now_ms(),
			      &answer))
		return false;
	reply = conclude(s, &answer);
	smtp_server_answer(s->engine, login->ticket, &reply);
	return true;
}

/* The next prompt, or, with all responses here, the verdict, for which a worker may have to be asked. */
static void go_on_whole(struct session *s, unsigned ticket)
{
	struct login *login = s->login;
	struct auth_request request = { .mechanism = span_text(login->mech->name),
					.names = buf_span(&s->certificate_names) };

	login->ticket = ticket;
	if (login->response_count < login->mech->challenge_count) {
		challenge(s, ticket, span_text(login->mech->challenges[login->response_count]));
		return;
	}
	for (unsigned i = 0; i < login->response_count; i++)
		request.responses[i] = buf_span(&login->responses[i]);
	request.response_count = login->response_count;
	if (!is_answered_again(s, &request))
		ask_worker(s, &request);
	wipe_responses(login);
}

static void go_on_talking(struct session *s, unsigned ticket, const struct span *response)
{
	struct login *login = s->login;
	struct buf binding = { 0 };
	struct auth_request request = { .mechanism = span_text(login->mech->name),
					.conversation = login->conversation,
					.is_next = login->is_talking,
					.has_binding = login_has_binding(s) };

	login->ticket = ticket;
	if (response) {
		request.responses[0] = *response;
		request.response_count = 1;
		if (!login->is_talking)
			request.binding = auth_mech_binding(*response);
	}
	if (request.binding.len && request.binding.len <= AUTH_MECHANISMS_OCTETS_MAX &&
	    stream_tls_binding(s->stream, request.binding, &binding) == 0)
		request.binding_data = buf_span(&binding);
	ask_worker(s, &request);
	buf_wipe(&binding);
}

/* Some mechanisms begin with the client, which may have left its first words out of the command. */
static void go_on(struct session *s, unsigned ticket, const struct span *response)
{
	struct login *login = s->login;

	if (login->mech->kind == AUTH_MECH_CONVERSATION) {
		if (response || login->mech->is_server_first)
			go_on_talking(s, ticket, response);
		else
			challenge(s, ticket, span_text(""));
		return;
	}
	if (response)
		buf_put_span(&login->responses[login->response_count++], *response);
	go_on_whole(s, ticket);
}

void login_on_auth(struct session *s, const struct smtp_event *ev)
{
	static const struct smtp_reply unknown =
		SMTP_REPLY(504, 5, 5, 4, "This way to log in is not offered");
	const struct auth_mech *mech = auth_mech_find(ev->text);

	login_drop(s);
	if (mech == NULL) {
		smtp_server_answer(s->engine, ev->ticket, &unknown);
		return;
	}
	s->login = mem_new(struct login);
	s->login->session = s;
	s->login->mech = mech;
	s->login->withdrawn = s->submit->withdrawn.count;
	if (mech->kind == AUTH_MECH_CONVERSATION) {
		random_fill(&s->login->conversation, sizeof(s->login->conversation));
		s->login->conversation |= 1; /* 0 means none */
	}
	go_on(s, ev->ticket, ev->has_data ? &ev->data : NULL);
}

void login_on_line(struct session *s, const struct smtp_event *ev)
{
	go_on(s, ev->ticket, &ev->data);
}

void login_on_cancel(struct session *s, const struct smtp_event *ev)
{
	(void)ev;
	login_drop(s);
}

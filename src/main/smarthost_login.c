#include "smarthost_login.h"

#include "auth/client.h"
#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

enum step { STEP_START, STEP_CHALLENGE, STEP_END };

struct relay_login {
	struct lane_job job;
	struct smarthost_logins *logins;
	void *attempt;
	enum step step;
	bool is_running, is_ended;
	char *host, *user, *offered, *keytab, *binding; /* the last two may be NULL */
	struct secret password, binding_data;
	bool is_tls;
	bool is_complete;	    /* as of the last step */
	struct auth_client *client; /* touched on the lane only */
	struct buf challenge, response;
	const char *mechanism;
	bool has_response;
	int status;
	struct fault fault;
};

static int start_client(struct relay_login *login)
{
	struct auth_client_conf conf = {
		.host = login->host,
		.user = login->user,
		.password = secret_span(&login->password),
		.offered = login->offered,
		.is_tls = login->is_tls,
		.keytab = login->keytab,
		.binding = login->binding,
		.binding_data = secret_span(&login->binding_data),
	};

	login->client = auth_client_new(&conf, &login->fault);
	if (login->client == NULL)
		return login->fault.code;
	return auth_client_start(login->client, &login->mechanism, &login->response,
				 &login->has_response, &login->fault);
}

static void run(struct lane_job *job)
{
	struct relay_login *login = list_entry(job, struct relay_login, job);

	buf_wipe(&login->response);
	login->mechanism = NULL;
	switch (login->step) {
	case STEP_START:
		login->status = start_client(login);
		break;
	case STEP_CHALLENGE:
		login->has_response = true;
		login->status = auth_client_step(login->client, buf_span(&login->challenge),
						 &login->response, &login->fault);
		break;
	case STEP_END:
		auth_client_free(&login->client);
		break;
	}
	login->is_complete = login->client && auth_client_is_done(login->client);
}

static void put(struct relay_login *login, enum step step)
{
	login->step = step;
	login->is_running = true;
	lane_put(login->logins->lane, &login->job);
}

static void look_for_end(struct smarthost_logins *logins)
{
	void (*ended)(void *user) = logins->ended;

	if (ended == NULL || logins->count)
		return;
	logins->ended = NULL;
	ended(logins->user);
}

static void login_free(struct relay_login *login)
{
	struct smarthost_logins *logins = login->logins;

	free(login->host);
	free(login->user);
	free(login->offered);
	free(login->keytab);
	free(login->binding);
	secret_fini(&login->password);
	secret_fini(&login->binding_data);
	buf_wipe(&login->challenge);
	buf_wipe(&login->response);
	free(login);
	logins->count--;
	look_for_end(logins);
}

static void done(struct lane_job *job)
{
	struct relay_login *login = list_entry(job, struct relay_login, job);
	struct span response = buf_span(&login->response);

	login->is_running = false;
	if (login->step == STEP_END)
		login_free(login);
	else if (login->is_ended)
		put(login, STEP_END);
	else
		relay_login_reply(login->attempt, login->mechanism,
				  login->has_response ? &response : NULL,
				  login->status < 0 ? &login->fault : NULL);
}

static char *text_or_null(const char *text)
{
	return text ? mem_text(text) : NULL;
}

static struct relay_login *start(void *user, const struct relay_login_start *from, void *attempt)
{
	const struct relay_smarthost *smarthost = from->smarthost;
	struct relay_login *login = mem_new(struct relay_login);

	login->logins = user;
	login->logins->count++;
	login->attempt = attempt;
	login->job = (struct lane_job){ .home = login->logins->loop, .run = run, .done = done };
	login->host = mem_text(smarthost->host);
	login->user = mem_text(smarthost->user);
	login->offered = mem_text(from->offered);
	login->keytab = text_or_null(smarthost->keytab);
	login->binding = text_or_null(from->binding);
	secret_set(&login->binding_data, from->binding_data);
	login->is_tls = smarthost->tls != SMTP_CLIENT_TLS_NONE;
	secret_set(&login->password, smarthost->password);
	put(login, STEP_START);
	return login;
}

static void challenge(struct relay_login *login, struct span octets)
{
	require(!login->is_running);
	buf_wipe(&login->challenge);
	buf_put_span(&login->challenge, octets);
	put(login, STEP_CHALLENGE);
}

static bool is_complete(const struct relay_login *login)
{
	return !login->is_running && login->is_complete;
}

static void end(struct relay_login **login)
{
	struct relay_login *l = *login;

	*login = NULL;
	if (l == NULL)
		return;
	l->is_ended = true;
	if (!l->is_running)
		put(l, STEP_END);
}

void smarthost_logins_end(struct smarthost_logins *logins, void (*ended)(void *user), void *user)
{
	logins->ended = ended;
	logins->user = user;
	look_for_end(logins);
}

struct relay_login_ops smarthost_login_ops(struct smarthost_logins *logins)
{
	return (struct relay_login_ops){
		.start = start,
		.challenge = challenge,
		.is_complete = is_complete,
		.end = end,
		.user = logins,
	};
}

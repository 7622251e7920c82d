#include "session.h"

#include "auth/recent.h"
#include "backend.h"

#include "base/mem.h"

#include <stdlib.h>

static void finish(struct work *work)
{
	struct submit *submit = work_entry(work, struct submit, free_work);
	void (*freed)(void *user) = submit->freed;
	void *user = submit->freed_user;

	load_leave(submit);
	timer_clear(submit->conf.loop, &submit->grace);
	if (atomic_fetch_sub(&submit->conf.settings->refs, 1) == 1)
		submit->conf.settings->freed(submit->conf.settings);
	buf_fini(&submit->scratch);
	message_free_spares(submit);
	withdrawn_fini(&submit->withdrawn);
	auth_recent_free(&submit->recent);
	free(submit);
	freed(user);
}

static void on_grace_over(struct timer *timer)
{
	struct submit *submit = timer_entry(timer, struct submit, grace);

	list_each (&submit->sessions, node)
		session_shut(list_entry(node, struct session, node),
			     &SMTP_REPLY(421, 4, 3, 2, "Restarting; try again in a minute"),
			     "stopping");
}

/* What was right by other settings need not be by these. */
static void forget_logins(struct submit *submit)
{
	const struct conf_login *login = &submit->conf.settings->conf->login;

	auth_recent_free(&submit->recent);
	submit->recent = auth_recent_new(login->users_file, (uint32_t)(login->cache_ms / 1000));
}

struct submit *submit_new(const struct submit_conf *conf)
{
	struct submit *submit = mem_new(struct submit);

	submit->conf = *conf;
	forget_logins(submit);
	atomic_fetch_add(&conf->settings->refs, 1);
	list_init(&submit->sessions);
	submit->free_work.run = finish;
	submit->grace.fire = on_grace_over;
	submit->quiet.fire = load_on_quiet;
	return submit;
}

void submit_renew(struct submit *submit, struct submit_settings *settings)
{
	struct submit_settings *old = submit->conf.settings;

	atomic_fetch_add(&settings->refs, 1);
	submit->conf.settings = settings;
	forget_logins(submit);
	if (atomic_fetch_sub(&old->refs, 1) == 1)
		old->freed(old);
}

/* session_resume() may end a session, which then leaves the list in a later turn. */
size_t submit_revoke(struct submit *submit, const char *account, const char *credential)
{
	size_t count = 0;

	withdrawn_add(&submit->withdrawn, account, credential);
	list_each (&submit->sessions, node) {
		struct session *s = list_entry(node, struct session, node);

		if (s->is_closing || s->account == NULL ||
		    !withdrawn_is(account, credential, s->account, s->credential))
			continue;
		s->is_revoked = true;
		count++;
		session_resume(s);
	}
	return count;
}

void submit_free(struct submit *submit, int64_t grace_ms, void (*freed)(void *user), void *user)
{
	submit->freed = freed;
	submit->freed_user = user;
	submit->is_stopping = true;
	backend_leave(submit);
	if (list_is_empty(&submit->sessions)) {
		loop_post(submit->conf.loop, &submit->free_work);
		return;
	}
	timer_set(submit->conf.loop, &submit->grace, grace_ms);
	list_each (&submit->sessions, node)
		session_resume(list_entry(node, struct session, node));
}

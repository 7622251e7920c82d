#include "conversation.h"

#include "checker.h"

#include "base/mem.h"

#include <stdlib.h>
#include <sys/random.h>

void conversations_init(struct conversations *all)
{
	uint64_t seed = 0;

	/* The numbers are the daemon's, no peer's: without a seed they do not collide either. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = 0;
	map_init(&all->by_number, seed);
	list_init(&all->oldest_first);
}

static struct span key_of(const uint64_t *number)
{
	return span_of(number, sizeof(*number));
}

static void end(struct conversations *all, struct conversation *v)
{
	map_remove(&all->by_number, key_of(&v->number));
	list_remove(&all->oldest_first, &v->node);
	v->talk->fini(v);
	buf_fini(&v->account);
	buf_fini(&v->binding);
	buf_wipe(&v->binding_data);
	mem_wipe(v, sizeof(*v));
	free(v);
}

static struct conversation *oldest(const struct conversations *all)
{
	struct list_node *node = list_first(&all->oldest_first);

	return node ? list_entry(node, struct conversation, node) : NULL;
}

void conversations_fini(struct conversations *all)
{
	while (oldest(all))
		end(all, oldest(all));
	map_fini(&all->by_number);
}

int64_t conversations_expire(struct conversations *all, int64_t now_ms)
{
	struct conversation *v;

	while ((v = oldest(all)) != NULL) {
		if (v->until_ms > now_ms)
			return v->until_ms - now_ms;
		end(all, v);
	}
	return -1;
}

static const struct talk *talk_of(const struct auth_mech *mech)
{
	static const struct {
		const char *name;
		const struct talk *talk;
	} talks[] = {
		{ "SCRAM-SHA-256", &talk_scram },
		{ "SCRAM-SHA-256-PLUS", &talk_scram },
		{ "CRAM-MD5", &talk_cram },
		{ "GSSAPI", &talk_gssapi },
	};

	for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++)
		if (strcmp(mech->name, talks[i].name) == 0)
			return talks[i].talk;
	return NULL;
}

static struct conversation *begin(struct checker *c, const struct auth_request *request,
				  const struct auth_mech *mech, const struct talk *talk)
{
	struct conversations *all = &c->conversations;
	struct conversation *v = mem_new(struct conversation);

	if (all->by_number.count >= AUTH_CONVERSATIONS_MAX)
		end(all, oldest(all));
	v->number = request->conversation;
	v->until_ms = checker_now_ms() + AUTH_CONVERSATION_MS;
	v->mech = mech;
	v->talk = talk;
	v->has_binding = request->has_binding;
	map_put(&all->by_number, key_of(&v->number), v);
	list_push_back(&all->oldest_first, &v->node);
	return v;
}

static const char *flaw_of_first(const struct auth_request *request, const struct auth_mech *mech)
{
	if (mech == NULL || talk_of(mech) == NULL)
		return "a mechanism that has no conversation";
	if (mech->is_server_first && request->response_count)
		return "an initial response, where the server speaks first";
	return NULL;
}

static const char *flaw_of_next(const struct auth_request *request, const struct conversation *v)
{
	if (!span_ieq_text(request->mechanism, v->mech->name))
		return "another mechanism than the login began with";
	return request->response_count == 0 ? "no response to a challenge" : NULL;
}

static enum auth_verdict talk(struct checker *c, struct conversation *v,
			      const struct auth_request *request)
{
	enum auth_verdict verdict;

	if (v->binding.len == 0) {
		buf_put_span(&v->binding, request->binding);
		buf_put_span(&v->binding_data, request->binding_data);
	}
	verdict = v->talk->hear(c, v, request->response_count ? &request->responses[0] : NULL);
	buf_clear(&c->account);
	buf_put_span(&c->account, buf_span(&v->account));
	if (verdict != AUTH_CONTINUE)
		end(&c->conversations, v);
	return verdict;
}

static enum auth_verdict give_up(struct checker *c, struct conversation *v,
				 enum auth_verdict verdict, const char *why)
{
	if (v)
		end(&c->conversations, v);
	checker_say(c, "%s", why);
	return verdict;
}

enum auth_verdict conversation_hear(struct checker *c, const struct auth_request *request)
{
	const struct auth_mech *mech = auth_mech_find(request->mechanism);
	struct conversation *v;
	const char *flaw;

	conversations_expire(&c->conversations, checker_now_ms());
	v = map_get(&c->conversations.by_number, key_of(&request->conversation));
	if (request->is_end)
		return give_up(c, v, AUTH_UNAVAILABLE, "the login was given up");
	if (v == NULL && request->is_next)
		return give_up(c, v, AUTH_UNAVAILABLE,
			       "the login took longer than a minute, or too many were under way");
	flaw = v ? flaw_of_next(request, v) : flaw_of_first(request, mech);
	if (flaw == NULL && request->response_count > 1)
		flaw = "more than one response at a time";
	if (flaw == NULL)
		flaw = checker_mech_flaw(c, mech);
	if (flaw)
		return give_up(c, v, AUTH_MALFORMED, flaw);
	return talk(c, v ? v : begin(c, request, mech, talk_of(mech)), request);
}

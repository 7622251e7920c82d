/* login.c: the client side of a login that knows one password. */
#include "daemon.h"
#include "io.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

struct relay_login {
	struct list_node node; /* in `logins` */
	struct event event;
	void *attempt;
	bool can, is_complete;
};

static struct list logins = { .head = { &logins.head, &logins.head } };

static void reply(struct event *event)
{
	static const char octets[] = "\0user\0password";
	struct relay_login *login = event_entry(event, struct relay_login, event);
	const struct span response = span_of(octets, sizeof(octets) - 1);
	struct fault fault;
	bool can = login->can;
	enum owner before = memory_enter(OWNER_PROCESS);

	login->is_complete = can;
	fault_set(&fault, -ENOTSUP, "no mechanism fits");
	relay_login_reply(login->attempt, can ? "PLAIN" : NULL, can ? &response : NULL,
			  can ? NULL : &fault);
	memory_leave(before);
}

static struct relay_login *start(void *user, const struct relay_login_start *from, void *attempt)
{
	enum owner before = memory_enter(OWNER_WORLD);
	struct relay_login *login = mem_new(struct relay_login);

	(void)user;
	login->attempt = attempt;
	login->can = strstr(from->offered, "PLAIN") != NULL;
	login->event.fire = reply;
	list_push_back(&logins, &login->node);
	event_set(&login->event, pick_between(0, 3));
	memory_leave(before);
	return login;
}

static void challenge(struct relay_login *login, struct span octets)
{
	(void)octets;
	login->can = false;
	event_set(&login->event, 0);
}

static bool is_complete(const struct relay_login *login)
{
	return login->is_complete;
}

static void end(struct relay_login **login)
{
	if (*login == NULL)
		return;
	event_clear(&(*login)->event);
	list_remove(&logins, &(*login)->node);
	free(*login);
	*login = NULL;
}

struct relay_login_ops login_ops(void)
{
	return (struct relay_login_ops){ start, challenge, is_complete, end, NULL };
}

void logins_crash(void)
{
	struct list_node *node;

	while ((node = list_first(&logins)) != NULL) {
		struct relay_login *login = list_entry(node, struct relay_login, node);

		end(&login);
	}
}

size_t logins_left(void)
{
	return logins.count;
}

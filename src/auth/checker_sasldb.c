#include "checker.h"

#include "users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const char *file(const struct checker *c)
{
	return c->settings.sasldb_file[0] ? c->settings.sasldb_file : "/etc/sasldb2";
}

/* To Cyrus a file that is missing is a user who is. */
static int ready(struct checker *c, struct fault *fault)
{
	int fd = open(file(c), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	return fault_set(fault, -errno, "cannot read sasldb %s: %s; %s", file(c), strerror(errno),
			 errno == ENOENT
				 ? "saslpasswd2 -f FILE -c USER makes it"
				 : "the user that logins run as must be able to, by owner or group "
				   "(Debian's group is sasl)");
}

static bool state(const struct checker *c, struct buf *out)
{
	struct fault fault = { 0 };
	struct users_mark m;

	return users_file_mark(file(c), &m, &fault) == 0 && users_mark_put(&m, out);
}

static enum auth_verdict judge(struct checker *c, int code)
{
	const char *words = cyrus_words(&c->cyrus);

	if (checker_is_refusal(code)) {
		checker_say(c, "sasldb %s: %s", file(c),
			    code == SASL_NOUSER ? "no such user in this realm" : "wrong password");
		return AUTH_WRONG;
	}
	checker_say(c, "sasldb %s: %s (%s)", file(c), sasl_errstring(code, NULL, NULL), words);
	return AUTH_UNAVAILABLE;
}

const struct checker_backend checker_sasldb = {
	.pwcheck_method = "auxprop",
	.auxprop_plugin = "sasldb",
	.plugin = "libsasldb.so",
	.ready = ready,
	.state = state,
	.judge = judge,
};

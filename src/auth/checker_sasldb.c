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

/* It belongs to the mark that it was settled: a change within the same tick of the kernel's clock would
 * leave the same times. */
static bool state(const struct checker *c, struct buf *out)
{
	struct fault fault = { 0 };
	struct users_mark m;

	if (users_file_mark(file(c), &m, &fault) < 0 || !m.is_settled)
		return false;
	buf_printf(out, "%lld.%ld %lld.%ld %llu %llu %llu", (long long)m.changed.tv_sec,
		   m.changed.tv_nsec, (long long)m.written.tv_sec, m.written.tv_nsec,
		   (unsigned long long)m.octets, (unsigned long long)m.inode,
		   (unsigned long long)m.device);
	return true;
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

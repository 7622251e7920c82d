#include "checker.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What Debian's Cyrus has as its own. */
#define DEFAULT_DIRECTORY "/var/run/saslauthd"

static bool is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static bool ends_in_mux(const char *path)
{
	size_t n = strlen(path);

	return n >= 4 && strcmp(path + n - 4, "/mux") == 0;
}

/* Cyrus's client leaves its socket open when saslauthd hangs up on it: its number is the one that
 * is free before. */
static int lowest_free_descriptor(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd;
}

static int ready(struct checker *c, struct fault *fault)
{
	const char *given = c->settings.saslauthd_socket;
	const char *path = given[0] ? given : DEFAULT_DIRECTORY;
	bool is_whole = is_socket(path) || ends_in_mux(path);
	int n = snprintf(c->mux, sizeof(c->mux), "%s%s", path, is_whole ? "" : "/mux");

	if (n < 0 || (size_t)n >= sizeof(c->mux))
		return fault_set(fault, -ENAMETOOLONG,
				 "the path of saslauthd's socket is longer than %zu octets: %s",
				 sizeof(c->mux) - 1, path);
	c->cyrus_conf.saslauthd_path = c->mux;
	c->next_descriptor = lowest_free_descriptor();
	return 0;
}

static void close_what_cyrus_left(const struct checker *c)
{
	struct sockaddr_un peer = { 0 };
	socklen_t n = sizeof(peer) - 1;

	if (c->next_descriptor < 0 ||
	    getpeername(c->next_descriptor, (struct sockaddr *)&peer, &n) < 0)
		return;
	if (peer.sun_family == AF_UNIX && strcmp(peer.sun_path, c->mux) == 0)
		close(c->next_descriptor);
}

/* 0 when saslauthd listens. */
static int knock(const struct checker *c)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0)
		return errno;
	memcpy(to.sun_path, c->mux, sizeof(to.sun_path));
	/* EAGAIN: its queue is full. */
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		error = errno;
	close(fd);
	return error;
}

static const char *own_user(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	return pw ? pw->pw_name : "the user that logins run as";
}

static const char *advice(int error)
{
	switch (error) {
	case 0:
		return "it was reached and gave no verdict; ";
	case ENOENT:
		return "start it, or name the directory of its -m option";
	case ECONNREFUSED:
		return "nobody listens there: start it";
	case EAGAIN:
		return "more logins wait for it than it takes: give it more processes (its option "
		       "-n)";
	default:
		return "";
	}
}

static void explain(int error, const struct checker *c, struct fault *fault)
{
	if (error == EACCES || error == EPERM)
		fault_set(fault, -error,
			  "saslauthd at %s: %s; %s may not reach it: adduser %s sasl, then restart "
			  "posternd",
			  c->mux, strerror(error), own_user(), own_user());
	else
		fault_set(fault, error ? -error : -EIO, "saslauthd at %s: %s%s%s", c->mux,
			  error ? strerror(error) : "", error ? "; " : "", advice(error));
}

static int probe(struct checker *c, struct fault *fault)
{
	int error, r = ready(c, fault);

	if (r < 0)
		return r;
	error = knock(c);
	if (error)
		explain(error, c, fault);
	return -error;
}

static enum auth_verdict judge(struct checker *c, int code)
{
	struct fault fault = { 0 };
	int error;

	if (checker_is_refusal(code)) {
		checker_say(c, "saslauthd at %s refused", c->mux);
		return AUTH_WRONG;
	}
	close_what_cyrus_left(c);
	error = knock(c);
	explain(error, c, &fault);
	checker_say(c, "%s", fault.text);
	if (error == 0)
		checker_say(c, "Cyrus SASL: %s", cyrus_words(&c->cyrus));
	return AUTH_UNAVAILABLE;
}

const struct checker_backend checker_saslauthd = {
	.pwcheck_method = "saslauthd",
	.auxprop_plugin = "none",
	.ready = ready,
	.probe = probe,
	.judge = judge,
};

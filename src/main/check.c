#include "check.h"

#include "auth/users.h"
#include "io/tls.h"
#include "password_file.h"
#include "privileges.h"
#include "settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct report {
	FILE *out;
	unsigned faults;
};

static void tell(struct report *report, const struct conf_place *place, const char *what,
		 const char *name, const struct fault *fault)
{
	report->faults++;
	fprintf(report->out, "%s:%d: %s \"%s\": %s\n", place->file, place->line, what, name,
		fault->text);
}

static void check_certificates(const struct conf *conf, struct report *report)
{
	for (size_t i = 0; i < conf->certificate_count; i++) {
		const struct conf_certificate *c = &conf->certificates[i];
		struct tls_pair pair = { c->chain, c->key };
		struct fault fault = { 0 };
		struct tls_identity *identity = tls_identity_load(&pair, 1, &fault);

		if (identity == NULL)
			tell(report, &c->place, "certificate", c->name, &fault);
		tls_identity_unref(&identity);
	}
}

static void check_smarthost(const struct conf_smarthost *c, struct report *report)
{
	struct secret password = { 0 };
	struct fault fault = { 0 };
	struct tls_trust *trust;

	if (c->verify && c->tls != CONF_SMARTHOST_NONE) {
		trust = tls_trust_load(c->ca_file[0] ? c->ca_file : NULL, &fault);
		if (trust == NULL)
			tell(report, &c->place, "smarthost", c->name, &fault);
		tls_trust_unref(&trust);
	}
	if (c->user[0] && password_file_read(c->password_file, &password, &fault) < 0)
		tell(report, &c->place, "smarthost", c->name, &fault);
	secret_fini(&password);
}

static void __attribute__((format(printf, 3, 4)))
tell_directory(struct report *report, const struct conf_queue *queue, const char *fmt, ...)
{
	va_list ap;

	report->faults++;
	fprintf(report->out, "%s:%d: queue.directory: %s ", queue->place.file, queue->place.line,
		queue->directory);
	va_start(ap, fmt);
	vfprintf(report->out, fmt, ap);
	va_end(ap);
	fputc('\n', report->out);
}

/* A directory that does not exist yet is made at the start: then its parent must be writable. */
static void check_spool(const struct conf *conf, struct report *report)
{
	const struct conf_queue *queue = &conf->queue;
	struct stat st;
	char parent[4096];

	if (stat(queue->directory, &st) == 0) {
		if (!S_ISDIR(st.st_mode) || access(queue->directory, R_OK | W_OK | X_OK) != 0)
			tell_directory(report, queue,
				       "is not a directory that user id %d can write",
				       (int)geteuid());
		return;
	}
	snprintf(parent, sizeof(parent), "%s", queue->directory);
	if (strrchr(parent, '/'))
		*strrchr(parent, '/') = '\0';
	if (access(parent[0] ? parent : "/", W_OK | X_OK) != 0)
		tell_directory(report, queue, "does not exist and user id %d cannot make it: %s",
			       (int)geteuid(), strerror(errno));
}

static void check_hello(const struct conf *conf, struct report *report)
{
	struct fault fault = { 0 };
	struct buf hello = { 0 };

	if (settings_hello(conf, &hello, &fault) < 0) {
		report->faults++;
		fprintf(report->out, "%s\n", fault.text);
	}
	buf_fini(&hello);
}

static void check_as_daemon(const struct conf *conf, struct report *report)
{
	check_hello(conf, report);
	check_certificates(conf, report);
	for (size_t i = 0; i < conf->smarthost_count; i++)
		check_smarthost(&conf->smarthosts[i], report);
	check_spool(conf, report);
}

static void check_as_login_worker(const struct conf *conf, struct report *report)
{
	struct auth_users *users;
	struct fault fault = { 0 };

	if (conf->login.backend != CONF_BACKEND_USERS)
		return;
	users = auth_users_load(conf->login.users_file, &fault);
	if (users == NULL) {
		fault_prefix(&fault, "%s:%d: login: ", conf->login.place.file,
			     conf->login.place.line);
		fprintf(report->out, "%s\n", fault.text);
		report->faults++;
	}
	auth_users_free(&users);
}

static void run_as(const char *user, const struct conf *conf,
		   void (*check)(const struct conf *conf, struct report *report), FILE *out)
{
	struct report report = { .out = out };
	struct fault fault = { 0 };

	if (privileges_drop(user, &fault) < 0) {
		fprintf(out, "%s\n", fault.text);
		report.faults++;
	} else {
		check(conf, &report);
	}
	fclose(out);
	_exit(report.faults ? 1 : 0);
}

/* The child tells each fault as a line. */
static unsigned check_in_child(const char *user, const struct conf *conf,
			       void (*check)(const struct conf *conf, struct report *report),
			       void (*each)(void *arg, const char *text), void *arg)
{
	char line[1024];
	unsigned faults = 0;
	int fds[2], status = 0;
	pid_t pid;
	FILE *in;

	if (pipe(fds) < 0 || (pid = fork()) < 0) {
		each(arg, "cannot start a process to check as another user");
		return 1;
	}
	if (pid == 0) {
		close(fds[0]);
		run_as(user, conf, check, fdopen(fds[1], "w"));
	}
	close(fds[1]);
	in = fdopen(fds[0], "r");
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		each(arg, line);
		faults++;
	}
	fclose(in);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (faults == 0 && status != 0) {
		each(arg, "the check ended before it was through");
		faults++;
	}
	return faults;
}

unsigned check_conf(const char *file, const struct conf *conf,
		    void (*each)(void *arg, const char *text), void *arg)
{
	const char *users[] = { conf->user, conf->login_user };
	unsigned faults = 0;

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		struct fault fault = { 0 };

		if (privileges_check(users[i], &fault) == 0)
			continue;
		fault_prefix(&fault, "%s: %s: ", file, i == 0 ? "user" : "login_user");
		each(arg, fault.text);
		faults++;
	}
	if (faults)
		return faults;
	faults += check_in_child(conf->user, conf, check_as_daemon, each, arg);
	faults += check_in_child(conf->login_user, conf, check_as_login_worker, each, arg);
	return faults;
}

#include "check.h"

#include "check_report.h"
#include "io/tls.h"
#include "password_file.h"
#include "privileges.h"
#include "settings.h"
#include "settings_listen.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void __attribute__((format(printf, 4, 0)))
put_line(struct check_report *report, const char *kind, const struct conf_place *place,
	 const char *fmt, va_list ap)
{
	fprintf(report->out, "%s%s:%d: ", kind, place->file, place->line);
	vfprintf(report->out, fmt, ap);
	fputc('\n', report->out);
}

void check_fault(struct check_report *report, const struct conf_place *place, const char *fmt, ...)
{
	va_list ap;

	report->faults++;
	va_start(ap, fmt);
	put_line(report, "", place, fmt, ap);
	va_end(ap);
}

void check_warn(struct check_report *report, const struct conf_place *place, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(report, CHECK_WARNING, place, fmt, ap);
	va_end(ap);
}

static void check_certificates(const struct conf *conf, struct check_report *report)
{
	for (size_t i = 0; i < conf->certificate_count; i++) {
		const struct conf_certificate *c = &conf->certificates[i];
		struct tls_pair pair = { c->chain, c->key };
		struct fault fault = { 0 };
		struct tls_identity *identity = tls_identity_load(&pair, 1, &fault);

		if (identity == NULL)
			check_fault(report, &c->place, "certificate \"%s\": %s", c->name,
				    fault.text);
		tls_identity_unref(&identity);
	}
}

static void check_listens(const struct conf *conf, struct check_report *report)
{
	struct tls_pair *pairs = calloc(conf->certificate_count, sizeof(*pairs));
	struct tls_identity *identity;
	struct fault fault = { 0 };

	for (size_t i = 0; pairs && i < conf->certificate_count; i++)
		pairs[i] =
			(struct tls_pair){ conf->certificates[i].chain, conf->certificates[i].key };
	identity = pairs ? tls_identity_load(pairs, conf->certificate_count, &fault) : NULL;
	free(pairs);
	for (size_t i = 0; identity && i < conf->listen_count; i++) {
		struct submit_listen listen = { 0 };

		if (settings_listen_load(identity, conf, &conf->listens[i], &listen, &fault) < 0) {
			report->faults++;
			fprintf(report->out, "%s\n", fault.text);
		}
		settings_listen_fini(&listen);
	}
	tls_identity_unref(&identity);
}

static void check_smarthost(const struct conf_smarthost *c, struct check_report *report)
{
	struct secret password = { 0 };
	struct fault fault = { 0 };
	struct tls_trust *trust;

	if (c->verify && c->tls != CONF_SMARTHOST_NONE) {
		trust = tls_trust_load(c->ca_file[0] ? c->ca_file : NULL, &fault);
		if (trust == NULL)
			check_fault(report, &c->place, "smarthost \"%s\": %s", c->name, fault.text);
		tls_trust_unref(&trust);
	}
	if (c->password_file[0] && password_file_read(c->password_file, &password, &fault) < 0)
		check_fault(report, &c->place, "smarthost \"%s\": %s", c->name, fault.text);
	if (c->keytab[0] && access(c->keytab, R_OK) != 0)
		check_fault(report, &c->place,
			    "smarthost \"%s\": cannot read the keytab %s: %s; user id %d must be "
			    "able to, by owner or group",
			    c->name, c->keytab, strerror(errno), (int)geteuid());
	secret_fini(&password);
}

static const char *parent_of(const char *path, char *out, size_t cap)
{
	snprintf(out, cap, "%s", path);
	if (strrchr(out, '/'))
		*strrchr(out, '/') = '\0';
	return out[0] ? out : "/";
}

/* A directory that does not exist yet is made at the start: then its parent must be writable. */
static void check_spool(const struct conf *conf, struct check_report *report)
{
	const struct conf_queue *queue = &conf->queue;
	char parent[4096];
	struct stat st;

	if (stat(queue->directory, &st) == 0) {
		if (!S_ISDIR(st.st_mode) || access(queue->directory, R_OK | W_OK | X_OK) != 0)
			check_fault(
				report, &queue->place,
				"queue.directory: %s is not a directory that user id %d can write",
				queue->directory, (int)geteuid());
	} else if (access(parent_of(queue->directory, parent, sizeof(parent)), W_OK | X_OK) != 0) {
		check_fault(report, &queue->place,
			    "queue.directory: %s does not exist and user id %d cannot make it: %s",
			    queue->directory, (int)geteuid(), strerror(errno));
	}
}

static void check_control(const struct conf *conf, struct check_report *report)
{
	char parent[4096];

	if (access(parent_of(conf->control, parent, sizeof(parent)), W_OK | X_OK) != 0)
		check_fault(report, &conf->control_place,
			    "control: user id %d cannot make a socket in %s: %s", (int)geteuid(),
			    parent[0] ? parent : "/", strerror(errno));
}

static void check_hello(const struct conf *conf, struct check_report *report)
{
	struct fault fault = { 0 };
	struct buf hello = { 0 };

	if (settings_hello(conf, &hello, &fault) < 0) {
		report->faults++;
		fprintf(report->out, "%s\n", fault.text);
	}
	buf_fini(&hello);
}

static void check_as_daemon(const struct conf *conf, struct check_report *report)
{
	check_hello(conf, report);
	check_certificates(conf, report);
	check_listens(conf, report);
	for (size_t i = 0; i < conf->smarthost_count; i++)
		check_smarthost(&conf->smarthosts[i], report);
	check_spool(conf, report);
	check_control(conf, report);
}

static void run_as(const char *user, const struct conf *conf,
		   void (*check)(const struct conf *conf, struct check_report *report), FILE *out)
{
	struct check_report report = { .out = out };
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
			       void (*check)(const struct conf *conf, struct check_report *report),
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
		if (strncmp(line, CHECK_WARNING, strlen(CHECK_WARNING)) != 0)
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

static unsigned check_user(const char *key, const char *user, const struct conf_place *place,
			   void (*each)(void *arg, const char *text), void *arg)
{
	struct fault fault = { 0 };

	if (privileges_check(user, &fault) == 0)
		return 0;
	fault_prefix(&fault, "%s:%d: %s: ", place->file, place->line, key);
	each(arg, fault.text);
	return 1;
}

unsigned check_conf(const struct conf *conf, void (*each)(void *arg, const char *text), void *arg)
{
	unsigned faults =
		check_user("user", conf->user, &conf->user_place, each, arg) +
		check_user("login_user", conf->login_user, &conf->login_user_place, each, arg);

	if (faults)
		return faults;
	faults += check_in_child(conf->user, conf, check_as_daemon, each, arg);
	faults += check_in_child(conf->login_user, conf, check_login, each, arg);
	return faults;
}

/* posternctl: what the verbs about users and app passwords share. */
#include "ctl.h"

#include "base/mem.h"
#include "ctl/ctl.h"
#include "policy/account.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

char *ctl_account(const struct conf *conf, const char *given)
{
	const struct conf_login *c = &conf->login;
	struct policy_account_conf names = {
		.domains = c->domains.at,
		.domain_count = c->domains.count,
		.nt_domains = c->nt_domains.at,
		.nt_domain_count = c->nt_domains.count,
		.ignore_case = c->ignore_case,
	};
	struct buf name = { 0 };
	char *text;

	if (policy_account_name(&names, span_text(given), &name) < 0) {
		fputs("posternctl: no login has this name: one is 1 to 255 octets of UTF-8, "
		      "without "
		      "control characters and without white space at its ends, also once its "
		      "domain is taken away\n",
		      stderr);
		return NULL;
	}
	text = buf_take_text(&name);
	if (strcmp(text, given) != 0)
		fprintf(stderr, "posternctl: %s logs in as %s\n", given, text);
	return text;
}

int ctl_told_change(const struct fault *fault)
{
	switch (fault->code) {
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
	case -EIO:
	case -EROFS:
		return ctl_told(fault, EX_IOERR);
	default:
		return ctl_told(fault, EX_DATAERR);
	}
}

void ctl_give_to_workers(const struct conf *conf)
{
	const struct passwd *user;
	int fd;

	if (geteuid() != 0 || *conf->login_user == '\0' || strcmp(conf->login_user, "root") == 0)
		return;
	user = getpwnam(conf->login_user);
	fd = open(conf->login.users_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (user == NULL || fd < 0 || fchown(fd, user->pw_uid, user->pw_gid) < 0)
		fprintf(stderr,
			"posternctl: note: %s does not belong to %s, whom login workers run "
			"as: they cannot read it\n",
			conf->login.users_file, conf->login_user);
	if (fd >= 0)
		close(fd);
}

/* Says why not, where it is another reason than that nobody is there to ask. */
static struct ctl_talk *dial(const struct ctl_command *command, const struct conf *conf,
			     json_t *request, struct fault *fault)
{
	const char *path = command->socket ? command->socket : conf->control;
	char *text = json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct ctl_talk *talk = ctl_talk_open(path, text, fault);

	free(text);
	json_decref(request);
	if (fault->code == -ENOENT || fault->code == -ECONNREFUSED)
		*fault = (struct fault){ 0 };
	return talk;
}

/* The last line, or NULL and a fault. */
static json_t *hear(struct ctl_talk *talk, void (*each)(void *user, const json_t *line), void *user,
		    struct fault *fault)
{
	struct span text;

	while (ctl_talk_line(talk, &text, fault) == 0) {
		json_t *line = json_loadb((const char *)text.at, text.len, 0, NULL);

		if (ctl_is_true(line, "ok"))
			return line;
		if (json_object_get(line, "ok"))
			fault_set(fault, -EPROTO, "%s", ctl_field(line, "error"));
		else if (line == NULL)
			fault_set(fault, -EPROTO, "the answer is not JSON");
		else if (each)
			each(user, line);
		json_decref(line);
		if (fault->code)
			return NULL;
	}
	return NULL;
}

json_t *ctl_ask_if_there(const struct ctl_command *command, const struct conf *conf,
			 json_t *request, void (*each)(void *user, const json_t *line), void *user,
			 struct fault *fault)
{
	struct ctl_talk *talk = dial(command, conf, request, fault);
	json_t *last = talk ? hear(talk, each, user, fault) : NULL;

	ctl_talk_close(&talk);
	return last;
}

static long long end_some(const struct ctl_command *command, const struct conf *conf,
			  const char *account, const char *credential, bool *is_there,
			  struct fault *fault)
{
	json_t *request = json_pack("{ssssss?}", "verb", "revoke", "account", account, "credential",
				    credential);
	json_t *last = ctl_ask_if_there(command, conf, request, NULL, NULL, fault);
	long long ended = ctl_number(last, "sessions");

	*is_there = last != NULL;
	json_decref(last);
	return ended;
}

int ctl_end_sessions(const struct ctl_command *command, const struct conf *conf,
		     const char *account, const json_t *credentials, json_t *answer)
{
	size_t asks = credentials ? json_array_size(credentials) : 1;
	struct fault fault = { 0 };
	bool is_there = true;
	long long ended = 0;

	for (size_t i = 0; i < asks && is_there; i++)
		ended += end_some(command, conf, account,
				  json_string_value(json_array_get(credentials, i)), &is_there,
				  &fault);
	json_object_set_new(answer, "sessions", is_there ? json_integer(ended) : json_null());
	if (ended)
		fprintf(stderr, "posternctl: %lld session%s ended\n", ended,
			ended == 1 ? " was" : "s were");
	if (fault.code == 0)
		return EX_OK;
	fault_prefix(&fault, "this is done, but sessions of %s may go on: ", account);
	return ctl_told(&fault, EX_UNAVAILABLE);
}

void ctl_put_time(long long seconds, struct buf *out)
{
	time_t at = (time_t)seconds;
	struct tm parts;
	char text[64];

	if (gmtime_r(&at, &parts) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts))
		buf_put_text(out, text);
}

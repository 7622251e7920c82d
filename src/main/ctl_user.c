/* posternctl user. */
#include "ctl.h"

#include "auth/users.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* The users file is asked by nobody when logins are checked elsewhere. */
static struct conf *load(const struct ctl_command *command, int *exit_out)
{
	struct conf *conf = ctl_load(command, exit_out);

	if (conf && conf->login.backend != CONF_BACKEND_USERS)
		fprintf(stderr,
			"posternctl: note: login.backend is not \"users\": the daemon does not ask "
			"%s\n",
			conf->login.users_file);
	return conf;
}

/* A file that root has just made must be readable for the login workers. */
static void give_to_workers(const struct conf *conf)
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

static void print_password(const struct ctl_command *command, struct span password)
{
	json_t *answer;

	if (!command->is_generated)
		return;
	if (!command->is_json) {
		printf("%.*s\n", (int)password.len, (const char *)password.at);
		return;
	}
	answer = json_pack("{sbss%}", "ok", 1, "password", password.at, password.len);
	ctl_print_json(answer);
	json_decref(answer);
}

static int set_password(const struct ctl_command *command, bool is_new)
{
	const char *name = command->words[0];
	struct secret password = { 0 };
	struct fault fault = { 0 };
	int code = EX_OK, r = 0;
	struct conf *conf = load(command, &code);
	bool is_first;

	if (conf == NULL)
		return code;
	is_first = access(conf->login.users_file, F_OK) != 0;
	code = ctl_password(command, name, &password);
	if (code == EX_OK) {
		r = (is_new ? auth_users_add : auth_users_passwd)(conf->login.users_file, name,
								  secret_span(&password), &fault);
		if (r < 0)
			code = ctl_told(&fault, EX_DATAERR);
	}
	if (code == EX_OK && is_first)
		give_to_workers(conf);
	if (code == EX_OK)
		print_password(command, secret_span(&password));
	secret_fini(&password);
	conf_free(&conf);
	return code;
}

int ctl_run_user_add(const struct ctl_command *command)
{
	return set_password(command, true);
}

int ctl_run_user_passwd(const struct ctl_command *command)
{
	return set_password(command, false);
}

int ctl_run_user_rm(const struct ctl_command *command)
{
	struct fault fault = { 0 };
	int code = EX_OK;
	struct conf *conf = load(command, &code);

	if (conf == NULL)
		return code;
	if (auth_users_rm(conf->login.users_file, command->words[0], &fault) < 0)
		code = ctl_told(&fault, EX_DATAERR);
	conf_free(&conf);
	return code;
}

static void print_users(const struct ctl_command *command, const struct auth_users *users)
{
	json_t *names = json_array(), *answer;

	for (size_t i = 0; i < auth_users_count(users); i++) {
		const char *name = auth_users_name(users, i);

		json_array_append_new(names, json_string(name));
		if (!command->is_json) {
			ctl_print_text(name, 0);
			putchar('\n');
		}
	}
	answer = json_pack("{sbsO}", "ok", 1, "users", names);
	if (command->is_json)
		ctl_print_json(answer);
	json_decref(answer);
	json_decref(names);
}

int ctl_run_user_ls(const struct ctl_command *command)
{
	struct fault fault = { 0 };
	int code = EX_OK;
	struct conf *conf = load(command, &code);
	struct auth_users *users;

	if (conf == NULL)
		return code;
	users = auth_users_load(conf->login.users_file, &fault);
	if (users)
		print_users(command, users);
	else
		code = ctl_told(&fault, EX_DATAERR);
	auth_users_free(&users);
	conf_free(&conf);
	return code;
}

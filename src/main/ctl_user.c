/* posternctl user. */
#include "ctl.h"

#include "auth/users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* The users file is asked for app passwords only when logins are checked elsewhere. */
static struct conf *load(const struct ctl_command *command, int *exit_out)
{
	struct conf *conf = ctl_load(command, exit_out);

	if (conf && conf->login.backend != CONF_BACKEND_USERS)
		fprintf(stderr,
			"posternctl: note: login.backend is not \"users\": the daemon asks %s for "
			"app passwords only\n",
			conf->login.users_file);
	return conf;
}

static bool has_scram(const struct conf *conf, const char *account)
{
	struct fault fault = { 0 };
	struct auth_users *users = auth_users_load(conf->login.users_file, &fault);
	bool has = users && auth_users_scram(users, span_text(account));

	auth_users_free(&users);
	return has;
}

static void tell_set(const char *account, bool is_new, bool had, bool has)
{
	const char *what = is_new ? "is added" : "has a new password", *scram;

	if (!has)
		scram = "; SCRAM-SHA-256 cannot be used with this one";
	else if (is_new || had)
		scram = "; SCRAM-SHA-256 can be used with it";
	else
		scram = "; SCRAM-SHA-256 can be used from now on";
	fprintf(stderr, "posternctl: %s %s%s\n", account, what, scram);
}

static void print_set(const struct ctl_command *command, struct span password, json_t *answer)
{
	if (command->is_generated && command->is_json)
		json_object_set_new(answer, "password",
				    json_stringn((const char *)password.at, password.len));
	else if (command->is_generated)
		printf("%.*s\n", (int)password.len, (const char *)password.at);
	if (command->is_json)
		ctl_print_json(answer);
}

static int set_password(const struct ctl_command *command, const struct conf *conf,
			const char *account, struct span password, bool is_new)
{
	const char *file = conf->login.users_file;
	bool is_first = access(file, F_OK) != 0, had = has_scram(conf, account), has;
	struct fault fault = { 0 };
	json_t *answer;
	int code = EX_OK, r;

	r = (is_new ? auth_users_add : auth_users_passwd)(file, account, password, &fault);
	if (r < 0)
		return ctl_told_change(&fault);
	if (is_first)
		ctl_give_to_workers(conf);
	has = has_scram(conf, account);
	tell_set(account, is_new, had, has);
	answer = json_pack("{sbsssb}", "ok", 1, "user", account, "scram", has);
	if (!is_new)
		code = ctl_end_sessions(command, conf, account, NULL, answer);
	print_set(command, password, answer);
	json_decref(answer);
	return code;
}

static int ask_and_set(const struct ctl_command *command, bool is_new)
{
	struct secret password = { 0 };
	int code = EX_OK;
	struct conf *conf = load(command, &code);
	char *account;

	if (conf == NULL)
		return code;
	account = ctl_account(conf, command->words[0]);
	code = account ? ctl_password(command, account, &password) : EX_DATAERR;
	if (code == EX_OK)
		code = set_password(command, conf, account, secret_span(&password), is_new);
	secret_fini(&password);
	free(account);
	conf_free(&conf);
	return code;
}

int ctl_run_user_add(const struct ctl_command *command)
{
	return ask_and_set(command, true);
}

int ctl_run_user_passwd(const struct ctl_command *command)
{
	return ask_and_set(command, false);
}

/* A name that no login means may stand in a file that was made by hand: it goes as it is. */
static int remove_user(const struct conf *conf, const char *account, const char *given,
		       const char **gone_out, struct fault *fault)
{
	int r = auth_users_rm(conf->login.users_file, account, fault);

	*gone_out = account;
	if (r == -ENOENT && strcmp(account, given) != 0 &&
	    auth_users_rm(conf->login.users_file, given, NULL) == 0) {
		*gone_out = given;
		r = 0;
	}
	return r;
}

int ctl_run_user_rm(const struct ctl_command *command)
{
	struct fault fault = { 0 };
	int code = EX_OK;
	struct conf *conf = load(command, &code);
	const char *gone;
	json_t *answer;
	char *account;

	if (conf == NULL)
		return code;
	account = ctl_account(conf, command->words[0]);
	if (account == NULL) {
		code = EX_DATAERR;
	} else if (remove_user(conf, account, command->words[0], &gone, &fault) < 0) {
		code = ctl_told_change(&fault);
	} else {
		answer = json_pack("{sbss}", "ok", 1, "user", gone);
		code = ctl_end_sessions(command, conf, gone, NULL, answer);
		if (command->is_json)
			ctl_print_json(answer);
		json_decref(answer);
	}
	free(account);
	conf_free(&conf);
	return code;
}

static json_t *view_of(const struct auth_users *users, const char *name)
{
	struct span account = span_text(name);
	json_int_t apps = 0;

	while (auth_users_app_password(users, account, (size_t)apps))
		apps++;
	return json_pack("{sssbsbsI}", "name", name, "password",
			 auth_users_hash(users, account) != NULL, "scram",
			 auth_users_scram(users, account) != NULL, "app_passwords", apps);
}

static void print_user(const json_t *user)
{
	ctl_print_word(ctl_field(user, "name"), 30);
	printf(" %-8s %-5s %13lld\n", ctl_is_true(user, "password") ? "yes" : "no",
	       ctl_is_true(user, "scram") ? "yes" : "no", ctl_number(user, "app_passwords"));
}

static void print_users(const struct ctl_command *command, const struct auth_users *users)
{
	json_t *names = json_array(), *accounts = json_array(), *answer;

	if (!command->is_json)
		printf("%-30s %-8s %-5s %13s\n", "NAME", "PASSWORD", "SCRAM", "APP-PASSWORDS");
	for (size_t i = 0; i < auth_users_count(users); i++) {
		const char *name = auth_users_name(users, i);
		json_t *user = view_of(users, name);

		if (!command->is_json)
			print_user(user);
		if (ctl_is_true(user, "password"))
			json_array_append_new(names, json_string(name));
		json_array_append_new(accounts, user);
	}
	answer = json_pack("{sbsoso}", "ok", 1, "users", names, "accounts", accounts);
	if (command->is_json)
		ctl_print_json(answer);
	json_decref(answer);
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

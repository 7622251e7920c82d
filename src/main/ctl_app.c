/* posternctl app-password. */
#include "ctl.h"

#include "auth/users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static struct conf *load(const struct ctl_command *command, int *exit_out)
{
	struct conf *conf = ctl_load(command, exit_out);

	if (conf && conf->login.app_passwords == CONF_APP_PASSWORDS_NONE)
		fputs("posternctl: note: login.app_passwords is \"none\": no login takes one\n",
		      stderr);
	return conf;
}

/* A day, to its end; or how long from now. -1: neither. */
static int64_t expiry_of(const char *text, int64_t now_s)
{
	struct tm parts = { 0 };
	char again[16];
	const char *end = strptime(text, "%Y-%m-%d", &parts);
	long long ms;
	time_t day;

	if (ctl_read_duration(text, &ms))
		return now_s + ms / 1000;
	if (end == NULL || *end)
		return -1;
	/* The 31st of February is no day. */
	day = timegm(&parts);
	if (strftime(again, sizeof(again), "%Y-%m-%d", &parts) == 0 || strcmp(again, text) != 0)
		return -1;
	return (int64_t)day + 86400 - 1;
}

/* 0: never. */
static int read_expiry(const char *text, int64_t now_s, int64_t *out)
{
	*out = text ? expiry_of(text, now_s) : 0;
	if (*out < 0) {
		fprintf(stderr,
			"posternctl: %s: --expires is a number with s, m, h, d or w (90d), or a "
			"day, "
			"whose end is meant in UTC (2027-01-31)\n",
			text);
		return EX_USAGE;
	}
	if (text && *out <= now_s) {
		fprintf(stderr, "posternctl: %s has passed already\n", text);
		return EX_USAGE;
	}
	return EX_OK;
}

static json_t *time_of(int64_t seconds)
{
	struct buf text = { 0 };
	json_t *out;
	char *made;

	if (seconds == 0)
		return json_null();
	ctl_put_time(seconds, &text);
	made = buf_take_text(&text);
	out = json_string(made);
	free(made);
	return out;
}

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

static void print_made(const struct ctl_command *command, json_t *answer, const char *password)
{
	if (command->is_json) {
		json_object_set_new(answer, "password", json_string(password));
		ctl_print_json(answer);
		return;
	}
	fprintf(stderr, "posternctl: app password %s of %s", ctl_field(answer, "id"),
		ctl_field(answer, "user"));
	if (*ctl_field(answer, "expires"))
		fprintf(stderr, ", until %s", ctl_field(answer, "expires"));
	fputs("; it is shown this once (SCRAM wants its dashes, PLAIN and LOGIN do not mind):\n",
	      stderr);
	puts(password);
}

static int add(const struct ctl_command *command, const struct conf *conf, const char *account)
{
	const char *label = command->label ? command->label : "", *file = conf->login.users_file;
	char id[AUTH_APP_ID_MAX], password[AUTH_APP_PASSWORD_TEXT_MAX];
	bool is_first = access(file, F_OK) != 0;
	int64_t now_s = (int64_t)time(NULL), expires_s;
	int code = read_expiry(command->expires, now_s, &expires_s);
	struct fault fault = { 0 };
	json_t *answer;

	if (code != EX_OK)
		return code;
	if (auth_users_app_add(file, account, label, now_s, expires_s,
			       conf->login.backend == CONF_BACKEND_USERS, id, password, &fault) < 0)
		return ctl_told_change(&fault);
	if (is_first)
		ctl_give_to_workers(conf);
	answer = json_pack("{sbssssssso}", "ok", 1, "user", account, "id", id, "label", label,
			   "expires", time_of(expires_s));
	print_made(command, answer, password);
	json_decref(answer);
	explicit_bzero(password, sizeof(password));
	return EX_OK;
}

static int with_account(const struct ctl_command *command,
			int (*run)(const struct ctl_command *command, const struct conf *conf,
				   const char *account))
{
	int code = EX_OK;
	struct conf *conf = load(command, &code);
	char *account = NULL;

	if (conf == NULL)
		return code;
	if (command->count)
		account = ctl_account(conf, command->words[0]);
	code = command->count && account == NULL ? EX_DATAERR : run(command, conf, account);
	free(account);
	conf_free(&conf);
	return code;
}

int ctl_run_app_add(const struct ctl_command *command)
{
	return with_account(command, add);
}

/* Whose sessions are to end: what is asked for, or all that there are. */
static json_t *ids_of(const struct ctl_command *command, const struct conf *conf,
		      const char *account)
{
	const struct auth_app_password *app;
	struct fault fault = { 0 };
	struct auth_users *users;
	json_t *ids = json_array();

	if (!command->is_all) {
		json_array_append_new(ids, json_string(command->words[1]));
		return ids;
	}
	users = auth_users_load(conf->login.users_file, &fault);
	for (size_t i = 0;
	     users && (app = auth_users_app_password(users, span_text(account), i)) != NULL; i++)
		json_array_append_new(ids, json_string(app->id));
	auth_users_free(&users);
	return ids;
}

static int remove_some(const struct ctl_command *command, const struct conf *conf,
		       const char *account)
{
	const char *id = command->is_all ? NULL : command->words[1];
	json_t *ids = ids_of(command, conf, account), *answer;
	struct fault fault = { 0 };
	int code = EX_OK;

	if (auth_users_app_rm(conf->login.users_file, account, id, &fault) < 0) {
		json_decref(ids);
		return ctl_told_change(&fault);
	}
	answer = json_pack("{sbsssO}", "ok", 1, "user", account, "ids", ids);
	code = ctl_end_sessions(command, conf, account, ids, answer);
	if (command->is_json)
		ctl_print_json(answer);
	json_decref(answer);
	json_decref(ids);
	return code;
}

int ctl_run_app_rm(const struct ctl_command *command)
{
	if ((command->count == 2) == command->is_all) {
		fputs("posternctl: app-password rm takes either the ID of one (app-password ls "
		      "names them) or --all\n",
		      stderr);
		return EX_USAGE;
	}
	return with_account(command, remove_some);
}

/* By "ACCOUNT", NUL-free as all names are, a line end and the id. */
static char *use_key(const char *account, const char *id)
{
	struct buf key = { 0 };

	buf_printf(&key, "%s\n%s", account, id);
	return buf_take_text(&key);
}

static void note_uses(void *user, const json_t *line)
{
	json_t *uses = user, *use;
	size_t i;

	json_array_foreach(json_object_get(line, "uses"), i, use)
	{
		char *key = use_key(ctl_field(use, "account"), ctl_field(use, "credential"));

		json_object_set(uses, key, use);
		free(key);
	}
}

/* What the daemon remembers; nothing where it does not run. */
static json_t *ask_uses(const struct ctl_command *command, const struct conf *conf,
			const char *account)
{
	json_t *uses = json_object();
	struct fault fault = { 0 };

	json_decref(ctl_ask_if_there(command, conf,
				     json_pack("{ssss?}", "verb", "last-use", "account", account),
				     note_uses, uses, &fault));
	if (fault.code)
		fprintf(stderr, "posternctl: note: when they were last used is not known: %s\n",
			fault.text);
	return uses;
}

static json_t *view_of(const char *account, const struct auth_app_password *app, const json_t *uses,
		       int64_t now_s)
{
	char *key = use_key(account, app->id);
	const json_t *use = json_object_get(uses, key);
	bool is_expired = app->expires_s && app->expires_s <= now_s;
	json_t *out = json_pack("{sssssssosbso}", "user", account, "id", app->id, "label",
				app->label, "created", time_of(app->created_s), "expired",
				is_expired, "expires", time_of(app->expires_s));

	free(key);
	/* Of another that had this id before. */
	if (ctl_number(use, "time_s") < app->created_s)
		use = NULL;
	json_object_set_new(out, "last_used",
			    use ? json_string(ctl_field(use, "time")) : json_null());
	json_object_set_new(out, "address",
			    use ? json_string(ctl_field(use, "address")) : json_null());
	return out;
}

static void print_app(const json_t *app)
{
	ctl_print_word(ctl_field(app, "user"), 20);
	printf(" %-5s %-20s %-20s %-7s %-20s ", ctl_field(app, "id"),
	       or_dash(ctl_field(app, "created")), or_dash(ctl_field(app, "expires")),
	       ctl_is_true(app, "expired") ? "expired" : "valid",
	       or_dash(ctl_field(app, "last_used")));
	ctl_print_word(ctl_field(app, "address"), 15);
	putchar(' ');
	ctl_print_text(or_dash(ctl_field(app, "label")), 0);
	putchar('\n');
}

/* Of `account`; NULL: of all. */
static json_t *view_all(const struct auth_users *users, const char *account, const json_t *uses)
{
	json_t *out = json_array();
	int64_t now_s = (int64_t)time(NULL);

	for (size_t i = 0; i < auth_users_count(users); i++) {
		const char *name = auth_users_name(users, i);
		const struct auth_app_password *app;

		if (account && strcmp(account, name) != 0)
			continue;
		for (size_t n = 0;
		     (app = auth_users_app_password(users, span_text(name), n)) != NULL; n++)
			json_array_append_new(out, view_of(name, app, uses, now_s));
	}
	return out;
}

static void print_list(const struct ctl_command *command, json_t *apps)
{
	json_t *answer = json_pack("{sbsO}", "ok", 1, "app_passwords", apps), *app;
	size_t i;

	if (command->is_json) {
		ctl_print_json(answer);
	} else {
		printf("%-20s %-5s %-20s %-20s %-7s %-20s %-15s %s\n", "USER", "ID", "CREATED",
		       "EXPIRES", "STATE", "LAST-USED", "ADDRESS", "LABEL");
		json_array_foreach(apps, i, app) print_app(app);
	}
	json_decref(answer);
}

static int list(const struct ctl_command *command, const struct conf *conf, const char *account)
{
	struct fault fault = { 0 };
	struct auth_users *users = auth_users_load(conf->login.users_file, &fault);
	json_t *uses, *apps;

	/* Where others check the logins, the file comes with the first app password. */
	if (users == NULL && (fault.code != -ENOENT || conf->login.backend == CONF_BACKEND_USERS))
		return ctl_told(&fault, EX_DATAERR);
	uses = ask_uses(command, conf, account);
	apps = users ? view_all(users, account, uses) : json_array();
	print_list(command, apps);
	json_decref(apps);
	json_decref(uses);
	auth_users_free(&users);
	return EX_OK;
}

int ctl_run_app_ls(const struct ctl_command *command)
{
	return with_account(command, list);
}

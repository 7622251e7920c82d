/* main/ctl.h: posternctl: its verbs, and what they share.
 *
 * Shape    posternctl.c finds the verb in its table; each verb returns an exit code of sysexits(3)
 * Errors   told on standard error in one line; standard output holds only what was asked for
 */
#pragma once

#include "base/fault.h"
#include "base/secret.h"
#include "conf/conf.h"

#include <jansson.h>

struct ctl_command {
	const char *file;   /* -c */
	const char *socket; /* -s, or NULL: the configuration's */
	bool is_json, is_generated;
	char **words; /* what follows the verb */
	int count;
};

int ctl_run_status(const struct ctl_command *command);
int ctl_run_queue_list(const struct ctl_command *command);
int ctl_run_queue_show(const struct ctl_command *command);
int ctl_run_reload(const struct ctl_command *command);
int ctl_run_user_add(const struct ctl_command *command);
int ctl_run_user_passwd(const struct ctl_command *command);
int ctl_run_user_rm(const struct ctl_command *command);
int ctl_run_user_ls(const struct ctl_command *command);

/* The configuration; NULL: told, and *exit_out says how to end. */
struct conf *ctl_load(const struct ctl_command *command, int *exit_out);
/* The daemon's answer where it says ok; otherwise NULL, told, and *exit_out. `request` is used up. */
json_t *ctl_request(const struct ctl_command *command, json_t *request, int *exit_out);
/* Tells a fault and gives the exit code that fits it; `otherwise` for codes that say little. */
int ctl_told(const struct fault *fault, int otherwise);

/* One line of JSON, ASCII only. */
void ctl_print_json(const json_t *answer);
/* Text as it may stand on a terminal: controls as \xNN, ends of lines as spaces. */
void ctl_print_text(const char *text, int width);
const char *ctl_field(const json_t *object, const char *key);
long long ctl_number(const json_t *object, const char *key);

/* A password for `name`: typed twice, or one line of standard input, or made by us. Exit code. */
int ctl_password(const struct ctl_command *command, const char *name, struct secret *out);

#include "client_inside.h"

#include "wiping.h"

#include <stdio.h>

static int no_option(void *context, const char *plugin, const char *option, const char **result,
		     unsigned *len)
{
	(void)context, (void)plugin, (void)option, (void)result, (void)len;
	return SASL_FAIL;
}

/* Without one of ours Cyrus would write to syslog. */
static int drop_words(void *context, int level, const char *message)
{
	(void)context, (void)level, (void)message;
	return SASL_OK;
}

static int judge_file(void *context, const char *file, sasl_verify_type_t type)
{
	static const char *const plugins[] = { "libscram.so", "libplain.so", "liblogin.so",
					       "libgssapiv2.so" };
	const char *slash = strrchr(file, '/');

	(void)context;
	for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++)
		if (type == SASL_VRFY_PLUGIN && strcmp(slash ? slash + 1 : file, plugins[i]) == 0)
			return SASL_OK;
	return SASL_CONTINUE;
}

static int take_words(void *context, int level, const char *message)
{
	struct auth_client *c = context;

	if (level != SASL_LOG_NONE && level < SASL_LOG_TRACE && message)
		snprintf(c->words, sizeof(c->words), "%s", message);
	return SASL_OK;
}

/* To act as (SASL_CB_USER) nobody but the one who logs in. */
static int give_name(void *context, int id, const char **result, unsigned *len)
{
	const struct auth_client *c = context;

	*result = id == SASL_CB_AUTHNAME ? c->user : "";
	if (len)
		*len = (unsigned)strlen(*result);
	return SASL_OK;
}

static int give_password(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
	const struct auth_client *c = context;

	(void)conn, (void)id;
	*secret = c->secret;
	return SASL_OK;
}

/* Cyrus keeps functions of all kinds as int (*)(void). */
#define as_callback(function) ((int (*)(void))(void (*)(void))(function))

/* Once in a process; all that follow are on the same thread. */
int client_cyrus_start(void)
{
	static const sasl_callback_t callbacks[] = {
		{ SASL_CB_GETOPT, as_callback(no_option), NULL },
		{ SASL_CB_LOG, as_callback(drop_words), NULL },
		{ SASL_CB_VERIFYFILE, as_callback(judge_file), NULL },
		{ SASL_CB_LIST_END, NULL, NULL },
	};
	static bool is_started;
	int r = SASL_OK;

	if (!is_started) {
		wiping_install();
		r = sasl_client_init(callbacks);
	}
	is_started = r == SASL_OK;
	return r;
}

static void set_callbacks(struct auth_client *c)
{
	const sasl_callback_t callbacks[] = {
		{ SASL_CB_LOG, as_callback(take_words), c },
		{ SASL_CB_USER, as_callback(give_name), c },
		{ SASL_CB_AUTHNAME, as_callback(give_name), c },
		{ SASL_CB_PASS, as_callback(give_password), c },
		{ SASL_CB_LIST_END, NULL, NULL },
	};

	memcpy(c->callbacks, callbacks, sizeof(callbacks));
}

/* Where a -PLUS is not offered, Cyrus tells the server that we could have used it. */
static int put_binding(struct auth_client *c)
{
	return c->binding.name ? sasl_setprop(c->conn, SASL_CHANNEL_BINDING, &c->binding) : SASL_OK;
}

/* Cyrus is to refuse a password in clear as well as we do. */
int client_cyrus_connect(struct auth_client *c)
{
	sasl_security_properties_t wanted = {
		.security_flags =
			SASL_SEC_NOANONYMOUS | (c->is_tls ? 0 : (unsigned)SASL_SEC_NOPLAINTEXT),
	};
	sasl_ssf_t ssf = c->is_tls ? 256 : 0;
	int r;

	set_callbacks(c);
	r = sasl_client_new("smtp", c->host, NULL, NULL, c->callbacks, 0, &c->conn);
	if (r == SASL_OK)
		r = sasl_setprop(c->conn, SASL_SSF_EXTERNAL, &ssf);
	if (r == SASL_OK)
		r = sasl_setprop(c->conn, SASL_SEC_PROPS, &wanted);
	if (r == SASL_OK && c->ticket)
		r = sasl_setprop(c->conn, SASL_GSS_CREDS, c->ticket);
	return r == SASL_OK ? put_binding(c) : r;
}

#include "auth/client.h"

#include "wiping.h"

#include "base/mem.h"

#include <errno.h>
#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>

struct auth_client {
	char *host, *user, *offered;
	bool is_tls, is_done;
	sasl_secret_t *secret;
	sasl_conn_t *conn;
	sasl_callback_t callbacks[6];
	char words[256]; /* what Cyrus said last */
};

/* Best first. LOGIN last: a plain password without even a standard. */
static const struct mechanism {
	const char *name;
	bool sends_password;
} mechanisms[] = {
	{ "SCRAM-SHA-512", false }, { "SCRAM-SHA-256", false }, { "SCRAM-SHA-1", false },
	{ "PLAIN", true },	    { "LOGIN", true },
};

enum { MECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]) };

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
	static const char *const plugins[] = { "libscram.so", "libplain.so", "liblogin.so" };
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
static int start_cyrus(void)
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

static sasl_secret_t *secret_of(struct span password)
{
	sasl_secret_t *s = mem_alloc(sizeof(*s) + password.len);

	s->len = password.len;
	if (password.len)
		memcpy(s->data, password.at, password.len);
	return s;
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

/* Cyrus is to refuse a password in clear as well as we do. */
static int prepare(struct auth_client *c)
{
	sasl_security_properties_t wanted = {
		.security_flags =
			SASL_SEC_NOANONYMOUS | (c->is_tls ? 0 : (unsigned)SASL_SEC_NOPLAINTEXT),
	};
	sasl_ssf_t ssf = c->is_tls ? 256 : 0;
	int r = sasl_client_new("smtp", c->host, NULL, NULL, c->callbacks, 0, &c->conn);

	if (r == SASL_OK)
		r = sasl_setprop(c->conn, SASL_SSF_EXTERNAL, &ssf);
	return r == SASL_OK ? sasl_setprop(c->conn, SASL_SEC_PROPS, &wanted) : r;
}

struct auth_client *auth_client_new(const struct auth_client_conf *conf, struct fault *fault)
{
	struct auth_client *c = mem_new(struct auth_client);
	int r;

	c->host = mem_text(conf->host);
	c->user = mem_text(conf->user);
	c->offered = mem_text(conf->offered);
	c->is_tls = conf->is_tls;
	c->secret = secret_of(conf->password);
	set_callbacks(c);
	r = start_cyrus();
	if (r == SASL_OK)
		r = prepare(c);
	if (r != SASL_OK) {
		fault_set(fault, -EIO, "Cyrus SASL did not start for %s: %s", conf->host,
			  sasl_errstring(r, NULL, NULL));
		auth_client_free(&c);
	}
	return c;
}

void auth_client_free(struct auth_client **client)
{
	struct auth_client *c = *client;

	if (c == NULL)
		return;
	sasl_dispose(&c->conn);
	mem_wipe(c->secret, sizeof(*c->secret) + c->secret->len);
	free(c->secret);
	free(c->host);
	free(c->user);
	free(c->offered);
	free(c);
	*client = NULL;
}

static bool is_offered(const struct auth_client *c, const char *name)
{
	struct span rest = span_text(c->offered);

	while (rest.len) {
		size_t end = span_find(rest, ' ');

		if (span_ieq_text(span_first(rest, end), name))
			return true;
		rest = span_from(rest, end + 1);
	}
	return false;
}

/* What the smarthost offers is its text, not ours. */
static void put_offered(const struct auth_client *c, char *out, size_t size)
{
	size_t n = 0;

	for (const char *at = c->offered; *at && n + 1 < size; at++)
		out[n++] = *at >= ' ' && *at <= '~' ? *at : '?';
	out[n] = '\0';
}

static int none_fits(const struct auth_client *c, bool was_refused, struct fault *fault)
{
	char offered[160];

	put_offered(c, offered, sizeof(offered));
	if (was_refused)
		return fault_set(fault, -ENOTSUP,
				 "Cyrus SASL can do none of what %s offers (%s): %s; on Debian, "
				 "libsasl2-modules has the mechanisms",
				 c->host, offered, c->words);
	return fault_set(fault, -ENOTSUP,
			 "%s offers %s%s; we log in by SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, "
			 "and under TLS by PLAIN or LOGIN too",
			 c->host, offered[0] ? "the mechanisms " : "no login", offered);
}

static int no_sense(const struct auth_client *c, int code, struct fault *fault)
{
	return fault_set(fault, -EPROTO, "the login at %s broke off: %s (%s)", c->host,
			 sasl_errstring(code, NULL, NULL), c->words);
}

static int put_out(struct auth_client *c, int code, const char *at, unsigned n, struct buf *out,
		   struct fault *fault)
{
	if (code != SASL_OK && code != SASL_CONTINUE)
		return no_sense(c, code, fault);
	c->is_done = code == SASL_OK;
	if (at)
		buf_put(out, at, n);
	return 0;
}

int auth_client_start(struct auth_client *c, const char **mechanism, struct buf *initial,
		      bool *has_initial, struct fault *fault)
{
	bool was_refused = false;

	for (size_t i = 0; i < MECHANISMS; i++) {
		const char *at = NULL;
		unsigned n = 0;
		int r;

		if (!is_offered(c, mechanisms[i].name) ||
		    (mechanisms[i].sends_password && !c->is_tls))
			continue;
		r = sasl_client_start(c->conn, mechanisms[i].name, NULL, &at, &n, NULL);
		was_refused = true;
		if (r == SASL_NOMECH)
			continue;
		*mechanism = mechanisms[i].name;
		*has_initial = at != NULL;
		return put_out(c, r, at, n, initial, fault);
	}
	return none_fits(c, was_refused, fault);
}

int auth_client_step(struct auth_client *c, struct span challenge, struct buf *response,
		     struct fault *fault)
{
	const char *at = NULL;
	unsigned n = 0;
	char *copy;
	int r;

	if (c->is_done)
		return fault_set(fault, -EPROTO, "%s asks on after the login's last response",
				 c->host);
	/* Cyrus takes a challenge for text now and then: the copy has a NUL behind it. */
	copy = mem_text_n(challenge.at, challenge.len);
	r = sasl_client_step(c->conn, copy, (unsigned)challenge.len, NULL, &at, &n);
	free(copy);
	return put_out(c, r, at, n, response, fault);
}

bool auth_client_is_done(const struct auth_client *c)
{
	return c->is_done;
}

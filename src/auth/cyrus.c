#include "cyrus.h"

#include "wiping.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

typedef int (*callback_function)(void);

static int get_option(void *context, const char *plugin, const char *option, const char **result,
		      unsigned *len)
{
	const struct cyrus_conf *conf = ((struct cyrus *)context)->conf;
	const struct {
		const char *name, *value;
	} options[] = {
		{ "pwcheck_method", conf->pwcheck_method },
		{ "auxprop_plugin", conf->auxprop_plugin },
		{ "mech_list", conf->mechanisms },
		{ "saslauthd_path", conf->saslauthd_path },
		{ "sasldb_path", conf->sasldb_path },
		{ "log_level", "3" },
	};

	(void)plugin;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(option, options[i].name) == 0 && options[i].value) {
			*result = options[i].value;
			if (len)
				*len = (unsigned)strlen(options[i].value);
			return SASL_OK;
		}
	return SASL_FAIL;
}

/* SASL_LOG_TRACE and SASL_LOG_PASS may hold passwords. */
static int take_words(void *context, int level, const char *message)
{
	struct cyrus *c = context;
	size_t room = sizeof(c->words) - c->words_len;
	int n;

	if (level == SASL_LOG_NONE || level >= SASL_LOG_TRACE || message == NULL)
		return SASL_OK;
	n = snprintf(c->words + c->words_len, room, "%s%s", c->words_len ? "; " : "", message);
	if (n > 0)
		c->words_len += (size_t)n < room ? (size_t)n : room - 1;
	return SASL_OK;
}

static int judge_file(void *context, const char *file, sasl_verify_type_t type)
{
	const struct cyrus *c = context;
	const char *slash = strrchr(file, '/');

	if (type == SASL_VRFY_CONF)
		return SASL_CONTINUE;
	if (type != SASL_VRFY_PLUGIN)
		return SASL_OK;
	for (const char *const *plugin = c->conf->plugins; *plugin; plugin++)
		if (strcmp(slash ? slash + 1 : file, *plugin) == 0)
			return SASL_OK;
	return SASL_CONTINUE;
}

static int may_act_as(sasl_conn_t *conn, void *context, const char *requested, unsigned rlen,
		      const char *identity, unsigned alen, const char *realm, unsigned urlen,
		      struct propctx *props)
{
	const struct cyrus_conf *conf = ((struct cyrus *)context)->conf;
	struct span as = span_of(requested, rlen), who = span_of(identity, alen);

	(void)conn, (void)realm, (void)urlen, (void)props;
	return span_eq(as, who) || conf->may_act_as(conf->user, as, who) ? SASL_OK : SASL_NOAUTHZ;
}

static int check_password(sasl_conn_t *conn, void *context, const char *account, const char *pass,
			  unsigned passlen, struct propctx *props)
{
	struct cyrus *c = context;

	(void)conn, (void)props;
	c->is_checked = true;
	c->check_result = c->conf->check(c->conf->user, account, span_of(pass, passlen));
	return c->check_result;
}

static void add_callback(struct cyrus *c, size_t *n, unsigned long id, callback_function proc)
{
	c->callbacks[(*n)++] = (sasl_callback_t){ id, proc, c };
}

/* Cyrus keeps functions of all kinds as int (*)(void). */
#define as_callback(function) ((callback_function)(void (*)(void))(function))

int cyrus_start(struct cyrus *c, const struct cyrus_conf *conf)
{
	size_t n = 0;

	*c = (struct cyrus){ .conf = conf };
	add_callback(c, &n, SASL_CB_GETOPT, as_callback(get_option));
	add_callback(c, &n, SASL_CB_LOG, as_callback(take_words));
	add_callback(c, &n, SASL_CB_VERIFYFILE, as_callback(judge_file));
	add_callback(c, &n, SASL_CB_PROXY_POLICY, as_callback(may_act_as));
	if (conf->check)
		add_callback(c, &n, SASL_CB_SERVER_USERDB_CHECKPASS, as_callback(check_password));
	c->callbacks[n] = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
	wiping_install();
	unsetenv("SASL_PATH");
	unsetenv("SASL_CONF_PATH");
	/* Without a name of an application Cyrus looks for no configuration file. */
	return sasl_server_init(c->callbacks, NULL);
}

void cyrus_stop(struct cyrus *c)
{
	sasl_server_done();
	mem_wipe(c->words, sizeof(c->words));
}

const char *cyrus_words(const struct cyrus *c)
{
	return c->words;
}

/* Logins are offered only under TLS, which Cyrus is told of as an external layer. None of a
 * mechanism's own (GSSAPI) is wanted besides. */
static int prepare(sasl_conn_t *conn)
{
	sasl_security_properties_t wanted = { .security_flags = SASL_SEC_NOANONYMOUS };
	sasl_ssf_t ssf = 256;
	int r = sasl_setprop(conn, SASL_SSF_EXTERNAL, &ssf);

	return r == SASL_OK ? sasl_setprop(conn, SASL_SEC_PROPS, &wanted) : r;
}

static void forget_words(struct cyrus *c)
{
	c->words_len = 0;
	c->words[0] = '\0';
}

static int talk_plain(sasl_conn_t *conn, struct span account, struct span password)
{
	struct buf response = { 0 };
	const char *challenge;
	unsigned n;
	int r;

	buf_put_char(&response, '\0');
	buf_put_span(&response, account);
	buf_put_char(&response, '\0');
	buf_put_span(&response, password);
	r = sasl_server_start(conn, "PLAIN", (const char *)buf_span(&response).at,
			      (unsigned)response.len, &challenge, &n);
	buf_wipe(&response);
	return r;
}

static int talk_login(sasl_conn_t *conn, struct span account, struct span password)
{
	const char *challenge;
	unsigned n;
	int r = sasl_server_start(conn, "LOGIN", NULL, 0, &challenge, &n);

	if (r == SASL_CONTINUE)
		r = sasl_server_step(conn, (const char *)account.at, (unsigned)account.len,
				     &challenge, &n);
	if (r == SASL_CONTINUE)
		r = sasl_server_step(conn, (const char *)password.at, (unsigned)password.len,
				     &challenge, &n);
	return r == SASL_CONTINUE ? SASL_FAIL : r;
}

struct span cyrus_talk_identity(sasl_conn_t *conn)
{
	const void *value = NULL;

	if (sasl_getprop(conn, SASL_AUTHUSER, &value) != SASL_OK || value == NULL)
		return span_of(NULL, 0);
	return span_text(value);
}

bool cyrus_is_account(const struct cyrus *c, struct span identity, struct span account)
{
	struct span rest = span_from(identity, account.len);

	if (!span_eq(span_first(identity, account.len), account))
		return false;
	return rest.len == 0 || (c->conf->realm && rest.at[0] == '@' &&
				 span_eq(span_from(rest, 1), span_text(c->conf->realm)));
}

/* Cyrus makes names canonical in its own way; we did before in ours, so that it must find nothing
 * to change but the realm, which it adds. */
static bool is_whom_we_meant(const struct cyrus *c, sasl_conn_t *conn, struct span account)
{
	const void *value = NULL;

	return sasl_getprop(conn, SASL_USERNAME, &value) == SASL_OK && value &&
	       cyrus_is_account(c, span_text(value), account);
}

static int talk(struct cyrus *c, sasl_conn_t *conn, const char *mechanism, struct span account,
		struct span password)
{
	int r = prepare(conn);

	if (r == SASL_OK && strcmp(mechanism, "LOGIN") == 0)
		r = talk_login(conn, account, password);
	else if (r == SASL_OK)
		r = talk_plain(conn, account, password);
	/* Where our own check was asked, what Cyrus tried after it does not count. */
	if (c->is_checked && c->check_result != SASL_OK)
		return c->check_result;
	if (r == SASL_OK && c->conf->check && !c->is_checked)
		return SASL_FAIL;
	if (r == SASL_OK && !is_whom_we_meant(c, conn, account)) {
		take_words(c, SASL_LOG_ERR, "Cyrus took the name for another one");
		return SASL_FAIL;
	}
	return r;
}

/* Cyrus's saslauthd client leaves the password in its stack frame. */
static __attribute__((noinline)) void wipe_stack(void)
{
	char below[48 << 10];

	mem_wipe(below, sizeof(below));
}

static int new_conn(struct cyrus *c, sasl_conn_t **conn)
{
	forget_words(c);
	return sasl_server_new("smtp", c->conf->hostname, c->conf->realm, NULL, NULL, NULL, 0,
			       conn);
}

int cyrus_login(struct cyrus *c, const char *mechanism, const char *account, struct span password)
{
	sasl_conn_t *conn = NULL;
	int r = new_conn(c, &conn);

	c->is_checked = false;
	if (r == SASL_OK)
		r = talk(c, conn, mechanism, span_text(account), password);
	sasl_dispose(&conn);
	wipe_stack();
	return r;
}

int cyrus_talk_new(struct cyrus *c, sasl_conn_t **conn)
{
	int r = new_conn(c, conn);

	return r == SASL_OK ? prepare(*conn) : r;
}

/* To Cyrus NULL is no response, and another thing than an empty one. */
static const char *text_of(struct span response)
{
	return response.len ? (const char *)response.at : "";
}

int cyrus_talk_start(struct cyrus *c, sasl_conn_t *conn, const char *mechanism,
		     const struct span *initial, struct span *challenge)
{
	const char *out = NULL;
	unsigned n = 0;
	int r;

	forget_words(c);
	r = sasl_server_start(conn, mechanism, initial ? text_of(*initial) : NULL,
			      initial ? (unsigned)initial->len : 0, &out, &n);
	*challenge = span_of(out, out ? n : 0);
	return r;
}

int cyrus_talk_step(struct cyrus *c, sasl_conn_t *conn, struct span response,
		    struct span *challenge)
{
	const char *out = NULL;
	unsigned n = 0;
	int r;

	forget_words(c);
	r = sasl_server_step(conn, text_of(response), (unsigned)response.len, &out, &n);
	*challenge = span_of(out, out ? n : 0);
	wipe_stack();
	return r;
}

void cyrus_talk_free(sasl_conn_t **conn)
{
	sasl_dispose(conn);
}

#include "auth/client.h"

#include "client_inside.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Best first. LOGIN last: a plain password without even a standard. */
static const struct mechanism {
	const char *name;
	bool sends_password, is_kerberos, is_plus;
} mechanisms[] = {
	{ .name = "GSSAPI", .is_kerberos = true },
	{ .name = "SCRAM-SHA-512-PLUS", .is_plus = true },
	{ .name = "SCRAM-SHA-256-PLUS", .is_plus = true },
	{ .name = "SCRAM-SHA-1-PLUS", .is_plus = true },
	{ .name = "SCRAM-SHA-512" },
	{ .name = "SCRAM-SHA-256" },
	{ .name = "SCRAM-SHA-1" },
	{ .name = "PLAIN", .sends_password = true },
	{ .name = "LOGIN", .sends_password = true },
};

enum { MECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]) };

static sasl_secret_t *secret_of(struct span password)
{
	sasl_secret_t *s = mem_alloc(sizeof(*s) + password.len);

	s->len = password.len;
	if (password.len)
		memcpy(s->data, password.at, password.len);
	return s;
}

static void set_binding(struct auth_client *c, const struct auth_client_conf *conf)
{
	if (conf->binding == NULL || conf->binding_data.len == 0)
		return;
	c->binding_name = mem_text(conf->binding);
	buf_put_span(&c->bound, conf->binding_data);
	c->binding = (sasl_channel_binding_t){
		.name = c->binding_name,
		.len = c->bound.len,
		.data = buf_span(&c->bound).at,
	};
}

static int connect_to(struct auth_client *c, struct fault *fault)
{
	int r = client_cyrus_start();

	if (r == SASL_OK)
		r = client_cyrus_connect(c);
	if (r == SASL_OK)
		return 0;
	return fault_set(fault, -EIO, "Cyrus SASL did not start for %s: %s", c->host,
			 sasl_errstring(r, NULL, NULL));
}

struct auth_client *auth_client_new(const struct auth_client_conf *conf, struct fault *fault)
{
	struct auth_client *c = mem_new(struct auth_client);
	int r = 0;

	c->host = mem_text(conf->host);
	c->user = mem_text(conf->user);
	c->offered = mem_text(conf->offered);
	c->is_tls = conf->is_tls;
	c->is_kerberos = conf->keytab != NULL;
	c->secret = secret_of(conf->password);
	set_binding(c, conf);
	if (c->is_kerberos)
		r = kerberos_acquire(conf->keytab, conf->user, &c->ticket, fault);
	if (r == 0)
		r = connect_to(c, fault);
	if (r < 0)
		auth_client_free(&c);
	return c;
}

void auth_client_free(struct auth_client **client)
{
	struct auth_client *c = *client;

	if (c == NULL)
		return;
	sasl_dispose(&c->conn);
	kerberos_release(&c->ticket);
	mem_wipe(c->secret, sizeof(*c->secret) + c->secret->len);
	free(c->secret);
	buf_wipe(&c->bound);
	free(c->binding_name);
	free(c->host);
	free(c->user);
	free(c->offered);
	free(c);
	*client = NULL;
}

/* Kerberos or a password, whichever was given: never one for want of the other. */
static bool is_usable(const struct auth_client *c, const struct mechanism *m)
{
	if (m->is_kerberos != c->is_kerberos || (m->is_plus && c->binding.name == NULL))
		return false;
	return c->is_tls || !m->sends_password;
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
				 "libsasl2-modules has the mechanisms, and "
				 "libsasl2-modules-gssapi-mit that for Kerberos",
				 c->host, offered, c->words);
	if (c->is_kerberos)
		return fault_set(fault, -ENOTSUP,
				 "%s offers %s%s; with a keytab we log in by GSSAPI alone", c->host,
				 offered[0] ? "the mechanisms " : "no login", offered);
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

/* A client that could bind says so to a server that offers no -PLUS (RFC 5802 section 6: "y"), so that it
 * finds out when somebody took them from its offer. Cyrus does where it has a choice of mechanisms only:
 * so it gets the one twice. */
static int start_with(struct auth_client *c, const struct mechanism *m, const char **at,
		      unsigned *n)
{
	bool says_y = c->binding.name && span_istarts(span_text(m->name), "SCRAM-") &&
		      strcasestr(c->offered, "-PLUS") == NULL;
	char names[64];

	snprintf(names, sizeof(names), "%s %s", m->name, m->name);
	return sasl_client_start(c->conn, says_y ? names : m->name, NULL, at, n, NULL);
}

int auth_client_start(struct auth_client *c, const char **mechanism, struct buf *initial,
		      bool *has_initial, struct fault *fault)
{
	bool was_refused = false;

	for (size_t i = 0; i < MECHANISMS; i++) {
		const char *at = NULL;
		unsigned n = 0;
		int r;

		if (!is_usable(c, &mechanisms[i]) || !is_offered(c, mechanisms[i].name))
			continue;
		r = start_with(c, &mechanisms[i], &at, &n);
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

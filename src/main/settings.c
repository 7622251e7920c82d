#include "settings.h"

#include "base/mem.h"
#include "password_file.h"
#include "settings_listen.h"

#include <errno.h>
#include <stdlib.h>

static void settings_free(struct submit_settings *submit)
{
	struct settings *s = (struct settings *)submit;

	for (size_t i = 0; i < s->conf->smarthost_count; i++) {
		if (s->trusts)
			tls_trust_unref(&s->trusts[i]);
		if (s->passwords)
			secret_fini(&s->passwords[i]);
	}
	free(s->trusts);
	free(s->passwords);
	free(s->smarthosts);
	tls_identity_unref(&s->submit.identity);
	buf_fini(&s->hello);
	for (size_t i = 0; i < s->conf->listen_count && s->listens; i++)
		settings_listen_fini(&s->listens[i]);
	free(s->listens);
	free(s->learned);
	conf_free(&s->conf);
	free(s);
}

void settings_unref(struct settings **settings)
{
	struct settings *s = *settings;

	*settings = NULL;
	if (s && atomic_fetch_sub(&s->submit.refs, 1) == 1)
		settings_free(&s->submit);
}

static int load_identity(struct settings *s, struct fault *fault)
{
	const struct conf *conf = s->conf;
	struct tls_pair *pairs = mem_array(conf->certificate_count, sizeof(*pairs));

	for (size_t i = 0; i < conf->certificate_count; i++)
		pairs[i] =
			(struct tls_pair){ conf->certificates[i].chain, conf->certificates[i].key };
	s->submit.identity = tls_identity_load(pairs, conf->certificate_count, fault);
	free(pairs);
	if (s->submit.identity)
		return 0;
	fault_prefix(fault, "%s:%d: ", conf->certificates[0].place.file,
		     conf->certificates[0].place.line);
	return fault->code;
}

static int load_smarthost(struct settings *s, size_t i, struct smarthost_limits *limits,
			  struct fault *fault)
{
	static const enum smtp_client_tls modes[] = {
		[CONF_SMARTHOST_STARTTLS] = SMTP_CLIENT_TLS_STARTTLS,
		[CONF_SMARTHOST_IMPLICIT] = SMTP_CLIENT_TLS_IMPLICIT,
		[CONF_SMARTHOST_NONE] = SMTP_CLIENT_TLS_NONE,
	};
	const struct conf_smarthost *c = &s->conf->smarthosts[i];
	bool verifies = c->verify && c->tls != CONF_SMARTHOST_NONE;

	if (verifies) {
		s->trusts[i] = tls_trust_load(c->ca_file[0] ? c->ca_file : NULL, fault);
		if (s->trusts[i] == NULL)
			goto fail;
	}
	if (c->password_file[0] &&
	    password_file_read(c->password_file, &s->passwords[i], fault) < 0)
		goto fail;
	s->smarthosts[i] = (struct relay_smarthost){
		.name = c->name,
		.host = c->host,
		.port = (int)c->port,
		.tls = modes[c->tls],
		.trust = s->trusts[i],
		.user = c->user[0] ? c->user : NULL,
		.password = secret_span(&s->passwords[i]),
		.limit = smarthost_limits_get(limits, c->name),
		.learned = smarthost_limits_learned(limits, c->name),
		.keytab = c->keytab[0] ? c->keytab : NULL,
		.idle_ms = c->idle_ms,
		.connect_ms = c->connect_ms,
		.messages = (unsigned)c->messages,
		.distrusts_chunking = !c->chunking,
		.pause_first_ms = c->pause_first_ms,
		.pause_most_ms = c->pause_most_ms,
	};
	return 0;
fail:
	fault_prefix(fault, "%s:%d: smarthost \"%s\": ", c->place.file, c->place.line, c->name);
	return fault->code;
}

static size_t copy_names(const struct conf_list *list, struct span *out)
{
	for (size_t i = 0; i < list->count && i < AUTH_NAMES_MAX; i++)
		out[i] = span_text(list->at[i]);
	return list->count;
}

enum auth_backend settings_backend(const struct conf *conf)
{
	static const enum auth_backend backends[] = {
		[CONF_BACKEND_USERS] = AUTH_BACKEND_USERS,
		[CONF_BACKEND_SASLAUTHD] = AUTH_BACKEND_SASLAUTHD,
		[CONF_BACKEND_SASLDB] = AUTH_BACKEND_SASLDB,
	};

	return backends[conf->login.backend];
}

int settings_hello(const struct conf *conf, struct buf *out, struct fault *fault)
{
	static const enum auth_app_passwords app_passwords[] = {
		[CONF_APP_PASSWORDS_OPTIONAL] = AUTH_APP_PASSWORDS_OPTIONAL,
		[CONF_APP_PASSWORDS_NONE] = AUTH_APP_PASSWORDS_NONE,
		[CONF_APP_PASSWORDS_REQUIRED] = AUTH_APP_PASSWORDS_REQUIRED,
	};
	const struct conf_login *c = &conf->login;
	struct buf mechanisms = { 0 };
	struct auth_hello hello = {
		.backend = settings_backend(conf),
		.users_file = span_text(c->users_file),
		.saslauthd_socket = span_text(c->saslauthd_socket),
		.sasldb_file = span_text(c->sasldb_file),
		.realm = span_text(c->realm),
		.hostname = span_text(conf->hostname),
		.ignore_case = c->ignore_case,
		.cache_seconds = (uint32_t)(c->cache_ms / 1000),
		.keytab = span_text(c->keytab),
		.app_passwords = app_passwords[c->app_passwords],
	};

	settings_all_mechanisms(conf, &mechanisms);
	hello.mechanisms = buf_span(&mechanisms);
	hello.domain_count = copy_names(&c->domains, hello.domains);
	hello.nt_domain_count = copy_names(&c->nt_domains, hello.nt_domains);
	if (auth_hello_fits(&hello))
		auth_hello_encode(&hello, out);
	else
		fault_set(fault, -E2BIG,
			  "%s:%d: login: more than %d domains, or a path or name that is too long",
			  c->place.file, c->place.line, AUTH_NAMES_MAX);
	buf_fini(&mechanisms);
	return out->len ? 0 : fault->code;
}

void settings_adopt(struct settings *s)
{
	for (size_t i = 0; i < s->conf->smarthost_count; i++)
		relay_limit_set(s->smarthosts[i].limit,
				(unsigned)s->conf->smarthosts[i].connections,
				(unsigned)s->conf->smarthosts[i].rate);
}

struct settings *settings_load(struct conf *conf, struct smarthost_limits *limits,
			       struct fault *fault)
{
	struct settings *s = mem_new(struct settings);

	s->conf = conf;
	s->submit.refs = 1;
	s->submit.conf = conf;
	s->submit.freed = settings_free;
	s->trusts = mem_array(conf->smarthost_count, sizeof(*s->trusts));
	s->passwords = mem_array(conf->smarthost_count, sizeof(*s->passwords));
	s->smarthosts = mem_array(conf->smarthost_count, sizeof(*s->smarthosts));
	s->listens = mem_array(conf->listen_count, sizeof(*s->listens));
	s->learned = mem_array(conf->smarthost_count, sizeof(*s->learned));
	for (size_t i = 0; i < conf->smarthost_count; i++)
		s->learned[i] = smarthost_limits_learned(limits, conf->smarthosts[i].name);
	s->submit.listens = s->listens;
	s->submit.learned = s->learned;
	s->submit.learned_count = conf->smarthost_count;
	if (settings_hello(conf, &s->hello, fault) < 0 || load_identity(s, fault) < 0)
		goto fail;
	for (size_t i = 0; i < conf->listen_count; i++)
		if (settings_listen_load(s->submit.identity, conf, &conf->listens[i],
					 &s->listens[i], fault) < 0)
			goto fail;
	for (size_t i = 0; i < conf->smarthost_count; i++)
		if (load_smarthost(s, i, limits, fault) < 0)
			goto fail;
	return s;
fail:
	settings_unref(&s);
	return NULL;
}

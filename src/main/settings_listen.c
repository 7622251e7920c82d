#include "settings_listen.h"

#include "settings.h"
#include "auth/mech.h"
#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct conf_list *offered_at(const struct conf *conf, const struct conf_listen *listen)
{
	return listen->mechanisms.count ? &listen->mechanisms : &conf->login.mechanisms;
}

static void add(struct buf *out, const char *name)
{
	if (span_has_word(buf_span(out), span_text(name)))
		return;
	if (out->len)
		buf_put_char(out, ' ');
	buf_put_text(out, name);
}

/* Who offers SCRAM offers it with channel binding too: both need the same of the back end. The stronger
 * stands first, for clients that take the first they know. */
static void add_all(const struct conf_list *list, bool with_external, struct buf *out)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->at[i], "EXTERNAL") == 0 && !with_external)
			continue;
		if (strcmp(list->at[i], "SCRAM-SHA-256") == 0)
			add(out, "SCRAM-SHA-256-PLUS");
		add(out, list->at[i]);
	}
}

void settings_all_mechanisms(const struct conf *conf, struct buf *out)
{
	for (size_t i = 0; i < conf->listen_count; i++)
		add_all(offered_at(conf, &conf->listens[i]), true, out);
}

static int listen_fault(const struct conf_listen *listen, struct fault *fault, const char *what)
{
	return fault_set(fault, -EINVAL, "%s:%d: listen \"%s\": %s", listen->place.file,
			 listen->place.line, listen->name, what);
}

static int check_mechanisms(const struct conf *conf, const struct conf_listen *listen,
			    struct fault *fault)
{
	const struct conf_list *list = offered_at(conf, listen);

	for (size_t i = 0; i < list->count; i++) {
		const char *flaw = auth_mech_flaw(span_text(list->at[i]), settings_backend(conf));

		if (flaw)
			return listen_fault(listen, fault, flaw);
	}
	return 0;
}

static int load_proxies(const struct conf_listen *listen, struct submit_listen *out,
			struct fault *fault)
{
	struct network *networks = mem_array(listen->proxies.count, sizeof(*networks));

	out->proxies = networks;
	for (size_t i = 0; i < listen->proxies.count; i++)
		if (network_parse(span_text(listen->proxies.at[i]), &networks[i]) < 0)
			return fault_set(
				fault, -EINVAL,
				"%s:%d: listen \"%s\": proxies: \"%s\" has bits set behind "
				"its prefix, or is no network",
				listen->place.file, listen->place.line, listen->name,
				listen->proxies.at[i]);
	out->proxy_count = listen->proxies.count;
	return 0;
}

int settings_listen_load(const struct tls_identity *identity, const struct conf *conf,
			 const struct conf_listen *listen, struct submit_listen *out,
			 struct fault *fault)
{
	struct buf mechanisms = { 0 }, external = { 0 };

	out->conf = listen;
	if (check_mechanisms(conf, listen, fault) < 0 || load_proxies(listen, out, fault) < 0)
		return fault->code;
	if (listen->profile == CONF_PROFILE_LEGACY && !tls_identity_has_rsa(identity))
		return listen_fault(listen, fault,
				    "profile = legacy needs an RSA certificate; add a certificate "
				    "section with one");
	if (listen->client_ca[0]) {
		out->clients = tls_trust_load(listen->client_ca, fault);
		if (out->clients == NULL) {
			fault_prefix(fault, "%s:%d: listen \"%s\": client_ca: ", listen->place.file,
				     listen->place.line, listen->name);
			return fault->code;
		}
	}
	add_all(offered_at(conf, listen), false, &mechanisms);
	add_all(offered_at(conf, listen), true, &external);
	out->mechanisms = mechanisms.len ? buf_take_text(&mechanisms) : mem_text("");
	out->mechanisms_external = external.len ? buf_take_text(&external) : mem_text("");
	return 0;
}

void settings_listen_fini(struct submit_listen *listen)
{
	tls_trust_unref(&listen->clients);
	free((void *)(uintptr_t)listen->proxies);
	free((char *)(uintptr_t)listen->mechanisms);
	free((char *)(uintptr_t)listen->mechanisms_external);
}

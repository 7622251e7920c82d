#include "inside.h"

#include "base/buf.h"

#include <stdlib.h>

static void add(json_t *out, bool is_offered, const char *word)
{
	if (is_offered)
		json_array_append_new(out, json_string(word));
}

static void take_word(json_t *out, struct buf *word)
{
	char *text = buf_take_text(word);

	json_array_append_new(out, ctl_text(text));
	free(text);
}

static void add_size(json_t *out, const struct smtp_client_offers *o)
{
	struct buf word = { 0 };

	if (!o->size)
		return;
	buf_put_text(&word, "SIZE");
	if (o->size_octets)
		buf_printf(&word, " %llu", (unsigned long long)o->size_octets);
	take_word(out, &word);
}

static void put_limit(struct buf *word, const char *name, unsigned most)
{
	if (most)
		buf_printf(word, " %s=%u", name, most);
}

static void add_limits(json_t *out, const struct smtp_client_offers *o)
{
	struct buf word = { 0 };

	if (o->mail_most == 0 && o->rcpt_most == 0 && o->rcpt_domains_most == 0)
		return;
	buf_put_text(&word, "LIMITS");
	put_limit(&word, "MAILMAX", o->mail_most);
	put_limit(&word, "RCPTMAX", o->rcpt_most);
	put_limit(&word, "RCPTDOMAINMAX", o->rcpt_domains_most);
	take_word(out, &word);
}

static void add_auth(json_t *out, const struct smtp_client_offers *o)
{
	struct buf word = { 0 };

	if (!o->auth)
		return;
	buf_put_text(&word, "AUTH");
	if (o->mechanisms[0])
		buf_printf(&word, " %s", o->mechanisms);
	take_word(out, &word);
}

json_t *ctl_offers(const struct relay *relay, size_t smarthost)
{
	struct smtp_client_offers o;
	json_t *out;

	if (!relay_offered(relay, smarthost, &o))
		return json_null();
	out = json_array();
	add(out, o.pipelining, "PIPELINING");
	add_size(out, &o);
	add(out, o.eightbitmime, "8BITMIME");
	add(out, o.binarymime, "BINARYMIME");
	add(out, o.chunking, "CHUNKING");
	add(out, o.smtputf8, "SMTPUTF8");
	add(out, o.dsn, "DSN");
	add(out, o.require_tls, "REQUIRETLS");
	add_limits(out, &o);
	add_auth(out, &o);
	return out;
}

/* What a peer takes within one transaction (RFC 9422 4.). */
#include "client_private.h"

static struct span domain_of(struct span mailbox)
{
	size_t at = mailbox.len;

	while (at > 0 && mailbox.at[at - 1] != '@')
		at--;
	return span_from(mailbox, at);
}

static bool has_domain(const struct client_envelope *e, struct span domain)
{
	struct span rest = buf_span(&e->domains);

	while (rest.len) {
		size_t end = span_find(rest, '\0');

		if (span_ieq(span_first(rest, end), domain))
			return true;
		rest = span_from(rest, end + 1);
	}
	return false;
}

static bool take_domain(struct client_envelope *e, struct span domain, unsigned most)
{
	if (has_domain(e, domain))
		return true;
	if (e->domain_count >= most)
		return false;
	buf_put_span(&e->domains, domain);
	buf_put_char(&e->domains, '\0');
	e->domain_count++;
	return true;
}

bool client_limits_take(struct smtp_client *cl, struct span mailbox)
{
	const struct smtp_client_offers *o = &cl->offers;
	struct client_envelope *e = &cl->envelope;

	if (o->rcpt_most && e->asked >= o->rcpt_most)
		return false;
	if (o->rcpt_domains_most && !take_domain(e, domain_of(mailbox), o->rcpt_domains_most))
		return false;
	e->asked++;
	return true;
}

#include "server_private.h"

#include <stdarg.h>

enum {
	LINE_OCTETS = 512, /* RFC 5321 4.5.3.1.5 */
	TEXT_OCTETS = 512,
	CODE_OCTETS = 16, /* "550 5.7.60 " and the CRLF, with some to spare */
};

const struct smtp_reply *server_compose(struct smtp_server *srv, int code,
					struct smtp_status status, const char *fmt, ...)
{
	va_list ap;

	buf_clear(&srv->words);
	va_start(ap, fmt);
	buf_vprintf(&srv->words, fmt, ap);
	va_end(ap);
	srv->composed = (struct smtp_reply){ code, status, buf_span(&srv->words) };
	return &srv->composed;
}

const struct smtp_reply *server_name_tls_port(struct smtp_server *srv,
					      const struct smtp_reply *reply, const char *link)
{
	if (srv->conf.tls_port == 0)
		return reply;
	return server_compose(srv, reply->code, reply->status, "%.*s%s SSL/TLS on port %u",
			      (int)reply->text.len, (const char *)reply->text.at, link,
			      srv->conf.tls_port);
}

static bool is_named(struct span text, const struct buf *name)
{
	return text.len >= name->len &&
	       memmem(text.at, text.len, buf_span(name).at, name->len) != NULL;
}

/* "<address>: words": Eudora looks in our words for the recipient at fault. 421 is about the
 * session. */
static void put_text(const struct smtp_reply *reply, struct span address, struct buf *text)
{
	struct buf name = { 0 };

	if (address.len && reply->code != 421) {
		buf_put_char(&name, '<');
		buf_put_span(&name, address);
		buf_put_char(&name, '>');
		if (!is_named(reply->text, &name)) {
			buf_put_span(text, buf_span(&name));
			buf_put_text(text, ": ");
		}
	}
	buf_put_span(text, span_first(reply->text, TEXT_OCTETS));
	buf_fini(&name);
}

static const char *stop_behind(struct span text)
{
	return text.len && strchr(".!?", text.at[text.len - 1]) ? " " : ". ";
}

/* The footer helps, but not as much as the reason: where both have no room, the reason stands. */
static void put_suffix(const struct smtp_server *srv, struct span text, unsigned ref,
		       struct buf *out)
{
	struct buf reference = { 0 };
	const char *stop = stop_behind(text), *footer = srv->conf.footer;

	buf_printf(&reference, " (ref %s-%u)", srv->sid, ref);
	if (*footer &&
	    text.len + strlen(stop) + strlen(footer) + reference.len + CODE_OCTETS <= LINE_OCTETS)
		buf_printf(out, "%s%s", stop, footer);
	buf_put_span(out, buf_span(&reference));
	buf_fini(&reference);
}

void server_put_refusal(struct smtp_server *srv, const struct smtp_reply *reply,
			struct span address, unsigned ref, struct buf *text, struct buf *line)
{
	struct smtp_reply full = *reply;
	struct buf suffix = { 0 };

	put_text(reply, address, text);
	full.text = buf_span(text);
	put_suffix(srv, full.text, ref, &suffix);
	smtp_reply_format(&full, buf_span(&suffix), line);
	buf_fini(&suffix);
}

#include "smtp/idna.h"

#include "domain.h"

#include <errno.h>
#include <idn2.h>

enum {
	DOMAIN_MOST = 255, /* RFC 5321 4.5.3.1.2 */
	INPUT_MOST = 1024, /* octets of UTF-8 for which so short an A-label form may be found */
};

/* What comes out must be a domain by our own grammar too: the mapping turns characters beyond ASCII
 * into others within it (U+3002 is a dot) or into nothing (U+200B), and must not make a path's
 * punctuation of them. */
static int append(struct span ascii, struct buf *out)
{
	if (ascii.len == 0 || ascii.len > DOMAIN_MOST || smtp_domain_length(ascii) != ascii.len)
		return -EINVAL;
	buf_put_span(out, ascii);
	return 0;
}

/* Upper case is mapped and the rest must be U-labels: people write "BÜCHER.example". */
int smtp_domain_to_ascii(struct span domain, struct buf *out)
{
	uint8_t text[INPUT_MOST + 1], *ascii = NULL;
	int rc = -EINVAL;

	if (span_is_ascii(domain)) {
		buf_put_span(out, domain);
		return 0;
	}
	if (domain.len > INPUT_MOST || span_find(domain, 0) < domain.len || !span_is_utf8(domain))
		return -EINVAL;
	memcpy(text, domain.at, domain.len);
	text[domain.len] = 0;
	if (idn2_lookup_u8(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK)
		rc = append(span_text((const char *)ascii), out);
	idn2_free(ascii);
	return rc;
}

/* The domain stands behind the last "@": a quoted local part may hold others. */
int smtp_mailbox_to_ascii(struct span mailbox, struct buf *out)
{
	size_t at = mailbox.len, start = out->len;

	if (span_is_ascii(mailbox)) {
		buf_put_span(out, mailbox);
		return 0;
	}
	while (at && mailbox.at[at - 1] != '@')
		at--;
	if (at == 0 || !span_is_ascii(span_first(mailbox, at)))
		return -EINVAL;
	buf_put_span(out, span_first(mailbox, at));
	if (smtp_domain_to_ascii(span_from(mailbox, at), out) == 0)
		return 0;
	out->len = start;
	return -EINVAL;
}

#include "plan.h"

#include "lines64.h"
#include "loose.h"
#include "quoted.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

#define VERSION "MIME-Version: 1.0\r\n"
#define TYPE "Content-Type: text/plain; charset="
#define ENCODING "Content-Transfer-Encoding: "

bool mail_plan_is_ascii(unsigned takes)
{
	return (takes & SMTP_FORM_8BIT) == 0 || (takes & SMTP_FORM_8BIT_HEADER) == 0;
}

static bool is_dirty(bool has_8bit, bool has_long, bool has_binary, unsigned takes)
{
	return (has_8bit && !(takes & SMTP_FORM_8BIT)) ||
	       (has_long && !(takes & SMTP_FORM_LONG_LINES)) ||
	       (has_binary && !(takes & SMTP_FORM_BINARY));
}

static unsigned header_takes(unsigned takes)
{
	return mail_plan_is_ascii(takes) ? takes & ~(unsigned)SMTP_FORM_8BIT : takes;
}

bool mail_plan_is_field_dirty(const struct mail_facts *field, unsigned takes)
{
	return is_dirty(field->is_8bit, field->is_long, field->is_binary, header_takes(takes));
}

static bool is_head_dirty(const struct mail_part *p, unsigned takes)
{
	return is_dirty(p->has_8bit, p->has_long, p->has_binary, header_takes(takes));
}

static bool is_body_dirty(const struct mail_part *p, unsigned takes)
{
	return is_dirty(p->body.is_8bit, p->body.is_long, p->body.is_binary, takes);
}

static bool is_composite(const struct mail_part *p)
{
	return p->head.opacity == MAIL_OPAQUE_NOT && p->head.kind != MAIL_KIND_TEXT &&
	       p->head.kind != MAIL_KIND_OTHER;
}

/* Where lines are sent each has a CRLF: octets without one would gain it. Around the parts of a multipart
 * and in base64 it means nothing; and a binary message alone has octets, others have lines. */
static bool would_gain_end(const struct mail_survey *s, const struct mail_part *p, unsigned takes)
{
	return s->is_binary && !(takes & SMTP_FORM_BINARY) && p->is_last && p->body.is_ragged &&
	       p->head.opacity == MAIL_OPAQUE_NOT && !is_composite(p) &&
	       p->head.encoding != MAIL_ENCODING_BASE64;
}

/* What cannot be done */

#define AS_IT_IS                                                                                   \
	"The mail server behind this one does not take this message as it is (8-bit, long "        \
	"lines), "

static struct smtp_reply refuse_opaque(enum mail_opacity opacity)
{
	switch (opacity) {
	case MAIL_OPAQUE_SIGNED:
		return SMTP_REPLY(554, 5, 6, 3,
				  AS_IT_IS
				  "and converting it would break its signature. Please send "
				  "it unsigned, or have your mail program encode it");
	case MAIL_OPAQUE_PARTIAL:
		return SMTP_REPLY(554, 5, 6, 3,
				  AS_IT_IS "and it is a piece of a message, which must not be "
					   "converted. Please send the message whole");
	case MAIL_OPAQUE_BOUNDARY:
	case MAIL_OPAQUE_ENCODED:
		return SMTP_REPLY(554, 5, 6, 3,
				  AS_IT_IS
				  "and it cannot be converted, since the header of one of its "
				  "parts is malformed");
	case MAIL_OPAQUE_DEEP:
	case MAIL_OPAQUE_MANY:
	case MAIL_OPAQUE_NOT:
		break;
	}
	return SMTP_REPLY(554, 5, 6, 3,
			  AS_IT_IS "and it has too many parts to be converted. Please send it in "
				   "several messages");
}

static int check(const struct mail_part *p, unsigned part, unsigned takes, struct smtp_reply *why)
{
	/* A boundary that cannot be used is not to become one that can. */
	bool is_touched = is_body_dirty(p, takes) ||
			  (p->head.opacity == MAIL_OPAQUE_BOUNDARY && is_head_dirty(p, takes));

	if (p->head.opacity != MAIL_OPAQUE_NOT && is_touched) {
		*why = refuse_opaque(p->head.opacity);
		return -EINVAL;
	}
	if (p->has_binary && is_head_dirty(p, takes)) {
		*why = SMTP_REPLY(554, 5, 6, 3,
				  AS_IT_IS
				  "and it cannot be converted, since its header has line ends "
				  "other than CRLF, or NUL");
		return -EINVAL;
	}
	/* Within a message that is only enclosed nobody is to be reached by it. */
	if (part == 0 && p->is_unwritable && mail_plan_is_ascii(takes)) {
		*why = SMTP_REPLY(
			553, 5, 6, 7,
			"The mail server behind this one takes no addresses beyond ASCII, and the "
			"header of this message has one");
		return -EINVAL;
	}
	return 0;
}

/* What becomes of a part by itself */

static enum mail_change encoded_change(const struct mail_part *p)
{
	if (p->head.encoding == MAIL_ENCODING_QUOTED)
		return MAIL_CHANGE_MEND_QUOTED;
	if (p->head.encoding == MAIL_ENCODING_BASE64)
		return MAIL_CHANGE_MEND_BASE64;
	return p->head.kind == MAIL_KIND_TEXT && !p->body.is_binary ? MAIL_CHANGE_QUOTED
								    : MAIL_CHANGE_BASE64;
}

static const char *charset_of(const struct mail_facts *body)
{
	if (!body->is_8bit && !body->is_binary)
		return "us-ascii";
	/* RFC 1428 3. */
	return body->is_broken || body->is_binary ? "unknown-8bit" : "utf-8";
}

static void encode(const struct mail_part *p, struct mail_plan *plan)
{
	plan->change = encoded_change(p);
	if (plan->change == MAIL_CHANGE_QUOTED)
		plan->label = MAIL_ENCODING_QUOTED;
	else if (plan->change == MAIL_CHANGE_BASE64)
		plan->label = MAIL_ENCODING_BASE64;
	else
		return;
	if (!p->head.has_type)
		plan->charset = charset_of(&p->body);
}

/* Long lines are binary (RFC 2045 2.8), but where only they are taken the label must not say so. */
static enum mail_domain domain_of(const struct mail_facts *body, unsigned takes)
{
	if (body->is_binary || (body->is_long && (takes & SMTP_FORM_BINARY)))
		return MAIL_DOMAIN_BINARY;
	return body->is_8bit ? MAIL_DOMAIN_8BIT : MAIL_DOMAIN_7BIT;
}

static void plan_alone(const struct mail_survey *s, const struct mail_part *p, unsigned takes,
		       struct mail_plan *plan)
{
	*plan = (struct mail_plan){ 0 };
	if (!is_body_dirty(p, takes) && !would_gain_end(s, p, takes)) {
		plan->remains = domain_of(&p->body, takes);
	} else if (is_composite(p)) {
		plan->change = MAIL_CHANGE_LOOSE;
		plan->has_changed = true;
	} else {
		encode(p, plan);
	}
}

/* What becomes of it by what becomes of those within it */

static enum mail_domain labelled_domain(enum mail_encoding label)
{
	if (label == MAIL_ENCODING_BINARY)
		return MAIL_DOMAIN_BINARY;
	return label == MAIL_ENCODING_8BIT ? MAIL_DOMAIN_8BIT : MAIL_DOMAIN_7BIT;
}

/* A label that says more than is there any more. Many messages say "binary" without being sent as such,
 * and arrive everywhere; only one that was has to lose it. */
static void plan_label(const struct mail_survey *s, const struct mail_part *p, unsigned takes,
		       struct mail_plan *plan)
{
	bool must_go = s->is_binary && p->head.encoding == MAIL_ENCODING_BINARY &&
		       !(takes & SMTP_FORM_BINARY);

	if (plan->label != MAIL_ENCODING_NONE ||
	    !(must_go || (is_composite(p) && plan->has_changed)))
		return;
	if (plan->remains < labelled_domain(p->head.encoding))
		plan->label =
			plan->remains == MAIL_DOMAIN_8BIT ? MAIL_ENCODING_8BIT : MAIL_ENCODING_7BIT;
}

static void tell_parent(const struct mail_part *p, const struct mail_plan *plan, unsigned takes,
			struct mail_plan *parent)
{
	bool is_head_changed = is_head_dirty(p, takes) || plan->label != MAIL_ENCODING_NONE;

	if (plan->remains > parent->remains)
		parent->remains = plan->remains;
	if (p->has_8bit && !is_head_changed && parent->remains == MAIL_DOMAIN_7BIT)
		parent->remains = MAIL_DOMAIN_8BIT;
	if (plan->has_changed || plan->change != MAIL_CHANGE_NONE || is_head_changed)
		parent->has_changed = true;
}

/* RFC 2045 4: without it the labels would mean nothing. */
static void ask_for_version(const struct mail_survey *s, unsigned part, struct mail_plan *plan)
{
	if (plan[part].label == MAIL_ENCODING_NONE)
		return;
	while (!s->parts[part].is_message)
		part = s->parts[part].parent;
	plan[part].adds_mime_version = !s->parts[part].head.has_mime_version;
}

int mail_plan_make(const struct mail_survey *s, unsigned takes, struct mail_plan *plan,
		   struct smtp_reply *why)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (check(&s->parts[i], i, takes, why))
			return -EINVAL;
		plan_alone(s, &s->parts[i], takes, &plan[i]);
	}
	for (unsigned i = s->count; i-- > 0;) {
		plan_label(s, &s->parts[i], takes, &plan[i]);
		if (i)
			tell_parent(&s->parts[i], &plan[i], takes, &plan[s->parts[i].parent]);
		ask_for_version(s, i, plan);
	}
	return 0;
}

/* The fields that it brings */

static const char *label_name(enum mail_encoding label)
{
	switch (label) {
	case MAIL_ENCODING_8BIT:
		return "8bit";
	case MAIL_ENCODING_QUOTED:
		return "quoted-printable";
	case MAIL_ENCODING_BASE64:
		return "base64";
	case MAIL_ENCODING_NONE:
	case MAIL_ENCODING_7BIT:
	case MAIL_ENCODING_BINARY:
	case MAIL_ENCODING_OTHER:
		break;
	}
	return "7bit";
}

void mail_plan_put_label(const struct mail_plan *plan, struct buf *out)
{
	buf_printf(out, ENCODING "%s\r\n", label_name(plan->label));
}

void mail_plan_put_added(const struct mail_plan *plan, const struct mail_head *head,
			 struct buf *out)
{
	if (plan->adds_mime_version)
		buf_put_text(out, VERSION);
	if (plan->charset)
		buf_printf(out, TYPE "%s\r\n", plan->charset);
	if (plan->label != MAIL_ENCODING_NONE && !head->has_encoding)
		mail_plan_put_label(plan, out);
}

/* Sizes */

uint64_t mail_plan_added(const struct mail_plan *plan)
{
	uint64_t octets = 0;

	if (plan->adds_mime_version)
		octets += strlen(VERSION);
	if (plan->charset)
		octets += strlen(TYPE) + strlen(plan->charset) + strlen("\r\n");
	if (plan->label != MAIL_ENCODING_NONE)
		octets += strlen(ENCODING) + strlen(label_name(plan->label)) + strlen("\r\n");
	/* And the blank line of a header section that was empty. */
	return octets + strlen("\r\n");
}

uint64_t mail_plan_bound(const struct mail_plan *plan, const struct mail_facts *body)
{
	switch (plan->change) {
	case MAIL_CHANGE_NONE:
		break;
	case MAIL_CHANGE_QUOTED:
	case MAIL_CHANGE_MEND_QUOTED:
		return mail_quoted_bound(body->is_binary ? 3 * body->octets : body->width,
					 body->lines);
	case MAIL_CHANGE_BASE64:
		return mail_lines64_bound(body->octets, false);
	case MAIL_CHANGE_MEND_BASE64:
		return mail_lines64_bound(body->octets, true);
	case MAIL_CHANGE_LOOSE:
		return mail_loose_bound(body->octets);
	}
	return body->octets;
}

static uint64_t size_after(const struct mail_survey *s, unsigned takes,
			   const struct mail_plan *plan)
{
	uint64_t octets = s->octets;

	for (unsigned i = 0; i < s->count; i++) {
		const struct mail_part *p = &s->parts[i];

		octets += mail_plan_added(&plan[i]);
		octets += mail_plan_bound(&plan[i], &p->body) - p->body.octets;
		if (is_head_dirty(p, takes))
			octets += p->growth;
	}
	return octets;
}

int mail_survey_judge(const struct mail_survey *s, unsigned takes, uint64_t *octets_out,
		      struct smtp_reply *why)
{
	struct mail_plan *plan = mem_array(s->count, sizeof(*plan));
	int rc = mail_plan_make(s, takes, plan, why);

	if (rc == 0)
		*octets_out = size_after(s, takes, plan);
	free(plan);
	return rc;
}

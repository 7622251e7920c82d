/* mail/plan.h: what becomes of each part of a message.
 *
 * Shape    mail_plan_make() of a survey -> one for each part
 */
#pragma once

#include "survey.h"

#include "smtp/reply.h"

enum mail_change {
	MAIL_CHANGE_NONE,
	MAIL_CHANGE_QUOTED,
	MAIL_CHANGE_BASE64,
	MAIL_CHANGE_MEND_QUOTED, /* it is encoded already, but not well */
	MAIL_CHANGE_MEND_BASE64,
	MAIL_CHANGE_LOOSE, /* around the parts of a multipart */
};

/* RFC 2045 2.7 to 2.9. */
enum mail_domain { MAIL_DOMAIN_7BIT, MAIL_DOMAIN_8BIT, MAIL_DOMAIN_BINARY };

struct mail_plan {
	enum mail_change change;
	enum mail_encoding
		label; /* what Content-Transfer-Encoding is to say; NONE: what it says now */
	bool adds_mime_version;
	const char *charset;	  /* of a Content-Type to be added; NULL: none is */
	enum mail_domain remains; /* of its body, once all is done */
	bool has_changed;	  /* something in its body */
};

/* Whether a field with these facts is to be written anew. */
bool mail_plan_is_field_dirty(const struct mail_facts *field, unsigned takes);
/* Whether header sections are to be ASCII. */
bool mail_plan_is_ascii(unsigned takes);
/* Fills plan, as many as the survey has parts; -EINVAL and *why: it cannot be done. */
int mail_plan_make(const struct mail_survey *s, unsigned takes, struct mail_plan *plan,
		   struct smtp_reply *why);
/* The octets of the fields that it adds or puts in place of others, at most. */
uint64_t mail_plan_added(const struct mail_plan *plan);
/* The octets that become of a body, at most. */
uint64_t mail_plan_bound(const struct mail_plan *plan, const struct mail_facts *body);
void mail_plan_put_label(const struct mail_plan *plan, struct buf *out);
void mail_plan_put_added(const struct mail_plan *plan, const struct mail_head *head,
			 struct buf *out);

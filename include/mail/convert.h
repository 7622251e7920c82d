/* mail/convert.h: a message made fit for a smarthost that takes less than the sender sent.
 *
 * Shape    two passes over the same content: mail_survey_feed(content)... -> mail_survey_judge(limits)
 *          -> mail_convert_new(survey) -> mail_convert_feed(content)... -> mail_convert_end()
 * Thread   one at a time; pure
 * Owns     what the survey found: one small record for each part, at most MAIL_PARTS_MOST of them,
 *          nested at most MAIL_NESTING_MOST deep
 * Errors   a reply that says why this message cannot be converted
 * Source   RFC 6152 3, 3030 3 (a relay converts or returns), 2045 (transfer encodings), 2046 5.1
 *          (multipart), 2047 (words in headers), 1847 2.1 and 3156 (signed parts are not touched),
 *          5321 4.5.3.1.6 (lines)
 *
 * A part that must change becomes quoted-printable where it is text, base64 where it is not, and its
 * Content-Transfer-Encoding says so (one is added where there was none, MIME-Version too where the
 * message is no MIME yet; text of no known character set is told as such). Parts within message/rfc822
 * are converted where they stand. Whatever need not change is passed on octet for octet; so is all
 * within multipart/signed, and where something in there would have to change the message cannot be
 * converted. Likewise message/partial, and a part whose transfer encoding is neither 7bit, 8bit nor
 * binary but which is 8-bit all the same is encoded as if it said 8bit only when it is no multipart.
 * Header fields beyond ASCII become encoded words; an address whose local part is beyond ASCII cannot.
 */
#pragma once

#include "base/buf.h"
#include "smtp/content.h"
#include "smtp/reply.h"

enum { MAIL_PARTS_MOST = 4096, MAIL_NESTING_MOST = 50 };

struct mail_survey;
struct mail_convert;

/* is_binary: sent as BINARYMIME: only CRLF ends a line, and parts may be anything. */
struct mail_survey *mail_survey_new(bool is_binary);
void mail_survey_free(struct mail_survey **survey);
void mail_survey_feed(struct mail_survey *survey, struct span content);
/* The content is complete. */
void mail_survey_end(struct mail_survey *survey);
/* Whether the message can be sent where only `takes` (enum smtp_form) is taken: 0, and *octets_out is
 * the size of what will come out, at most; or -EINVAL and the reply for the sender (its text a
 * constant): 554 5.6.3, or 553 5.6.7 for an address beyond ASCII in its header. */
int mail_survey_judge(const struct mail_survey *survey, unsigned takes, uint64_t *octets_out,
		      struct smtp_reply *why);

/* The survey has been judged for the same `takes` and outlives it. boundary characters, charset and
 * the like come from the message itself: no randomness is needed. */
struct mail_convert *mail_convert_new(const struct mail_survey *survey, unsigned takes);
void mail_convert_free(struct mail_convert **convert);
/* Appends to *out what the octets become; what is held back is bounded by a line of 998 octets, or one
 * header field (64 KiB; what is longer is passed on in pieces). */
void mail_convert_feed(struct mail_convert *convert, struct span content, struct buf *out);
void mail_convert_end(struct mail_convert *convert, struct buf *out);

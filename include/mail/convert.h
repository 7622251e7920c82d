/* mail/convert.h: a message made fit for a smarthost that takes less than the sender sent.
 *
 * Shape    two passes over the same content: mail_survey_feed(content)... -> mail_survey_end()
 *          -> mail_survey_judge(takes) -> mail_convert_new(survey, takes)
 *          -> mail_convert_feed(content)... -> mail_convert_end(). The size of the pieces changes nothing
 * Thread   one at a time; pure
 * Owns     what the survey found: a record of some 200 octets for each part, at most MAIL_PARTS_MOST of
 *          them, nested at most MAIL_NESTING_MOST deep
 * Errors   a reply that says why this message cannot be converted
 * Source   RFC 6152 3, 3030 3 (a relay converts or returns), 2045 (transfer encodings), 2046 5.1
 *          (multipart), 5.2.1 (message/rfc822), 2047 and 2231 (header fields), 1847 2.1 and 3156 (signed
 *          parts are not touched), 1428 (unknown-8bit), 5321 4.5.3.1.6 (lines), 6857 3 (addresses)
 *
 * What need not change is passed on octet for octet, part by part and header field by header field.
 *
 * Bodies   A part that must change becomes quoted-printable where it is text without NUL and without CR
 *          or LF alone, else base64; decoded it is what it was. Its Content-Transfer-Encoding is
 *          replaced where it stands, or added, and MIME-Version where the message has none. A part that
 *          has no Content-Type is text/plain in UTF-8 if all of it is well-formed, else in unknown-8bit.
 *          One that is quoted-printable or base64 already is mended, with no octet that counts changed.
 *          What stands before and behind the parts of a multipart gets '?' for what cannot stay, since
 *          readers ignore it. A multipart or message that said 8bit or binary says what is still true.
 * Headers  Text, display names and comments become encoded words, parameters of Content-Type and
 *          Content-Disposition take the form of RFC 2231, domains become A-labels; lines are folded. This
 *          holds for the header sections of parts and of enclosed messages too. Of an address whose
 *          local part is beyond ASCII nothing can be made: the message is refused where it stands in its
 *          own header; in that of an enclosed message it becomes an empty group that bears its name.
 * Never    Not convertible is a message that would have to be changed within multipart/signed or
 *          message/partial; in a multipart without a usable boundary (none, beyond ASCII or 256 octets)
 *          or labelled as encoded as a whole; in what lies beyond 4,096 parts or 50 levels; in a header
 *          section with NUL, or CR or LF alone. Where those are fit as they are, they are passed on.
 *
 * Of two Content-Type or Content-Transfer-Encoding fields the first counts; the second is left out of a
 * part whose encoding changes. Only CRLF ends a line. A delimiter is a whole line; what merely begins
 * like one is none, and in encoded parts no line begins with "--".
 */
#pragma once

#include "base/buf.h"
#include "smtp/content.h"
#include "smtp/reply.h"

enum { MAIL_PARTS_MOST = 4096, MAIL_NESTING_MOST = 50 };

struct mail_survey;
struct mail_convert;

/* is_binary: it was sent as BINARYMIME, so where that is not taken no label may say "binary" any more, and
 * a body that ends the content without a CRLF is encoded, for it would be given one. */
struct mail_survey *mail_survey_new(bool is_binary);
void mail_survey_free(struct mail_survey **survey);
void mail_survey_feed(struct mail_survey *survey, struct span content);
/* The content is complete; comes before the next two. */
void mail_survey_end(struct mail_survey *survey);
/* Whether the message can be sent where only `takes` (enum smtp_form) is taken: 0, and *octets_out is
 * the size of what will come out, at most; or -EINVAL and the reply for the sender (its text a
 * constant): 554 5.6.3, or 553 5.6.7 for an address beyond ASCII in its header. Each flag speaks for
 * itself: who takes binary content takes long lines only if SMTP_FORM_LONG_LINES is set too. Header
 * sections may be 8-bit only with both SMTP_FORM_8BIT and SMTP_FORM_8BIT_HEADER. */
int mail_survey_judge(const struct mail_survey *survey, unsigned takes, uint64_t *octets_out,
		      struct smtp_reply *why);

/* Has been judged for the same `takes`, with 0; the survey outlives it. */
struct mail_convert *mail_convert_new(const struct mail_survey *survey, unsigned takes);
void mail_convert_free(struct mail_convert **convert);
/* Appends to *out what the octets become. Held back is at most a line or a header field, of longer ones
 * a piece: 128 KiB in all. The content is the one that was surveyed; what is not is passed on as it is, or
 * changed, but nothing worse. */
void mail_convert_feed(struct mail_convert *convert, struct span content, struct buf *out);
void mail_convert_end(struct mail_convert *convert, struct buf *out);

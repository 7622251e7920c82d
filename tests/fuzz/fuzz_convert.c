/* Any message, made fit for any path: pieces change nothing, what comes out is what the path takes, no
 * larger than was foretold, has the parts that it had, and is left alone by a second conversion.
 *
 * Input    an octet with the path's flags and whether it came as BINARYMIME, one for the size of the
 *          pieces, the message
 */
#include "base/require.h"
#include "mail/convert.h"
#include "survey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mail_survey *survey(struct span in, size_t piece, bool is_binary)
{
	struct mail_survey *s = mail_survey_new(is_binary);

	for (; in.len; in = span_from(in, piece))
		mail_survey_feed(s, span_first(in, piece));
	mail_survey_end(s);
	require(s->count >= 1 && s->count <= MAIL_PARTS_MOST);
	return s;
}

static void convert(const struct mail_survey *s, unsigned takes, struct span in, size_t piece,
		    struct buf *out)
{
	struct mail_convert *c = mail_convert_new(s, takes);

	for (; in.len; in = span_from(in, piece))
		mail_convert_feed(c, span_first(in, piece), out);
	mail_convert_end(c, out);
	mail_convert_free(&c);
}

static void check_octets(struct span out, unsigned takes)
{
	struct mail_facts facts = { 0 };

	mail_facts_feed(&facts, out);
	mail_facts_end(&facts);
	require(!facts.is_8bit || (takes & SMTP_FORM_8BIT));
	require(!facts.is_long || (takes & SMTP_FORM_LONG_LINES));
	require(!facts.is_binary || (takes & SMTP_FORM_BINARY));
}

static void check_parts(const struct mail_survey *before, const struct mail_survey *after)
{
	require(before->count == after->count);
	for (unsigned i = 0; i < before->count; i++)
		require(before->parts[i].parent == after->parts[i].parent);
}

static void check(const struct mail_survey *s, struct span in, size_t piece, unsigned takes,
		  uint64_t most)
{
	struct buf whole = { 0 }, pieces = { 0 }, again = { 0 };
	struct smtp_reply why;
	struct mail_survey *second;
	uint64_t octets;

	convert(s, takes, in, in.len + 1, &whole);
	convert(s, takes, in, piece, &pieces);
	require(span_eq(buf_span(&whole), buf_span(&pieces)));
	require(whole.len <= most);
	check_octets(buf_span(&whole), takes);

	second = survey(buf_span(&whole), whole.len + 1, s->is_binary);
	check_parts(s, second);
	require((takes & SMTP_FORM_8BIT_HEADER) || !second->parts[0].has_8bit);
	require(mail_survey_judge(second, takes, &octets, &why) == 0);
	convert(second, takes, buf_span(&whole), whole.len + 1, &again);
	require(span_eq(buf_span(&whole), buf_span(&again)));
	mail_survey_free(&second);
	buf_fini(&whole);
	buf_fini(&pieces);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mail_survey *whole, *pieces;
	unsigned takes;
	struct span in;
	bool is_binary;
	size_t piece;
	uint64_t octets = 0, octets_pieces = 0;
	struct smtp_reply why, why_pieces;
	int rc;

	if (size < 2)
		return 0;
	takes = data[0] & 15;
	is_binary = data[0] & 16;
	piece = (size_t)data[1] % 7 + 1;
	in = span_of(data + 2, size - 2);
	whole = survey(in, in.len + 1, is_binary);
	pieces = survey(in, piece, is_binary);
	rc = mail_survey_judge(whole, takes, &octets, &why);
	require(rc == mail_survey_judge(pieces, takes, &octets_pieces, &why_pieces));
	require(octets == octets_pieces && (rc == 0 || span_eq(why.text, why_pieces.text)));
	if (rc == 0)
		check(whole, in, piece, takes, octets);
	mail_survey_free(&whole);
	mail_survey_free(&pieces);
	return 0;
}

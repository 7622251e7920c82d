/* Converts messages for convert_by_python.py. On standard input, for each: the path's flags, whether it
 * came as BINARYMIME, the size of the pieces in which it is fed (0: all at once) and its octets, then
 * these; on standard output "ok SIZE FORETOLD" or "no REPLY", then what came out. */
#include "mail/convert.h"

#include <stdio.h>
#include <stdlib.h>

static void read_octets(size_t n, struct buf *out)
{
	size_t got = fread(buf_room(out, n), 1, n, stdin);

	if (got != n)
		exit(1);
	buf_grew(out, n);
}

static void convert(const struct mail_survey *s, unsigned takes, struct span in, size_t piece)
{
	struct buf out = { 0 };
	struct smtp_reply why;
	struct mail_convert *c;
	uint64_t most;

	if (mail_survey_judge(s, takes, &most, &why)) {
		printf("no %d %.*s\n", why.code, (int)why.text.len, (const char *)why.text.at);
		return;
	}
	c = mail_convert_new(s, takes);
	for (; in.len; in = span_from(in, piece))
		mail_convert_feed(c, span_first(in, piece), &out);
	mail_convert_end(c, &out);
	mail_convert_free(&c);
	printf("ok %zu %llu\n", out.len, (unsigned long long)most);
	fwrite(buf_span(&out).at, 1, out.len, stdout);
	buf_fini(&out);
}

int main(void)
{
	unsigned takes;
	int is_binary;
	size_t piece, octets;

	while (scanf("%u %d %zu %zu", &takes, &is_binary, &piece, &octets) == 4 &&
	       getchar() == '\n') {
		struct mail_survey *s = mail_survey_new(is_binary);
		struct buf in = { 0 };

		read_octets(octets, &in);
		piece = piece ? piece : octets + 1;
		for (struct span left = buf_span(&in); left.len; left = span_from(left, piece))
			mail_survey_feed(s, span_first(left, piece));
		mail_survey_end(s);
		convert(s, takes, buf_span(&in), piece);
		fflush(stdout);
		mail_survey_free(&s);
		buf_fini(&in);
	}
	return 0;
}

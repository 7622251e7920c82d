/* A notice of which every word comes from others: its lines, its fields and its parts stay what they
 * are meant to be. Input: an octet of flags, then fields that end in NUL. */
#include "base/require.h"
#include "mail/dsn.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 10, RECIPIENTS = 2 };

static struct span take_field(struct span *in)
{
	size_t end = span_find(*in, '\0');
	struct span field = span_first(*in, end);

	*in = span_from(*in, end + 1);
	return field;
}

/* In place of random octets: an input cannot easily hold its own (FNV-1a). */
static uint64_t hash(struct span in)
{
	uint64_t sum = 0xCBF29CE484222325;

	for (size_t i = 0; i < in.len; i++)
		sum = (sum ^ in.at[i]) * 0x100000001B3;
	return sum;
}

static char *text_of(struct span s)
{
	struct buf b = { 0 };

	buf_put_span(&b, s);
	return buf_take_text(&b);
}

static bool starts(struct span line, const char *with)
{
	return line.len >= strlen(with) && memcmp(line.at, with, strlen(with)) == 0;
}

static bool is_expected_field(struct span line)
{
	static const char *const names[] = {
		"Date: ", "From: ", "To: ", "Subject: ", "Message-ID: ", "In-Reply-To: ",
		"References: ", "Auto-Submitted: auto-replied", "MIME-Version: 1.0",
		"Content-Transfer-Encoding: 8bit", "Content-Type: multipart/report;", " ", "\t",
		/* a long first word stands on a line of its own */
		"From:\r", "To:\r", "Subject:\r", "Message-ID:\r", "In-Reply-To:\r", "References:\r"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (starts(line, names[i]))
			return true;
	return false;
}

static void check(const struct mail_dsn *dsn, struct span text)
{
	char boundary[60];
	bool is_header = true;
	unsigned parts = 0, recipients = 0;

	snprintf(boundary, sizeof(boundary), "--=_%016llx%016llx_N",
		 (unsigned long long)dsn->random[0], (unsigned long long)dsn->random[1]);
	require(mail_dsn_is_8bit(dsn) || span_is_ascii(text));
	require(span_is_utf8(text));
	while (text.len) {
		size_t end = span_find(text, '\n');
		struct span line = span_first(text, end);

		require(end > 0 && end < text.len && line.at[end - 1] == '\r' && end - 1 <= 998);
		for (size_t i = 0; i + 1 < end; i++)
			require((line.at[i] >= ' ' && line.at[i] != 127) || line.at[i] == '\t');
		is_header = is_header && end > 1;
		require(!is_header || is_expected_field(line));
		parts += starts(line, boundary);
		recipients += parts == 2 && starts(line, "Final-Recipient:");
		require(parts != 2 || !starts(line, "X-") || starts(line, "X-Postern-Id: Q"));
		text = span_from(text, end + 1);
	}
	require(!is_header && parts == 4 && recipients == dsn->recipient_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size), fields[FIELDS];
	unsigned flags = size ? data[0] : 0;
	uint64_t sum = hash(in);
	char *texts[FIELDS];
	struct mail_dsn_recipient r[RECIPIENTS];
	struct mail_dsn dsn;
	struct buf out = { 0 };

	in = span_from(in, 1);
	for (size_t i = 0; i < FIELDS; i++) {
		fields[i] = take_field(&in);
		texts[i] = text_of(fields[i]);
	}
	for (size_t i = 0; i < RECIPIENTS; i++)
		r[i] = (struct mail_dsn_recipient){
			.action = i ? MAIL_DSN_FAILED : (enum mail_dsn_action)(flags % 3),
			.address = fields[i],
			.orcpt = fields[2],
			.status = { (uint8_t)(flags >> 4 & 7), (uint16_t)(flags & 7), 1 },
			.reply = { i ? 0 : (int)(450 + (flags & 1) * 100), { 0 }, fields[3] },
			.smarthost = i ? NULL : texts[4],
			.reason = texts[5],
		};
	dsn = (struct mail_dsn){ .reporting_mta = "relay.example.com",
				 .company = texts[6],
				 .id = "Q",
				 .notice_id = "N",
				 .random = { sum, ~sum },
				 .sender = fields[7],
				 .envid = fields[8],
				 .header = fields[9],
				 .is_expired = flags & 8,
				 .is_by_hand = flags & 16,
				 .is_unreadable = flags & 32,
				 .recipients = r,
				 .recipient_count = 1 + (flags >> 6 & 1) };
	mail_dsn_begin(&dsn, &out);
	mail_dsn_end(&dsn, &out);
	check(&dsn, buf_span(&out));
	buf_fini(&out);
	for (size_t i = 0; i < FIELDS; i++)
		free(texts[i]);
	return 0;
}

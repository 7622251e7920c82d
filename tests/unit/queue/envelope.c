/* tests/unit/queue/envelope.c: what is written comes back; what is cut, damaged or newer does not.
 */
#include "test.h"

#include "base/mem.h"
#include "queue/envelope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct envelope sample(size_t recipients)
{
	struct envelope e = { .qid = 0x0123456789ABCDEF,
			      .sid = 42,
			      .account = mem_text("alice"),
			      .sender = mem_text("alice@example.com"),
			      .envid = mem_text("QQ+2B314159"),
			      .ret = SMTP_RET_HDRS,
			      .arrived_ms = 1795299114123,
			      .size = 1ull << 40,
			      .header_octets = 512,
			      .form = SMTP_FORM_8BIT | SMTP_FORM_BINARY,
			      .is_utf8 = true,
			      .release_ms = 1795299999999 };

	for (size_t i = 0; i < recipients; i++) {
		char text[64];

		struct smtp_rcpt_params params = { (unsigned)(i % 16),
						   span_text("rfc822;user@example.net") };

		snprintf(text, sizeof(text), "user%zu@example.net", i);
		envelope_add_recipient(&e, span_text(text), i % 3 ? &params : NULL);
	}
	return e;
}

/* Of the forms what is true of any copy of the content. */
static void what_was_seen_on_the_way_in_is_not_stored(void **state)
{
	struct envelope e = sample(1), back = { 0 };
	struct buf out = { 0 };

	(void)state;
	e.form |= SMTP_FORM_DOTLESS;
	envelope_encode(&e, &out);
	assert_int_equal(envelope_decode(buf_span(&out), &back), 0);
	assert_int_equal(back.form, SMTP_FORM_8BIT | SMTP_FORM_BINARY);
	envelope_fini(&back);
	envelope_fini(&e);
	buf_fini(&out);
}

static void assert_same(const struct envelope *a, const struct envelope *b)
{
	assert_true(a->qid == b->qid && a->sid == b->sid && a->size == b->size);
	assert_true(a->arrived_ms == b->arrived_ms && a->header_octets == b->header_octets);
	assert_int_equal(a->form, b->form);
	assert_int_equal(a->is_utf8, b->is_utf8);
	assert_int_equal(a->require_tls, b->require_tls);
	assert_true(a->release_ms == b->release_ms);
	assert_string_equal(a->account, b->account);
	assert_string_equal(a->sender, b->sender);
	assert_string_equal(a->envid, b->envid);
	assert_int_equal(a->ret, b->ret);
	assert_int_equal(a->recipient_count, b->recipient_count);
	for (size_t i = 0; i < a->recipient_count; i++) {
		assert_string_equal(a->recipients[i].address, b->recipients[i].address);
		assert_string_equal(a->recipients[i].orcpt, b->recipients[i].orcpt);
		assert_int_equal(a->recipients[i].notify, b->recipients[i].notify);
	}
}

static void envelope_comes_back(void **state)
{
	static const size_t counts[] = { 0, 1, 2, 3, 4, 5, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct envelope e = sample(counts[i]), back;
		struct buf out = { 0 };

		envelope_encode(&e, &out);
		assert_int_equal(envelope_decode(buf_span(&out), &back), 0);
		assert_same(&e, &back);
		envelope_fini(&e);
		envelope_fini(&back);
		buf_fini(&out);
	}
}

static void null_sender_comes_back(void **state)
{
	struct envelope e = { .account = mem_text(""), .sender = mem_text("") }, back;
	struct buf out = { 0 };

	(void)state;
	envelope_add_recipient(&e, span_text("a@b"), NULL);
	envelope_encode(&e, &out);
	assert_int_equal(envelope_decode(buf_span(&out), &back), 0);
	assert_string_equal(back.sender, "");
	assert_string_equal(back.envid, "");
	assert_string_equal(back.recipients[0].orcpt, "");
	assert_int_equal(back.recipients[0].notify, 0);
	assert_int_equal(back.ret, SMTP_RET_NONE);
	assert_int_equal(back.form, 0);
	envelope_fini(&e);
	envelope_fini(&back);
	buf_fini(&out);
}

static void cut_or_longer_is_refused(void **state)
{
	struct envelope e = sample(3), back;
	struct buf out = { 0 };

	(void)state;
	envelope_encode(&e, &out);
	for (size_t n = 0; n < out.len; n++)
		assert_int_equal(envelope_decode(span_first(buf_span(&out), n), &back), -EINVAL);
	buf_put_char(&out, 0);
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	envelope_fini(&e);
	buf_fini(&out);
}

static void later_version_is_told_apart(void **state)
{
	struct envelope e = sample(1), back;
	struct delivery d, d_back;
	struct buf out = { 0 };

	(void)state;
	envelope_encode(&e, &out);
	out.at[out.from] = 4;
	assert_int_equal(envelope_decode(buf_span(&out), &back), -ENOTSUP);
	out.at[out.from] = 0;
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	buf_clear(&out);
	delivery_init(&d, 1);
	delivery_encode(&d, &out);
	out.at[out.from] = 9;
	assert_int_equal(delivery_decode(buf_span(&out), &d_back), -ENOTSUP);
	delivery_fini(&d);
	envelope_fini(&e);
	buf_fini(&out);
}

/* A count or a length that claims more than there is must not be believed; a NUL within a text
 * would shorten it behind our back. */
static void lies_are_refused(void **state)
{
	struct envelope e = sample(1), back;
	struct buf out = { 0 };
	size_t form = 1 + 5 * 8, flags = form + 1, release = flags + 1;
	size_t account = release + 8 + 1;
	size_t count = account + 4 + strlen("alice") + 4 + strlen("alice@example.com") + 4 +
		       strlen("QQ+2B314159");

	(void)state;
	envelope_encode(&e, &out);
	memset(out.at + out.from + count, 0xFF, 4);
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	buf_clear(&out);
	envelope_encode(&e, &out);
	memset(out.at + out.from + account, 0xFF, 4);
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	buf_clear(&out);
	envelope_encode(&e, &out);
	out.at[out.from + account + 4 + 2] = 0;
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	/* RET and NOTIFY of no meaning. */
	buf_clear(&out);
	envelope_encode(&e, &out);
	out.at[out.from + account - 1] = 3;
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	buf_clear(&out);
	envelope_encode(&e, &out);
	out.at[out.from + count + 4 + 4 + strlen("user0@example.net")] = 16;
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	/* A form and flags that no version has, and a release after all times. */
	buf_clear(&out);
	envelope_encode(&e, &out);
	out.at[out.from + form] = 16;
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	buf_clear(&out);
	envelope_encode(&e, &out);
	out.at[out.from + flags] = 4;
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	buf_clear(&out);
	envelope_encode(&e, &out);
	out.at[out.from + release + 6] = 1;
	assert_int_equal(envelope_decode(buf_span(&out), &back), -EINVAL);
	envelope_fini(&e);
	buf_fini(&out);
}

/* Every single octet changed to every value: an answer, and no memory error (the sanitizers look).
 */
static void damage_is_survived(void **state)
{
	struct envelope e = sample(2), back;
	struct buf out = { 0 };

	(void)state;
	envelope_encode(&e, &out);
	for (size_t i = 0; i < out.len; i++) {
		unsigned char was = out.at[out.from + i];

		for (int value = 0; value < 256; value++) {
			out.at[out.from + i] = (unsigned char)value;
			if (envelope_decode(buf_span(&out), &back) == 0)
				envelope_fini(&back);
		}
		out.at[out.from + i] = was;
	}
	assert_int_equal(envelope_decode(buf_span(&out), &back), 0);
	assert_same(&e, &back);
	envelope_fini(&back);
	envelope_fini(&e);
	buf_fini(&out);
}

/* Records as they were written: a spool outlives an upgrade. */

static const char old_envelope[] =
	"\x01\x15\x00\x00\x00\x00\x00\x00\x00\x2A\x00\x00\x00\x00\x00\x00\x00"
	"\xCB\x24\x95\xFF\xA1\x01\x00\x00\xE8\x03\x00\x00\x00\x00\x00\x00"
	"\x64\x00\x00\x00\x00\x00\x00\x00\x01"
	"\x05\x00\x00\x00"
	"alice\x03\x00\x00\x00"
	"a@b\x02\x00\x00\x00\x03\x00\x00\x00"
	"c@d\x03\x00\x00\x00"
	"e@f";

static const char envelope_2[] =
	"\x02\x15\x00\x00\x00\x00\x00\x00\x00\x2A\x00\x00\x00\x00\x00\x00\x00"
	"\xCB\x24\x95\xFF\xA1\x01\x00\x00\xE8\x03\x00\x00\x00\x00\x00\x00"
	"\x64\x00\x00\x00\x00\x00\x00\x00\x01\x02"
	"\x05\x00\x00\x00"
	"alice\x03\x00\x00\x00"
	"a@b\x02\x00\x00\x00"
	"QQ\x01\x00\x00\x00\x03\x00\x00\x00"
	"c@d\x06\x0A\x00\x00\x00"
	"rfc822;c@d";

static const char envelope_3[] =
	"\x03\x15\x00\x00\x00\x00\x00\x00\x00\x2A\x00\x00\x00\x00\x00\x00\x00"
	"\xCB\x24\x95\xFF\xA1\x01\x00\x00\xE8\x03\x00\x00\x00\x00\x00\x00"
	"\x64\x00\x00\x00\x00\x00\x00\x00\x0D\x02"
	"\xCC\x24\x95\xFF\xA1\x01\x00\x00\x01"
	"\x05\x00\x00\x00"
	"alice\x03\x00\x00\x00"
	"a@b\x02\x00\x00\x00"
	"QQ\x01\x00\x00\x00\x03\x00\x00\x00"
	"c@d\x06\x0A\x00\x00\x00"
	"rfc822;c@d";

static const char old_note[] =
	"\x01\x07\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
	"\x02\x00\x00\x00"
	"\x01\xFA\x00\x02\x00\x00\x00\x00\x03\x02\x00\x00\x00Ok\x04\x00\x00\x00main"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

static void version_1_is_read(void **state)
{
	struct envelope e;
	struct delivery d;
	struct span in = span_of(old_envelope, sizeof(old_envelope) - 1);

	(void)state;
	assert_int_equal(envelope_decode(in, &e), 0);
	assert_int_equal(e.qid, 21);
	assert_int_equal(e.sid, 42);
	assert_int_equal(e.size, 1000);
	assert_int_equal(e.header_octets, 100);
	assert_int_equal(e.form, SMTP_FORM_8BIT);
	assert_string_equal(e.account, "alice");
	assert_string_equal(e.sender, "a@b");
	assert_string_equal(e.envid, "");
	assert_int_equal(e.ret, SMTP_RET_NONE);
	assert_int_equal(e.recipient_count, 2);
	assert_string_equal(e.recipients[1].address, "e@f");
	assert_string_equal(e.recipients[1].orcpt, "");
	assert_int_equal(e.recipients[1].notify, 0);
	for (size_t n = 0; n < in.len; n++) {
		struct envelope cut;

		assert_int_equal(envelope_decode(span_first(in, n), &cut), -EINVAL);
	}
	envelope_fini(&e);
	in = span_of(old_note, sizeof(old_note) - 1);
	assert_int_equal(delivery_decode(in, &d), 0);
	assert_int_equal(d.attempts, 7);
	assert_int_equal(d.last_ms, 5);
	assert_int_equal(d.next_ms, 6);
	assert_false(d.is_held || d.is_warned);
	assert_int_equal(d.try_count, 0);
	assert_int_equal(d.recipients[0].state, RECIPIENT_DELIVERED);
	assert_int_equal(d.recipients[0].code, 250);
	assert_string_equal(d.recipients[0].smarthost, "main");
	assert_null(d.recipients[1].text);
	delivery_fini(&d);
}

static void assert_one_of_two_versions(const struct envelope *e)
{
	assert_int_equal(e->qid, 21);
	assert_int_equal(e->sid, 42);
	assert_true(e->arrived_ms == 0x1A1FF9524CB);
	assert_int_equal(e->size, 1000);
	assert_int_equal(e->header_octets, 100);
	assert_string_equal(e->account, "alice");
	assert_string_equal(e->sender, "a@b");
	assert_string_equal(e->envid, "QQ");
	assert_int_equal(e->recipient_count, 1);
	assert_string_equal(e->recipients[0].address, "c@d");
	assert_int_equal(e->recipients[0].notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE);
	assert_string_equal(e->recipients[0].orcpt, "rfc822;c@d");
}

static void version_2_is_read(void **state)
{
	struct span in = span_of(envelope_2, sizeof(envelope_2) - 1);
	struct envelope e, cut;

	(void)state;
	assert_int_equal(envelope_decode(in, &e), 0);
	assert_one_of_two_versions(&e);
	assert_int_equal(e.form, SMTP_FORM_8BIT);
	assert_int_equal(e.ret, SMTP_RET_HDRS);
	assert_false(e.is_utf8 || e.require_tls);
	assert_int_equal(e.release_ms, 0);
	envelope_fini(&e);
	for (size_t n = 0; n < in.len; n++)
		assert_int_equal(envelope_decode(span_first(in, n), &cut), -EINVAL);
}

/* The octets of now, which every later version has to read. */
static void version_3_is_as_laid_down(void **state)
{
	struct span in = span_of(envelope_3, sizeof(envelope_3) - 1);
	struct buf out = { 0 };
	struct envelope e;

	(void)state;
	assert_int_equal(envelope_decode(in, &e), 0);
	assert_one_of_two_versions(&e);
	assert_int_equal(e.form, SMTP_FORM_8BIT | SMTP_FORM_LONG_LINES | SMTP_FORM_BINARY);
	assert_int_equal(e.ret, SMTP_RET_FULL);
	assert_true(e.require_tls && !e.is_utf8);
	assert_true(e.release_ms == 0x1A1FF9524CC);
	envelope_encode(&e, &out);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(buf_span(&out).at, in.at, in.len);
	envelope_fini(&e);
	buf_fini(&out);
}

/* Tries: what the same attempt or the one before it heard is joined. */

static struct recipient_status heard(int code, const char *text, const char *smarthost)
{
	/* Borrowed: a try has copies. */
	return (struct recipient_status){ .code = code,
					  .status = { 4, 2, 0 },
					  .text = (char *)(uintptr_t)text,
					  .smarthost = (char *)(uintptr_t)smarthost };
}

static void the_same_is_counted(void **state)
{
	struct recipient_status a = heard(450, "later", "main"), b = heard(451, "grey", "main");
	struct recipient_status c = heard(450, "later", "second"), n = heard(0, NULL, NULL);
	struct delivery d;

	(void)state;
	delivery_init(&d, 3);
	/* Two hear this, one that, in each of twelve attempts. */
	for (int64_t at = 100; at < 112; at++) {
		delivery_add_try(&d, at, &a);
		delivery_add_try(&d, at, &b);
		delivery_add_try(&d, at, &a);
	}
	assert_int_equal(d.try_count, 2);
	assert_int_equal(d.tries[0].times, 12);
	assert_int_equal(d.tries[0].recipients, 2);
	assert_int_equal(d.tries[0].first_ms, 100);
	assert_int_equal(d.tries[0].last_ms, 111);
	assert_int_equal(d.tries[1].times, 12);
	assert_int_equal(d.tries[1].recipients, 1);
	delivery_add_try(&d, 112, &c);
	assert_int_equal(d.try_count, 3);
	/* Not in a row: another begins. */
	delivery_add_try(&d, 113, &a);
	assert_int_equal(d.try_count, 4);
	/* A clock that went back is no obstacle. */
	delivery_add_try(&d, 50, &a);
	assert_int_equal(d.try_count, 4);
	assert_int_equal(d.tries[3].times, 2);
	delivery_add_try(&d, 51, &n);
	delivery_add_try(&d, 52, &n);
	assert_int_equal(d.try_count, 5);
	assert_null(d.tries[4].text);
	assert_int_equal(d.tries[4].times, 2);
	delivery_fini(&d);
}

static void of_many_tries_the_first_and_last_are_kept(void **state)
{
	struct delivery d;

	(void)state;
	delivery_init(&d, 1);
	for (int i = 0; i < 100; i++) {
		struct recipient_status s;
		char text[32];

		snprintf(text, sizeof(text), "reference %d", i);
		s = heard(450, text, "main");
		delivery_add_try(&d, i, &s);
	}
	assert_int_equal(d.try_count, DELIVERY_TRIES_MOST);
	for (int i = 0; i < 4; i++)
		assert_int_equal(d.tries[i].first_ms, i);
	for (int i = 4; i < DELIVERY_TRIES_MOST; i++)
		assert_int_equal(d.tries[i].first_ms, 100 - DELIVERY_TRIES_MOST + i);
	delivery_fini(&d);
}

static struct delivery sample_delivery(void)
{
	struct delivery d;

	delivery_init(&d, 3);
	d.attempts = 7;
	d.last_ms = 1795299114123;
	d.next_ms = 1795299200000;
	d.recipients[0].state = RECIPIENT_DELIVERED;
	d.recipients[0].code = 250;
	d.recipients[0].status = (struct smtp_status){ 2, 0, 0 };
	d.recipients[0].text = mem_text("Ok: queued as 1234");
	d.recipients[0].smarthost = mem_text("main");
	d.recipients[1].state = RECIPIENT_FAILED;
	d.recipients[1].is_owed = true;
	d.recipients[1].code = 550;
	d.recipients[1].status = (struct smtp_status){ 5, 1, 999 };
	d.recipients[1].text = mem_text("");
	d.is_warned = true;
	delivery_add_try(&d, 1795299110000, &d.recipients[1]);
	delivery_add_try(&d, 1795299110000, &d.recipients[0]);
	delivery_add_try(&d, 1795299114123, &d.recipients[1]);
	return d;
}

static void delivery_comes_back(void **state)
{
	struct delivery d = sample_delivery(), back;
	struct buf out = { 0 };

	(void)state;
	delivery_encode(&d, &out);
	assert_int_equal(delivery_decode(buf_span(&out), &back), 0);
	assert_int_equal(back.attempts, 7);
	assert_true(back.is_warned && !back.is_held);
	assert_int_equal(back.try_count, 2);
	assert_int_equal(back.tries[0].times, 2);
	assert_int_equal(back.tries[0].code, 550);
	assert_true(back.tries[0].first_ms == 1795299110000);
	assert_true(back.tries[0].last_ms == 1795299114123);
	assert_null(back.tries[0].smarthost);
	assert_string_equal(back.tries[1].text, "Ok: queued as 1234");
	assert_string_equal(back.tries[1].smarthost, "main");
	assert_true(back.last_ms == d.last_ms && back.next_ms == d.next_ms);
	assert_int_equal(back.recipient_count, 3);
	assert_int_equal(back.recipients[0].state, RECIPIENT_DELIVERED);
	assert_int_equal(back.recipients[0].code, 250);
	assert_string_equal(back.recipients[0].text, "Ok: queued as 1234");
	assert_string_equal(back.recipients[0].smarthost, "main");
	assert_false(back.recipients[0].is_owed || back.recipients[2].is_owed);
	assert_true(back.recipients[1].is_owed);
	assert_int_equal(back.recipients[1].status.detail, 999);
	assert_string_equal(back.recipients[1].text, "");
	assert_null(back.recipients[1].smarthost);
	assert_int_equal(back.recipients[2].state, RECIPIENT_WAITING);
	assert_null(back.recipients[2].text);
	for (size_t n = 0; n < out.len; n++) {
		struct delivery cut;

		assert_int_equal(delivery_decode(span_first(buf_span(&out), n), &cut), -EINVAL);
	}
	delivery_fini(&d);
	delivery_fini(&back);
	buf_fini(&out);
}

static void damaged_notes_are_survived(void **state)
{
	struct delivery d = sample_delivery(), back;
	struct buf out = { 0 };

	(void)state;
	delivery_encode(&d, &out);
	for (size_t i = 0; i < out.len; i++) {
		unsigned char was = out.at[out.from + i];

		for (int value = 0; value < 256; value++) {
			out.at[out.from + i] = (unsigned char)value;
			if (delivery_decode(buf_span(&out), &back) == 0)
				delivery_fini(&back);
		}
		out.at[out.from + i] = was;
	}
	delivery_fini(&d);
	buf_fini(&out);
}

enum { RECORD_MOST = 16 * 1024 * 1024 }; /* doc/spool.md */

static struct span filled(char *at, size_t n)
{
	memset(at, 'x', n);
	at[n] = '\0';
	return span_of(at, n);
}

/* The longest addresses, and all that a smarthost can make us keep of each. */
static void the_largest_fit_into_a_record(void **state)
{
	static char address[255], orcpt[SMTP_ORCPT_MOST + 1], text[513], smarthost[101];
	struct smtp_rcpt_params params = { SMTP_NOTIFY_SUCCESS, filled(orcpt, SMTP_ORCPT_MOST) };
	struct envelope e = sample(0);
	struct buf octets = { 0 };
	struct delivery d;

	(void)state;
	filled(text, 512);
	filled(smarthost, 100);
	delivery_init(&d, ENVELOPE_RECIPIENTS_MOST);
	for (size_t i = 0; i < ENVELOPE_RECIPIENTS_MOST; i++) {
		envelope_add_recipient(&e, filled(address, 254), &params);
		d.recipients[i].text = mem_text(text);
		d.recipients[i].smarthost = mem_text(smarthost);
	}
	for (int i = 0; i < DELIVERY_TRIES_MOST; i++)
		delivery_add_try(&d, i,
				 &(struct recipient_status){
					 .code = 400 + i, .text = text, .smarthost = smarthost });
	envelope_encode(&e, &octets);
	assert_true(octets.len <= RECORD_MOST);
	buf_clear(&octets);
	delivery_encode(&d, &octets);
	assert_true(octets.len <= RECORD_MOST);
	buf_fini(&octets);
	delivery_fini(&d);
	envelope_fini(&e);
}

static void unknown_state_is_refused(void **state)
{
	struct delivery d, back;
	struct buf out = { 0 };

	(void)state;
	delivery_init(&d, 1);
	delivery_encode(&d, &out);
	out.at[out.from + 1 + 1 + 4 + 8 + 8 + 4] = 3;
	assert_int_equal(delivery_decode(buf_span(&out), &back), -EINVAL);
	/* Nobody is to be told of one who still waits. */
	buf_clear(&out);
	d.recipients[0].is_owed = true;
	delivery_encode(&d, &out);
	assert_int_equal(delivery_decode(buf_span(&out), &back), -EINVAL);
	d.recipients[0].is_owed = false;
	/* More tries than are ever kept. */
	buf_clear(&out);
	delivery_encode(&d, &out);
	out.at[out.from + out.len - 4] = DELIVERY_TRIES_MOST + 1;
	for (int i = 0; i < (DELIVERY_TRIES_MOST + 1) * 40; i++)
		buf_put_char(&out, 0);
	assert_int_equal(delivery_decode(buf_span(&out), &back), -EINVAL);
	delivery_fini(&d);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(envelope_comes_back),
		cmocka_unit_test(what_was_seen_on_the_way_in_is_not_stored),
		cmocka_unit_test(null_sender_comes_back),
		cmocka_unit_test(cut_or_longer_is_refused),
		cmocka_unit_test(later_version_is_told_apart),
		cmocka_unit_test(lies_are_refused),
		cmocka_unit_test(damage_is_survived),
		cmocka_unit_test(version_1_is_read),
		cmocka_unit_test(version_2_is_read),
		cmocka_unit_test(version_3_is_as_laid_down),
		cmocka_unit_test(the_same_is_counted),
		cmocka_unit_test(of_many_tries_the_first_and_last_are_kept),
		cmocka_unit_test(delivery_comes_back),
		cmocka_unit_test(damaged_notes_are_survived),
		cmocka_unit_test(the_largest_fit_into_a_record),
		cmocka_unit_test(unknown_state_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

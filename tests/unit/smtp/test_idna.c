#include "test.h"

#include "smtp/idna.h"

#include <errno.h>

struct pair {
	const char *in, *out; /* out NULL: refused */
};

/* A character of three octets, and many. */
#define HAN "\344\270\255"
#define HAN8 HAN HAN HAN HAN HAN HAN HAN HAN
#define HAN56 HAN8 HAN8 HAN8 HAN8 HAN8 HAN8 HAN8
/* A label that is 59 octets in ASCII. */
#define LABEL "\303\274aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct pair domains[] = {
	{ "example.com", "example.com" },
	{ "EXAMPLE.com", "EXAMPLE.com" },
	{ "[192.0.2.1]", "[192.0.2.1]" },
	{ "[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]" },
	{ "xn--bcher-kva.example", "xn--bcher-kva.example" },
	{ "", "" },
	{ "b\303\274cher.example", "xn--bcher-kva.example" },
	{ "B\303\234CHER.Example", "xn--bcher-kva.example" },
	{ "bu\314\210cher.example", "xn--bcher-kva.example" }, /* not composed */
	{ "fa\303\237.de", "xn--fa-hia.de" },		       /* non-transitional */
	{ "\303\274.a_b.de", "xn--tda.a_b.de" },
	{ "\303\274\343\200\202de", "xn--tda.de" }, /* an ideographic full stop */
	{ HAN8 HAN8 HAN8 HAN8 ".cn", "xn--fiqaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.cn" },
	{ HAN56 HAN8 HAN8 ".cn", NULL },
	{ "\303\274..de", NULL },
	{ "\303\274.de.", NULL },
	{ ".\303\274", NULL },
	{ "-\303\274.de", NULL },
	{ "\342\230\203.net", NULL },	      /* a snowman */
	{ "\303\274\357\274\236x.de", NULL }, /* a full-width ">" */
	{ "\303\274\357\274\240x.de", NULL }, /* a full-width "@" */
	{ "\303\274 x.de", NULL },
	{ "\303\274\r\nx.de", NULL },
	{ "[\303\274]", NULL },
	{ "a\327\220.de", NULL }, /* two directions in one label */
	{ "\342\200\215.de", NULL },
	{ "\342\200\213", NULL }, /* a space of no width, which is mapped to nothing */
	{ "\342\200\213.de", NULL },
	{ "\303\274.\342\200\213", NULL },
	{ "\303.de", NULL },
	{ "\300\256.de", NULL },
	{ LABEL "." LABEL "." LABEL "." LABEL, "*" },
	{ LABEL "." LABEL "." LABEL "." LABEL "." LABEL, NULL },
};

static const struct pair mailboxes[] = {
	{ "a@example.com", "a@example.com" },
	{ "", "" },
	{ "postmaster", "postmaster" },
	{ "a@b\303\274cher.example", "a@xn--bcher-kva.example" },
	{ "\"a@\\\"b\"@b\303\274cher.example", "\"a@\\\"b\"@xn--bcher-kva.example" },
	{ "a@[tag:x@y]", "a@[tag:x@y]" },
	{ "\303\274@example.com", NULL },
	{ "\303\274@b\303\274cher.example", NULL },
	{ "\303\274@[tag:x@y]", NULL },
	{ "\303\274", NULL },
	{ "a@\303\274..de", NULL },
};

static void check(const struct pair *p, int (*turn)(struct span, struct buf *))
{
	struct buf out = { 0 };
	int rc;

	buf_put_text(&out, "kept ");
	rc = turn(span_text(p->in), &out);
	if (rc != (p->out ? 0 : -EINVAL))
		fail_msg("%s: %d, %zu octets", p->in, rc, out.len);
	if (p->out == NULL)
		assert_span_text(buf_span(&out), "kept ");
	else if (strcmp(p->out, "*"))
		assert_span_text(span_from(buf_span(&out), 5), p->out);
	else
		assert_in_range(out.len, 5 + 200, 5 + 255);
	buf_fini(&out);
}

static void turns_domains(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
		check(&domains[i], smtp_domain_to_ascii);
}

static void turns_mailboxes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mailboxes) / sizeof(mailboxes[0]); i++)
		check(&mailboxes[i], smtp_mailbox_to_ascii);
}

static void holds_no_nul(void **state)
{
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(smtp_domain_to_ascii(span_of("\303\274\0.de", 6), &out), -EINVAL);
	assert_int_equal(out.len, 0);
	buf_fini(&out);
}

static void bounds_what_it_takes(void **state)
{
	struct buf in = { 0 }, out = { 0 };

	(void)state;
	while (in.len < 1 << 20)
		buf_put_text(&in, "\303\274.");
	assert_int_equal(smtp_domain_to_ascii(buf_span(&in), &out), -EINVAL);
	assert_int_equal(out.len, 0);
	buf_fini(&in);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_domains),
		cmocka_unit_test(turns_mailboxes),
		cmocka_unit_test(holds_no_nul),
		cmocka_unit_test(bounds_what_it_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

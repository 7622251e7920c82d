#include "auth/frame.h"

#include "base/require.h"

#include <errno.h>

/* The first octet of a frame says which kind it is. */
enum kind { KIND_HELLO = 'H', KIND_REQUEST = 'Q', KIND_ANSWER = 'A' };

static const char *const verdict_names[] = {
#define X(name, text) text,
	AUTH_VERDICTS(X)
#undef X
};

enum { VERDICT_COUNT = sizeof(verdict_names) / sizeof(verdict_names[0]) };

const char *auth_verdict_name(enum auth_verdict v)
{
	require((unsigned)v < VERDICT_COUNT);
	return verdict_names[v];
}

static void put_number(struct buf *out, uint32_t n)
{
	unsigned char octets[4] = { n & 0xFF, n >> 8 & 0xFF, n >> 16 & 0xFF, n >> 24 };

	buf_put(out, octets, sizeof(octets));
}

static void put_octet(struct buf *out, unsigned octet)
{
	buf_put_char(out, (char)octet);
}

static void put_long_number(struct buf *out, uint64_t n)
{
	put_number(out, (uint32_t)n);
	put_number(out, (uint32_t)(n >> 32));
}

static void put_span(struct buf *out, struct span s)
{
	put_number(out, (uint32_t)s.len);
	buf_put_span(out, s);
}

static void put_spans(struct buf *out, const struct span *spans, size_t count)
{
	put_octet(out, (unsigned)count);
	for (size_t i = 0; i < count; i++)
		put_span(out, spans[i]);
}

/* What is still unread; `is_bad` once something was missing or out of bounds, and nothing more is
 * handed out then. */
struct reader {
	struct span rest;
	bool is_bad;
};

static struct span take(struct reader *r, size_t n)
{
	struct span taken;

	if (r->is_bad || r->rest.len < n) {
		r->is_bad = true;
		return span_of(NULL, 0);
	}
	taken = span_first(r->rest, n);
	r->rest = span_from(r->rest, n);
	return taken;
}

static unsigned take_octet(struct reader *r, unsigned most)
{
	struct span s = take(r, 1);
	unsigned octet = s.len ? s.at[0] : 0;

	if (octet > most)
		r->is_bad = true;
	return r->is_bad ? 0 : octet;
}

static void take_kind(struct reader *r, enum kind kind)
{
	if (take_octet(r, 255) != kind)
		r->is_bad = true;
}

static uint32_t take_number(struct reader *r)
{
	struct span s = take(r, 4);

	if (s.len != 4)
		return 0;
	return (uint32_t)s.at[0] | (uint32_t)s.at[1] << 8 | (uint32_t)s.at[2] << 16 |
	       (uint32_t)s.at[3] << 24;
}

static uint64_t take_long_number(struct reader *r)
{
	uint64_t low = take_number(r);

	return low | (uint64_t)take_number(r) << 32;
}

static struct span take_span(struct reader *r, size_t most)
{
	uint32_t n = take_number(r);

	if (n > most)
		r->is_bad = true;
	return take(r, n);
}

static size_t take_spans(struct reader *r, struct span *spans, unsigned count_most, size_t most)
{
	unsigned count = take_octet(r, count_most);

	for (unsigned i = 0; i < count; i++)
		spans[i] = take_span(r, most);
	return count;
}

static int finish(const struct reader *r)
{
	return r->is_bad || r->rest.len ? -EINVAL : 0;
}

static bool spans_fit(const struct span *spans, size_t count, size_t count_most, size_t most)
{
	if (count > count_most)
		return false;
	for (size_t i = 0; i < count; i++)
		if (spans[i].len > most)
			return false;
	return true;
}

bool auth_hello_fits(const struct auth_hello *h)
{
	return h->users_file.len <= AUTH_PATH_OCTETS_MAX &&
	       h->saslauthd_socket.len <= AUTH_PATH_OCTETS_MAX &&
	       h->sasldb_file.len <= AUTH_PATH_OCTETS_MAX && h->realm.len <= AUTH_NAME_OCTETS_MAX &&
	       h->hostname.len <= AUTH_NAME_OCTETS_MAX &&
	       h->mechanisms.len <= AUTH_MECHANISMS_OCTETS_MAX &&
	       h->keytab.len <= AUTH_PATH_OCTETS_MAX &&
	       spans_fit(h->domains, h->domain_count, AUTH_NAMES_MAX, AUTH_NAME_OCTETS_MAX) &&
	       spans_fit(h->nt_domains, h->nt_domain_count, AUTH_NAMES_MAX, AUTH_NAME_OCTETS_MAX);
}

void auth_hello_encode(const struct auth_hello *hello, struct buf *out)
{
	require(auth_hello_fits(hello));
	put_octet(out, KIND_HELLO);
	put_octet(out, hello->backend);
	put_span(out, hello->users_file);
	put_span(out, hello->saslauthd_socket);
	put_span(out, hello->sasldb_file);
	put_span(out, hello->realm);
	put_span(out, hello->hostname);
	put_span(out, hello->mechanisms);
	put_spans(out, hello->domains, hello->domain_count);
	put_spans(out, hello->nt_domains, hello->nt_domain_count);
	put_octet(out, hello->ignore_case);
	put_number(out, hello->cache_seconds);
	put_span(out, hello->keytab);
	put_octet(out, hello->app_passwords);
}

int auth_hello_decode(struct span in, struct auth_hello *out)
{
	struct reader r = { in, false };

	*out = (struct auth_hello){ 0 };
	take_kind(&r, KIND_HELLO);
	out->backend = (enum auth_backend)take_octet(&r, AUTH_BACKEND_SASLDB);
	out->users_file = take_span(&r, AUTH_PATH_OCTETS_MAX);
	out->saslauthd_socket = take_span(&r, AUTH_PATH_OCTETS_MAX);
	out->sasldb_file = take_span(&r, AUTH_PATH_OCTETS_MAX);
	out->realm = take_span(&r, AUTH_NAME_OCTETS_MAX);
	out->hostname = take_span(&r, AUTH_NAME_OCTETS_MAX);
	out->mechanisms = take_span(&r, AUTH_MECHANISMS_OCTETS_MAX);
	out->domain_count = take_spans(&r, out->domains, AUTH_NAMES_MAX, AUTH_NAME_OCTETS_MAX);
	out->nt_domain_count =
		take_spans(&r, out->nt_domains, AUTH_NAMES_MAX, AUTH_NAME_OCTETS_MAX);
	out->ignore_case = take_octet(&r, 1) != 0;
	out->cache_seconds = take_number(&r);
	out->keytab = take_span(&r, AUTH_PATH_OCTETS_MAX);
	out->app_passwords = (enum auth_app_passwords)take_octet(&r, AUTH_APP_PASSWORDS_REQUIRED);
	return finish(&r);
}

static bool request_fits(const struct auth_request *request)
{
	return request->mechanism.len <= AUTH_MECHANISMS_OCTETS_MAX &&
	       request->binding.len <= AUTH_BINDING_OCTETS_MAX &&
	       request->binding_data.len <= AUTH_BINDING_OCTETS_MAX &&
	       spans_fit(request->responses, request->response_count, AUTH_RESPONSES_MAX,
			 AUTH_RESPONSE_OCTETS_MAX);
}

/* Whole names only: half of one is another one. */
static struct span names_that_fit(struct span names)
{
	struct span fitting = span_first(names, AUTH_CERTIFICATE_OCTETS_MAX);

	while (fitting.len && fitting.at[fitting.len - 1] != '\0')
		fitting.len--;
	return fitting;
}

void auth_request_encode(const struct auth_request *request, struct buf *out)
{
	static const struct span nothing[2];

	put_octet(out, KIND_REQUEST);
	put_span(out, span_first(request->mechanism, AUTH_MECHANISMS_OCTETS_MAX));
	put_long_number(out, request->conversation);
	put_octet(out, request->is_next);
	put_octet(out, request->is_end);
	put_span(out, span_first(request->binding, AUTH_BINDING_OCTETS_MAX));
	put_span(out, span_first(request->binding_data, AUTH_BINDING_OCTETS_MAX));
	put_octet(out, request->has_binding);
	put_span(out, names_that_fit(request->names));
	if (request->is_end)
		put_spans(out, NULL, 0);
	else if (request_fits(request))
		put_spans(out, request->responses, request->response_count);
	else /* of a conversation none is right at its start, and two are never */
		put_spans(out, nothing, request->conversation ? 2 : 0);
}

/* What one of our encoders would not have made. */
static bool request_makes_sense(const struct auth_request *request)
{
	struct span names = request->names;

	if (request->conversation == 0 && (request->is_next || request->is_end))
		return false;
	if (request->is_end && request->response_count)
		return false;
	return names.len == 0 || names.at[names.len - 1] == '\0';
}

int auth_request_decode(struct span in, struct auth_request *out)
{
	struct reader r = { in, false };

	*out = (struct auth_request){ 0 };
	take_kind(&r, KIND_REQUEST);
	out->mechanism = take_span(&r, AUTH_MECHANISMS_OCTETS_MAX);
	out->conversation = take_long_number(&r);
	out->is_next = take_octet(&r, 1) != 0;
	out->is_end = take_octet(&r, 1) != 0;
	out->binding = take_span(&r, AUTH_BINDING_OCTETS_MAX);
	out->binding_data = take_span(&r, AUTH_BINDING_OCTETS_MAX);
	out->has_binding = take_octet(&r, 1) != 0;
	out->names = take_span(&r, AUTH_CERTIFICATE_OCTETS_MAX);
	out->response_count =
		take_spans(&r, out->responses, AUTH_RESPONSES_MAX, AUTH_RESPONSE_OCTETS_MAX);
	return finish(&r) < 0 || !request_makes_sense(out) ? -EINVAL : 0;
}

void auth_answer_encode(const struct auth_answer *answer, struct buf *out)
{
	require(answer->account.len <= AUTH_NAME_OCTETS_MAX);
	require(answer->challenge.len <= AUTH_CHALLENGE_OCTETS_MAX);
	require(answer->credential.len <= AUTH_NAME_OCTETS_MAX);
	require(answer->file_state.len <= AUTH_FILE_STATE_OCTETS_MAX);
	put_octet(out, KIND_ANSWER);
	put_octet(out, answer->verdict);
	put_span(out, answer->account);
	put_span(out, span_first(answer->detail, AUTH_DETAIL_OCTETS_MAX));
	put_span(out, answer->challenge);
	put_span(out, answer->credential);
	put_long_number(out, answer->good_until_s);
	put_span(out, answer->file_state);
}

/* What one of our encoders would not have made, and what nobody may remember. */
static bool answer_makes_sense(const struct auth_answer *answer)
{
	if (answer->good_until_s == 0)
		return answer->file_state.len == 0;
	return answer->verdict == AUTH_OK && answer->account.len && answer->credential.len &&
	       answer->file_state.len;
}

int auth_answer_decode(struct span in, struct auth_answer *out)
{
	struct reader r = { in, false };
	int result;

	*out = (struct auth_answer){ 0 };
	take_kind(&r, KIND_ANSWER);
	out->verdict = (enum auth_verdict)take_octet(&r, VERDICT_COUNT - 1);
	out->account = take_span(&r, AUTH_NAME_OCTETS_MAX);
	out->detail = take_span(&r, AUTH_DETAIL_OCTETS_MAX);
	out->challenge = take_span(&r, AUTH_CHALLENGE_OCTETS_MAX);
	out->credential = take_span(&r, AUTH_NAME_OCTETS_MAX);
	out->good_until_s = take_long_number(&r);
	out->file_state = take_span(&r, AUTH_FILE_STATE_OCTETS_MAX);
	result = finish(&r) < 0 || !answer_makes_sense(out) ? -EINVAL : 0;
	if (result < 0)
		/* Whoever forgets to look at what is returned must not find a login accepted. */
		*out = (struct auth_answer){ .verdict = AUTH_UNAVAILABLE };
	return result;
}

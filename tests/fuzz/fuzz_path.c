/* Paths, domains in ASCII, parameters, xtext and the values of DSN: what is taken apart is whole,
 * clean, and within the input. */
#include "base/require.h"
#include "smtp/dsn.h"
#include "smtp/idna.h"
#include "smtp/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(struct span part, struct span all)
{
	return part.len == 0 || (part.at >= all.at && part.at + part.len <= all.at + all.len);
}

static void require_clean(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		require(s.at[i] >= ' ' && s.at[i] != 127);
}

/* "<mailbox>" must be read as the same mailbox. */
static void check_again(const struct smtp_path *path, enum smtp_path_kind kind)
{
	struct buf text = { 0 };
	struct smtp_path again;
	struct smtp_reply why;
	struct span in;

	buf_put_char(&text, '<');
	buf_put_span(&text, path->mailbox);
	buf_put_char(&text, '>');
	in = buf_span(&text);
	require(smtp_path_parse(&in, kind, &again, &why) == 0 && in.len == 0);
	require(span_eq(again.mailbox, path->mailbox) && span_eq(again.local, path->local) &&
		span_eq(again.domain, path->domain) && !again.has_source_route);
	buf_fini(&text);
}

static void require_domain(struct span ascii)
{
	for (size_t i = 0; i < ascii.len; i++)
		require(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", ascii.at[i]));
}

/* Turned into ASCII, a mailbox is one still, with the same local part; turned again, the same. */
static void check_ascii(const struct smtp_path *path)
{
	struct buf text = { 0 }, twice = { 0 };
	int rc = smtp_mailbox_to_ascii(path->mailbox, &text);
	struct span ascii = buf_span(&text);

	require(rc == 0 || (path->is_utf8 && text.len == 0));
	require(span_is_ascii(ascii) && (path->is_utf8 || span_eq(ascii, path->mailbox)));
	require_clean(ascii);
	if (rc == 0 && path->is_utf8) {
		require(span_eq(span_first(ascii, path->local.len), path->local));
		require(ascii.len > path->local.len + 1);
		require_domain(span_from(ascii, path->local.len + 1));
	}
	require(smtp_mailbox_to_ascii(ascii, &twice) == 0 && span_eq(buf_span(&twice), ascii));
	buf_fini(&text);
	buf_fini(&twice);
}

static void check_path(struct span all, enum smtp_path_kind kind)
{
	struct span in = all;
	struct smtp_path path;
	struct smtp_reply why = { 0 };

	if (smtp_path_parse(&in, kind, &path, &why) < 0) {
		require(why.code == 501 && why.text.len && in.at == all.at);
		return;
	}
	require(is_within(path.mailbox, all) && is_within(in, all));
	require(in.len == 0 || in.at[0] == ' ');
	require(path.local.len <= 64 && path.domain.len <= 255 && path.mailbox.len <= 254);
	require(span_is_utf8(path.mailbox) && path.is_utf8 == !span_is_ascii(path.mailbox));
	require_clean(path.mailbox);
	if (path.domain.len)
		require(path.mailbox.len == path.local.len + 1 + path.domain.len);
	if (path.mailbox.len == 0)
		require(kind == SMTP_PATH_REVERSE);
	check_again(&path, kind);
	check_ascii(&path);
}

static void check_params(struct span all)
{
	struct span in = all, keyword, value;

	while (smtp_param_next(&in, &keyword, &value) > 0) {
		require(keyword.len && is_within(keyword, all) && is_within(value, all));
		require(span_find(value, ' ') == value.len && span_find(value, '=') == value.len);
		require_clean(keyword);
		require_clean(value);
	}
}

static void check_xtext(struct span in)
{
	struct buf decoded = { 0 }, encoded = { 0 }, again = { 0 };
	int rc = smtp_xtext_decode(in, &decoded);

	require(rc == 0 || decoded.len == 0);
	require_clean(buf_span(&decoded));
	smtp_xtext_encode(buf_span(&decoded), &encoded);
	require(smtp_xtext_decode(buf_span(&encoded), &again) == 0);
	require(span_eq(buf_span(&again), buf_span(&decoded)));
	buf_fini(&decoded);
	buf_fini(&encoded);
	buf_fini(&again);
}

/* What is valid may stand in a command of ours as it is. */
static void check_dsn(struct span in)
{
	struct buf text = { 0 };
	unsigned notify, again;

	if (smtp_envid_is_valid(in))
		require(in.len && in.len <= SMTP_ENVID_MOST);
	if (smtp_orcpt_is_valid(in))
		require(in.len <= SMTP_ORCPT_MOST && span_find(in, ';') < in.len - 1);
	if (smtp_envid_is_valid(in) || smtp_orcpt_is_valid(in)) {
		require(span_is_ascii(in) && span_find(in, ' ') == in.len);
		require_clean(in);
	}
	if (smtp_notify_parse(in, &notify) < 0)
		return;
	smtp_notify_format(notify, &text);
	require(smtp_notify_parse(buf_span(&text), &again) == 0 && again == notify);
	require(!(notify & SMTP_NOTIFY_NEVER) || notify == SMTP_NOTIFY_NEVER);
	buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);

	check_path(in, SMTP_PATH_REVERSE);
	check_path(in, SMTP_PATH_FORWARD);
	check_params(in);
	check_xtext(in);
	check_dsn(in);
	return 0;
}

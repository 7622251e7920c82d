#include "users_line.h"

#include "password.h"
#include "base/mem.h"

#include <errno.h>

#define SEED_NAME "@seed"

static bool has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < 0x20 || s.at[i] == 0x7F ||
		    (s.at[i] == 0xC2 && i + 1 < s.len && s.at[i + 1] < 0xA0))
			return true;
	return false;
}

const char *users_name_flaw(struct span name)
{
	if (name.len == 0)
		return "the name is empty";
	if (name.len > 255)
		return "the name is longer than 255 octets";
	if (name.at[0] == '#')
		return "a name does not begin with '#'";
	if (span_find(name, ':') < name.len)
		return "a name has no ':'";
	if (!span_is_utf8(name))
		return "the name is not UTF-8";
	if (has_control(name))
		return "the name has a control character";
	if (span_trim(name).len != name.len)
		return "the name begins or ends with white space";
	if (span_eq(name, span_text(SEED_NAME)))
		return "\"" SEED_NAME "\" is the seed's name, not a user's";
	return NULL;
}

const char *users_label_flaw(struct span label)
{
	if (label.len > AUTH_APP_LABEL_OCTETS_MAX)
		return "the label is longer than 128 octets";
	if (!span_is_utf8(label))
		return "the label is not UTF-8";
	if (has_control(label))
		return "the label has a control character";
	return NULL;
}

static int flaw_at(struct fault *fault, const char *path, unsigned line, const char *what)
{
	return fault_set(fault, -EINVAL, "%s:%u: %s", path, line, what);
}

static struct span take_line(struct span *rest)
{
	size_t end = span_find(*rest, '\n');
	struct span line = span_first(*rest, end);

	*rest = span_from(*rest, end + 1);
	return line;
}

/* Up to the next ':', which is taken too. */
static struct span take_field(struct span *rest)
{
	size_t end = span_find(*rest, ':');
	struct span field = span_first(*rest, end);

	*rest = span_from(*rest, end + 1);
	return field;
}

static bool is_seed(struct span line)
{
	struct span name = span_text(SEED_NAME ":");

	return span_eq(span_first(line, name.len), name);
}

int users_seed_find(const char *path, struct span text, struct users_seed *out, struct fault *fault)
{
	unsigned number = 0;

	*out = (struct users_seed){ 0 };
	while (text.len) {
		struct span line = take_line(&text);

		number++;
		if (!is_seed(line))
			continue;
		if (out->is_known)
			return flaw_at(fault, path, number, "the seed stands there already");
		take_field(&line);
		out->is_known = verifier_decode(take_field(&line), out->octets);
		if (!out->is_known)
			return flaw_at(fault, path, number,
				       "the seed is not 32 octets in base64; without it no SCRAM "
				       "verifier and no app password can be used: put it back from "
				       "a copy");
	}
	return 0;
}

static const char *parse_scram(const struct users_seed *seed, struct span text,
			       struct users_line *line)
{
	unsigned char salt[AUTH_SCRAM_OCTETS];

	if (seed->is_known)
		verifier_salt(seed->octets, line->name, salt);
	return verifier_parse(text, seed->is_known ? salt : NULL, &line->has_scram, &line->scram);
}

static const char *parse_password(const struct users_seed *seed, struct span rest,
				  struct users_line *line)
{
	struct span scram = span_text("SCRAM-");
	const char *what;
	size_t end;

	line->kind = USERS_LINE_PASSWORD;
	line->hash = span_first(rest, span_find(rest, ':'));
	what = password_hash_flaw(line->hash);
	rest = line->behind = span_from(rest, line->hash.len);
	if (what || rest.len == 0)
		return what;
	rest = span_from(rest, 1);
	end = span_find(rest, ':');
	/* A field that is no verifier is of somebody else's, and stands behind the empty one. */
	if (end && !span_eq(span_first(rest, scram.len), scram))
		return NULL;
	line->behind = span_from(rest, end);
	return end ? parse_scram(seed, span_first(rest, end), line) : NULL;
}

static bool parse_time(struct span text, int64_t *out)
{
	uint64_t seconds;

	if (span_number(text, &seconds) < 0 || seconds > INT64_MAX / 1000)
		return false;
	*out = (int64_t)seconds;
	return true;
}

static bool is_id(struct span id)
{
	for (size_t i = 0; i < id.len; i++)
		if (!ascii_is_alnum(id.at[i]))
			return false;
	return id.len && id.len < AUTH_APP_ID_MAX;
}

static const char *parse_app(const struct users_seed *seed, struct span rest,
			     struct users_line *line)
{
	struct span scram;

	line->kind = USERS_LINE_APP;
	line->id = take_field(&rest);
	if (!is_id(line->id))
		return "the app password's id is not 1 to 15 letters and digits";
	if (!parse_time(take_field(&rest), &line->created_s) ||
	    !parse_time(take_field(&rest), &line->expires_s))
		return "a time of the app password is no number of seconds";
	if (!verifier_decode(take_field(&rest), line->mac))
		return "the app password's MAC is not 32 octets in base64";
	scram = take_field(&rest);
	line->label = rest;
	if (users_label_flaw(rest))
		return users_label_flaw(rest);
	return scram.len ? parse_scram(seed, scram, line) : NULL;
}

static const char *parse(const struct users_seed *seed, struct users_line *line)
{
	struct span rest = line->whole;
	const char *what;

	if (rest.len == 0 || rest.at[0] == '#' || is_seed(rest))
		return NULL;
	if (rest.len > USERS_LINE_OCTETS_MAX)
		return "longer than 2048 octets; a line is NAME:HASH";
	if (has_control(rest))
		return "a control character (lines end with LF alone); a line is NAME:HASH";
	if (span_find(rest, ':') == rest.len)
		return "no ':'; a line is NAME:HASH";
	line->name = take_field(&rest);
	what = users_name_flaw(line->name);
	if (what)
		return what;
	if (rest.len && rest.at[0] == '+')
		return parse_app(seed, span_from(rest, 1), line);
	return parse_password(seed, rest, line);
}

int users_line_next(const char *path, const struct users_seed *seed, struct span *rest,
		    struct users_line *line, struct fault *fault)
{
	unsigned number = line->number + 1;
	const char *what;

	mem_wipe(line, sizeof(*line));
	line->number = number;
	if (rest->len == 0)
		return 0;
	line->whole = take_line(rest);
	what = parse(seed, line);
	return what ? flaw_at(fault, path, number, what) : 1;
}

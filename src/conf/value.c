#include "value.h"

#include "base/require.h"

#include <errno.h>
#include <inttypes.h>
#include <strings.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* The greatest first: values are written in the greatest unit that divides them. */
static const struct unit duration_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};
static const struct unit size_units[] = {
	{ "G", 1 << 30 },
	{ "M", 1 << 20 },
	{ "K", 1 << 10 },
	{ "", 1 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int parse_scaled(const char *text, const struct unit *units, size_t count, int64_t *out)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t number;

	if (span_number(span_of(text, digits), &number) < 0 || number > INT64_MAX)
		return -EINVAL;
	if (number == 0 && text[digits] == '\0') {
		*out = 0;
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(text + digits, units[i].name) == 0)
			return __builtin_mul_overflow((int64_t)number, units[i].factor, out)
				       ? -EINVAL
				       : 0;
	return -EINVAL;
}

static void put_scaled(int64_t value, const struct unit *units, size_t count, struct buf *out)
{
	size_t i = 0;

	while (i + 1 < count && (value == 0 || value % units[i].factor != 0))
		i++;
	buf_printf(out, "%" PRId64 "%s", value / units[i].factor, value ? units[i].name : "");
}

static void put_number(const struct conf_key *key, int64_t value, struct buf *out)
{
	if (key->type == CONF_DURATION || key->type == CONF_DURATIONS)
		put_scaled(value, duration_units, COUNT(duration_units), out);
	else if (key->type == CONF_SIZE)
		put_scaled(value, size_units, COUNT(size_units), out);
	else
		buf_printf(out, "%" PRId64, value);
}

static int parse_number(const struct conf_key *key, const char *text, int64_t *out)
{
	uint64_t number;

	if (key->type == CONF_DURATION || key->type == CONF_DURATIONS)
		return parse_scaled(text, duration_units, COUNT(duration_units), out);
	if (key->type == CONF_SIZE)
		return parse_scaled(text, size_units, COUNT(size_units), out);
	if (span_number(span_text(text), &number) < 0 || number > INT64_MAX)
		return -EINVAL;
	*out = (int64_t)number;
	return 0;
}

static int parse_yesno(const char *text, int64_t *out)
{
	static const char *const words[][2] = { { "no", "yes" },
						{ "false", "true" },
						{ "off", "on" } };

	for (size_t i = 0; i < COUNT(words); i++)
		for (int value = 0; value < 2; value++)
			if (strcasecmp(text, words[i][value]) == 0) {
				*out = value;
				return 0;
			}
	return -EINVAL;
}

static int parse_word(const struct conf_key *key, const char *text, int64_t *out)
{
	for (const struct conf_word *w = key->words; w->text; w++)
		if (strcmp(text, w->text) == 0) {
			*out = w->value;
			return 0;
		}
	return -EINVAL;
}

/* Fields are bool, an enum, long or int64_t. */
static void store_number(const struct conf_key *key, void *field, int64_t value)
{
	int32_t narrow = (int32_t)value;
	bool flag = value != 0;

	if (key->width == sizeof(int64_t))
		memcpy(field, &value, sizeof(value));
	else if (key->width == sizeof(int32_t))
		memcpy(field, &narrow, sizeof(narrow));
	else
		memcpy(field, &flag, sizeof(flag));
}

static int64_t load_number(const struct conf_key *key, const void *field)
{
	int64_t wide = 0;
	int32_t narrow;

	if (key->width == sizeof(int64_t)) {
		memcpy(&wide, field, sizeof(wide));
		return wide;
	}
	if (key->width == sizeof(int32_t)) {
		memcpy(&narrow, field, sizeof(narrow));
		return narrow;
	}
	require(key->width == sizeof(bool));
	return *(const bool *)field;
}

static void append(struct conf_list *list, const char *text, struct conf_store *store)
{
	const char **at = conf_store_alloc(store, (list->count + 1) * sizeof(*at));

	if (list->count)
		memcpy(at, list->at, list->count * sizeof(*at));
	at[list->count] = conf_store_text(store, text);
	list->at = at;
	list->count++;
}

static void append_duration(struct conf_durations *list, int64_t value, struct conf_store *store)
{
	int64_t *at = conf_store_alloc(store, (list->count + 1) * sizeof(*at));

	if (list->count)
		memcpy(at, list->at, list->count * sizeof(*at));
	at[list->count] = value;
	list->at = at;
	list->count++;
}

static int set_text(const struct conf_key *key, void *field, const char *text,
		    struct conf_store *store, struct buf *wrong)
{
	const char *accepted = key->judge ? key->judge(text) : NULL;
	const char *copy;

	if (accepted) {
		buf_put_text(wrong, accepted);
		return -EINVAL;
	}
	if (key->type == CONF_LIST) {
		append(field, text, store);
		return 0;
	}
	copy = conf_store_text(store, text);
	memcpy(field, &copy, sizeof(copy));
	return 0;
}

int conf_value_set(const struct conf_key *key, void *base, const char *text,
		   struct conf_store *store, struct buf *wrong)
{
	void *field = (char *)base + key->at;
	int64_t value = 0;
	int r;

	if (key->type == CONF_TEXT || key->type == CONF_LIST)
		return set_text(key, field, text, store, wrong);
	if (key->type == CONF_YESNO)
		r = parse_yesno(text, &value);
	else if (key->type == CONF_WORD)
		r = parse_word(key, text, &value);
	else
		r = parse_number(key, text, &value);
	if (r == 0 && key->most && (value < key->least || value > key->most))
		r = -EINVAL;
	if (r < 0) {
		conf_value_put_accepted(key, wrong);
		return r;
	}
	if (key->type == CONF_DURATIONS)
		append_duration(field, value, store);
	else
		store_number(key, field, value);
	return 0;
}

void conf_value_put_accepted(const struct conf_key *key, struct buf *out)
{
	switch (key->type) {
	case CONF_TEXT:
	case CONF_LIST:
		break;
	case CONF_YESNO:
		buf_put_text(out, "yes, no");
		break;
	case CONF_WORD:
		for (const struct conf_word *w = key->words; w->text; w++)
			buf_printf(out, "%s%s", w == key->words ? "" : ", ", w->text);
		break;
	case CONF_DURATION:
	case CONF_DURATIONS:
	case CONF_SIZE:
	case CONF_NUMBER:
		if (key->type == CONF_DURATIONS)
			buf_put_text(out, "a list, as { 1m, 5m, 1h }, of durations from ");
		if (key->type == CONF_DURATION)
			buf_put_text(out, "a duration, as 500ms, 30s, 5m, 4h or 2d, from ");
		if (key->type == CONF_SIZE)
			buf_put_text(out, "a size in octets, as 65536, 64K, 50M or 2G, from ");
		put_number(key, key->least, out);
		buf_put_text(out, " to ");
		put_number(key, key->most, out);
		break;
	}
}

void conf_value_put_quoted(const char *text, struct buf *out)
{
	buf_put_char(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_put_char(out, '\\');
		buf_put_char(out, *text);
	}
	buf_put_char(out, '"');
}

static void put_list(const struct conf_list *list, struct buf *out)
{
	buf_put_text(out, "{ ");
	for (size_t i = 0; i < list->count; i++) {
		buf_put_text(out, i ? ", " : "");
		conf_value_put_quoted(list->at[i], out);
	}
	buf_put_text(out, list->count ? " }" : "}");
}

static void put_durations(const struct conf_key *key, const struct conf_durations *list,
			  struct buf *out)
{
	buf_put_text(out, "{ ");
	for (size_t i = 0; i < list->count; i++) {
		buf_put_text(out, i ? ", " : "");
		put_number(key, list->at[i], out);
	}
	buf_put_text(out, list->count ? " }" : "}");
}

void conf_value_put(const struct conf_key *key, const void *base, struct buf *out)
{
	const void *field = (const char *)base + key->at;
	const struct conf_word *w = key->words;
	const char *text;

	switch (key->type) {
	case CONF_TEXT:
		memcpy(&text, field, sizeof(text));
		conf_value_put_quoted(text, out);
		break;
	case CONF_LIST:
		put_list(field, out);
		break;
	case CONF_DURATIONS:
		put_durations(key, field, out);
		break;
	case CONF_YESNO:
		buf_put_text(out, load_number(key, field) ? "yes" : "no");
		break;
	case CONF_WORD:
		while (w->text && w->value != load_number(key, field))
			w++;
		require(w->text != NULL);
		buf_put_text(out, w->text);
		break;
	case CONF_NUMBER:
	case CONF_DURATION:
	case CONF_SIZE:
		put_number(key, load_number(key, field), out);
		break;
	}
}

static void put_given_list(const char *text, struct buf *out)
{
	const char *before = "{ ";

	while (*text) {
		size_t n = strcspn(text, ",");

		buf_printf(out, "%s\"%.*s\"", before, (int)n, text);
		text += n + (text[n] ? 2 : 0);
		before = ", ";
	}
	buf_put_text(out, before[0] == ',' ? " }" : "{ }");
}

void conf_value_put_given(const struct conf_key *key, const char *text, struct buf *out)
{
	if (key->type == CONF_LIST)
		put_given_list(text, out);
	else if (key->type == CONF_DURATIONS)
		buf_printf(out, *text ? "{ %s }" : "{%s}", text);
	else if (key->type == CONF_TEXT)
		conf_value_put_quoted(text, out);
	else
		buf_put_text(out, text);
}

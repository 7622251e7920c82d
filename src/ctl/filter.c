#include "filter.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATTERN_OCTETS = 1024, STANDS = QUEUE_STAND_NOTICE + 1 };

#define TEXTS(X) X(from) X(to) X(account) X(smarthost) X(reason)

static bool is_same(char a, char b)
{
	return ascii_lower((unsigned char)a) == ascii_lower((unsigned char)b);
}

/* After a mismatch only the last * need be tried again: what an earlier one could take more of, the
 * last one can take too. */
bool ctl_glob(const char *pattern, const char *text)
{
	const char *star = NULL, *resume = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			resume = text;
		} else if (*pattern && (*pattern == '?' || is_same(*pattern, *text))) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static int read_text(const char *key, const json_t *value, char **out, struct fault *fault)
{
	const char *text = json_string_value(value);

	if (text == NULL || strlen(text) > PATTERN_OCTETS)
		return fault_set(fault, -EINVAL, "%s is a text of at most %d octets", key,
				 PATTERN_OCTETS);
	free(*out);
	*out = mem_text(text);
	return 0;
}

static int read_age(const char *key, const json_t *value, int64_t *out, struct fault *fault)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return fault_set(fault, -EINVAL, "%s is a number of milliseconds", key);
	*out = json_integer_value(value);
	return 0;
}

static int read_stand(const json_t *value, int *out, struct fault *fault)
{
	const char *word = json_string_value(value);
	struct buf words = { 0 };
	char *text;

	for (int i = 0; i < STANDS; i++) {
		if (word && strcmp(word, queue_stand_word((enum queue_stand)i)) == 0) {
			*out = i;
			buf_fini(&words);
			return 0;
		}
		buf_printf(&words, "%s%s", i ? ", " : "", queue_stand_word((enum queue_stand)i));
	}
	text = buf_take_text(&words);
	fault_set(fault, -EINVAL, "stand is one of %s", text);
	free(text);
	return -EINVAL;
}

static int read_key(const char *key, const json_t *value, struct ctl_filter *out,
		    struct fault *fault)
{
#define X(name)                                                                                    \
	if (strcmp(key, #name) == 0)                                                               \
		return read_text(key, value, &out->name, fault);
	TEXTS(X)
#undef X
	if (strcmp(key, "older_ms") == 0)
		return read_age(key, value, &out->older_ms, fault);
	if (strcmp(key, "newer_ms") == 0)
		return read_age(key, value, &out->newer_ms, fault);
	if (strcmp(key, "stand") == 0)
		return read_stand(value, &out->stand, fault);
	if (strcmp(key, "held") == 0 && json_is_true(value)) {
		out->is_held = true;
		return 0;
	}
	return fault_set(fault, -EINVAL, "the filter holds what is no condition: %.100s", key);
}

int ctl_filter_read(const json_t *in, struct ctl_filter *out, struct fault *fault)
{
	const char *key;
	json_t *value;
	int r = 0;

	*out = (struct ctl_filter){ .older_ms = -1, .newer_ms = -1, .stand = -1 };
	if (in && !json_is_object(in))
		return fault_set(fault, -EINVAL, "the filter is an object");
	json_object_foreach((json_t *)(uintptr_t)in, key, value)
	{
		r = read_key(key, value, out, fault);
		if (r < 0)
			break;
	}
	if (r < 0)
		ctl_filter_fini(out);
	return r;
}

void ctl_filter_fini(struct ctl_filter *filter)
{
#define X(name)                                                                                    \
	free(filter->name);                                                                        \
	filter->name = NULL;
	TEXTS(X)
#undef X
}

static bool is_sender(const char *pattern, const char *sender)
{
	if (*sender == '\0')
		return *pattern == '\0' || strcmp(pattern, "<>") == 0;
	return ctl_glob(pattern, sender);
}

static bool holds_words(const char *text, const char *words)
{
	size_t n = strlen(words);

	if (n == 0)
		return true;
	for (; *text; text++)
		if (is_same(*text, *words) && strncasecmp(text, words, n) == 0)
			return true;
	return false;
}

static bool is_reason(const struct recipient_status *status, const char *words)
{
	const struct smtp_status *x = &status->status;
	char whole[1024];

	if (status->text && holds_words(status->text, words))
		return true;
	if (status->code == 0)
		return false;
	if (x->class)
		snprintf(whole, sizeof(whole), "%d %u.%u.%u %s", status->code, x->class, x->subject,
			 x->detail, status->text ? status->text : "");
	else
		snprintf(whole, sizeof(whole), "%d %s", status->code,
			 status->text ? status->text : "");
	return holds_words(whole, words);
}

/* Of one and the same recipient that waits all of these must hold. */
static bool takes_recipient(const struct ctl_filter *f, const struct envelope_recipient *recipient,
			    const struct recipient_status *status)
{
	if (status->state != RECIPIENT_WAITING)
		return false;
	if (f->to && !ctl_glob(f->to, recipient->address))
		return false;
	if (f->smarthost && !ctl_glob(f->smarthost, status->smarthost ? status->smarthost : ""))
		return false;
	return f->reason == NULL || is_reason(status, f->reason);
}

static bool takes_some_recipient(const struct ctl_filter *f, const struct queue_view *view)
{
	const struct envelope *e = view->envelope;
	const struct delivery *d = view->delivery;

	if (f->to == NULL && f->smarthost == NULL && f->reason == NULL)
		return true;
	if (f->reason && view->reason && f->to == NULL && f->smarthost == NULL &&
	    holds_words(view->reason, f->reason))
		return true;
	for (size_t i = 0; i < e->recipient_count && i < d->recipient_count; i++)
		if (takes_recipient(f, &e->recipients[i], &d->recipients[i]))
			return true;
	return false;
}

bool ctl_filter_takes(const struct ctl_filter *f, const struct queue_view *view, int64_t now_ms)
{
	int64_t age_ms = now_ms - view->envelope->arrived_ms;

	if (f->stand >= 0 && (int)view->stand != f->stand)
		return false;
	if (f->is_held && !view->delivery->is_held)
		return false;
	if ((f->older_ms >= 0 && age_ms < f->older_ms) ||
	    (f->newer_ms >= 0 && age_ms >= f->newer_ms))
		return false;
	if (f->account && !ctl_glob(f->account, view->envelope->account))
		return false;
	if (f->from && !is_sender(f->from, view->envelope->sender))
		return false;
	return takes_some_recipient(f, view);
}

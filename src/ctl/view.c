#include "inside.h"

#include <stdio.h>

static const char *state_name(enum recipient_state state)
{
	static const char *const names[] = {
		[RECIPIENT_WAITING] = "waiting",
		[RECIPIENT_DELIVERED] = "delivered",
		[RECIPIENT_FAILED] = "failed",
	};

	return names[state];
}

static json_t *number(size_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *code_view(int code)
{
	return code ? json_integer(code) : json_null();
}

static json_t *status_view(const struct smtp_status *status)
{
	char text[32];

	if (status->class == 0)
		return json_null();
	snprintf(text, sizeof(text), "%u.%u.%u", status->class, status->subject, status->detail);
	return json_string(text);
}

const struct recipient_status *ctl_last_word(const struct queue_view *view, size_t *place_out)
{
	const struct delivery *d = view->delivery;
	const struct recipient_status *found = NULL;

	for (size_t i = 0; i < d->recipient_count; i++) {
		if (d->recipients[i].state != RECIPIENT_WAITING)
			continue;
		if (found && d->recipients[i].text == NULL)
			continue;
		found = &d->recipients[i];
		*place_out = i;
		if (found->text)
			break;
	}
	return found;
}

static void add_last_word(json_t *out, const struct queue_view *view)
{
	static const struct recipient_status none = { 0 };
	size_t place = 0;
	const struct recipient_status *last = ctl_last_word(view, &place);
	bool is_there = last && place < view->envelope->recipient_count;

	if (last == NULL)
		last = &none;
	json_object_set_new(out, "recipient",
			    ctl_text(is_there ? view->envelope->recipients[place].address : NULL));
	json_object_set_new(out, "smarthost", ctl_text(last->smarthost));
	json_object_set_new(out, "code", code_view(last->code));
	json_object_set_new(out, "status", status_view(&last->status));
	json_object_set_new(out, "reason", ctl_text(view->reason ? view->reason : last->text));
}

json_t *ctl_message(const struct queue_view *view, int64_t now_ms)
{
	const struct envelope *e = view->envelope;
	const struct delivery *d = view->delivery;
	json_t *out = json_object();

	json_object_set_new(out, "qid", ctl_id(e->qid));
	json_object_set_new(out, "arrived", ctl_time(e->arrived_ms));
	json_object_set_new(out, "age_s", ctl_seconds(now_ms - e->arrived_ms));
	json_object_set_new(out, "size", json_integer((json_int_t)e->size));
	json_object_set_new(out, "account", ctl_text(e->account));
	json_object_set_new(out, "sender", ctl_text(e->sender));
	json_object_set_new(out, "nrcpt", number(e->recipient_count));
	json_object_set_new(out, "waiting", number(view->waiting));
	json_object_set_new(out, "attempts", json_integer(d->attempts));
	json_object_set_new(out, "stand", json_string(queue_stand_word(view->stand)));
	json_object_set_new(out, "held", json_boolean(d->is_held));
	json_object_set_new(out, "next", ctl_time(view->next_ms));
	add_last_word(out, view);
	return out;
}

static json_t *recipient_view(const struct envelope_recipient *recipient,
			      const struct recipient_status *status)
{
	json_t *out = json_object();

	json_object_set_new(out, "address", ctl_text(recipient->address));
	json_object_set_new(out, "state", json_string(state_name(status->state)));
	json_object_set_new(out, "code", code_view(status->code));
	json_object_set_new(out, "status", status_view(&status->status));
	json_object_set_new(out, "text", ctl_text(status->text));
	json_object_set_new(out, "smarthost", ctl_text(status->smarthost));
	return out;
}

static json_t *recipients_view(const struct queue_view *view)
{
	const struct envelope *e = view->envelope;
	const struct delivery *d = view->delivery;
	json_t *out = json_array();

	for (size_t i = 0; i < e->recipient_count && i < d->recipient_count; i++)
		json_array_append_new(out, recipient_view(&e->recipients[i], &d->recipients[i]));
	return out;
}

static json_t *try_view(const struct delivery_try *one)
{
	json_t *out = json_object();

	json_object_set_new(out, "first", ctl_time(one->first_ms));
	json_object_set_new(out, "last", ctl_time(one->last_ms));
	json_object_set_new(out, "times", json_integer(one->times));
	json_object_set_new(out, "recipients", json_integer(one->recipients));
	json_object_set_new(out, "code", code_view(one->code));
	json_object_set_new(out, "status", status_view(&one->status));
	json_object_set_new(out, "text", ctl_text(one->text));
	json_object_set_new(out, "smarthost", ctl_text(one->smarthost));
	return out;
}

static json_t *tries_view(const struct delivery *delivery)
{
	json_t *out = json_array();

	for (size_t i = 0; i < delivery->try_count; i++)
		json_array_append_new(out, try_view(&delivery->tries[i]));
	return out;
}

/* When, and in how many seconds; both null for never. */
static void add_due(json_t *out, const char *when, const char *in, int64_t ms, int64_t now_ms)
{
	json_object_set_new(out, when, ctl_time(ms));
	json_object_set_new(out, in, ms > 0 ? ctl_seconds(ms - now_ms) : json_null());
}

/* What its content needs of a smarthost; empty: nothing. */
static json_t *form_view(unsigned form)
{
	static const struct {
		unsigned flag;
		const char *word;
	} words[] = { { SMTP_FORM_8BIT, "8bit" },
		      { SMTP_FORM_8BIT_HEADER, "8bit-header" },
		      { SMTP_FORM_LONG_LINES, "long-lines" },
		      { SMTP_FORM_BINARY, "binary" } };
	json_t *out = json_array();

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (form & words[i].flag)
			json_array_append_new(out, json_string(words[i].word));
	return out;
}

json_t *ctl_whole_message(const struct queue_view *view, int64_t now_ms)
{
	const struct envelope *e = view->envelope;
	json_t *out = ctl_message(view, now_ms);

	json_object_set_new(out, "sid", e->sid ? ctl_id(e->sid) : json_null());
	json_object_set_new(out, "envid", e->envid && *e->envid ? ctl_text(e->envid) : json_null());
	json_object_set_new(out, "form", form_view(e->form));
	json_object_set_new(out, "smtputf8", json_boolean(e->is_utf8));
	json_object_set_new(out, "requiretls", json_boolean(e->require_tls));
	add_due(out, "release", "release_s", e->release_ms, now_ms);
	json_object_set_new(out, "stand_text", json_string(queue_stand_text(view->stand)));
	json_object_set_new(out, "ahead", number(view->ahead));
	json_object_set_new(out, "last", ctl_time(view->delivery->last_ms));
	add_due(out, "next", "next_s", view->next_ms, now_ms);
	add_due(out, "warn", "warn_s", view->warn_ms, now_ms);
	add_due(out, "expire", "expire_s", view->expire_ms, now_ms);
	json_object_set_new(out, "warned", json_boolean(view->delivery->is_warned));
	json_object_set_new(out, "recipients", recipients_view(view));
	json_object_set_new(out, "tries", tries_view(view->delivery));
	return out;
}

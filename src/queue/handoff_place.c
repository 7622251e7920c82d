/* queue/handoff_place.c: the recipients of a hand-off, and what was said of each. */
#include "handoff_inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

/* A copy at *end, which goes on behind it; NULL stays NULL. */
static const char *put_text(char **end, const char *text)
{
	char *at = *end;

	if (text == NULL)
		return NULL;
	*end = stpcpy(at, text) + 1;
	return at;
}

static size_t room_of(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

struct heard *heard_new(const struct relay_verdict *verdict)
{
	bool is_reason = verdict->reason && verdict->reply.code == 0;
	char *words = queued_text(is_reason ? span_text(verdict->reason) : verdict->reply.text);
	struct heard *heard = mem_alloc(sizeof(*heard) + room_of(words) +
					room_of(verdict->smarthost) + room_of(verdict->host));
	char *end = heard->text;

	heard->outcome = verdict->outcome;
	heard->code = verdict->reply.code;
	heard->status = verdict->reply.status;
	heard->words = put_text(&end, words);
	heard->smarthost = put_text(&end, verdict->smarthost);
	heard->host = put_text(&end, verdict->host);
	heard->is_untried = verdict->is_untried;
	heard->takes_dsn = verdict->takes_dsn;
	free(words);
	return heard;
}

void heard_free(struct heard **heard)
{
	free(*heard);
	*heard = NULL;
}

struct relay_verdict heard_verdict(const struct heard *heard)
{
	struct relay_verdict verdict = { .outcome = heard->outcome,
					 .reply = { .code = heard->code, .status = heard->status },
					 .smarthost = heard->smarthost,
					 .host = heard->host,
					 .is_untried = heard->is_untried,
					 .takes_dsn = heard->takes_dsn };

	if (heard->code)
		verdict.reply.text = span_text(heard->words);
	else
		verdict.reason = heard->words;
	return verdict;
}

static void make_room(struct handoff *h)
{
	bool is_first = h->places == h->few_places;

	h->place_room *= 2;
	h->places = mem_resize(is_first ? NULL : h->places, h->place_room * sizeof(*h->places));
	h->answered =
		mem_resize(is_first ? NULL : h->answered, h->place_room * sizeof(*h->answered));
	if (!is_first)
		return;
	memcpy(h->places, h->few_places, sizeof(h->few_places));
	memcpy(h->answered, h->few_answered, sizeof(h->few_answered));
}

/* Both end in NUL. */
static void copy_address(struct place *p, struct span mailbox, struct span orcpt)
{
	p->address = mem_alloc(mailbox.len + 1 + (orcpt.len ? orcpt.len + 1 : 0));
	if (mailbox.len)
		memcpy(p->address, mailbox.at, mailbox.len);
	if (orcpt.len)
		p->orcpt = memcpy(p->address + mailbox.len + 1, orcpt.at, orcpt.len);
}

size_t place_add(struct handoff *h, struct span mailbox, const struct smtp_rcpt_params *params)
{
	struct place *p;

	if (h->place_count == h->place_room)
		make_room(h);
	p = &h->places[h->place_count];
	*p = (struct place){ .notify = params ? params->notify : 0 };
	copy_address(p, mailbox, params ? params->orcpt : span_of(NULL, 0));
	h->unanswered++;
	return h->place_count++;
}

void place_fini(struct place *p)
{
	heard_free(&p->answer);
	heard_free(&p->heard);
	free(p->address);
}

void place_answer(struct handoff *h, size_t i, struct heard *answer)
{
	struct place *p = &h->places[i];

	require(p->state == PLACE_WAITING);
	p->state = PLACE_ANSWERED;
	p->answer = answer;
	p->is_out = answer && answer->outcome == RELAY_REFUSED;
	h->unanswered--;
	h->answered[h->answered_count++] = i;
	handoff_wake(h);
}

void place_answer_rest(struct handoff *h)
{
	for (size_t i = 0; i < h->place_count; i++)
		if (h->places[i].state == PLACE_WAITING)
			place_answer(h, i, NULL);
}

bool place_is_delivered(const struct place *p)
{
	return p->heard && p->heard->outcome == RELAY_DELIVERED;
}

bool place_needs_notice(const struct handoff *h, const struct place *p)
{
	return place_is_delivered(p) && (p->notify & SMTP_NOTIFY_SUCCESS) && !p->heard->takes_dsn &&
	       h->sender[0] != '\0';
}

size_t handoff_first_in(struct handoff *h)
{
	while (h->first_in < h->place_count && h->places[h->first_in].is_out)
		h->first_in++;
	return h->first_in;
}

struct tally handoff_tally(const struct handoff *h)
{
	struct tally t = { 0 };

	for (size_t i = 0; i < h->place_count; i++) {
		const struct place *p = &h->places[i];

		if (p->is_out)
			continue;
		t.in++;
		if (p->heard == NULL)
			continue;
		t.delivered += p->heard->outcome == RELAY_DELIVERED;
		t.refused += p->heard->outcome == RELAY_REFUSED;
		t.noticed += place_needs_notice(h, p);
		t.judged++;
		t.untried += p->heard->is_untried;
		t.answered += !p->heard->is_untried && p->heard->code != 0;
		t.heard += p->is_stored && !p->heard->is_untried;
	}
	return t;
}

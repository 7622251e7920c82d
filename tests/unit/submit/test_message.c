/* MAIL while the spool takes nothing. */
#include "test.h"

#include <errno.h>

#include "session.h"

static unsigned asked;
static int answered;
static struct logline logged;

bool __wrap_spool_may_accept(struct spool *spool, struct fault *why);
void __wrap_smtp_server_answer(struct smtp_server *srv, unsigned ticket,
			       const struct smtp_reply *reply);
void __wrap_log_put(struct log *log, const struct logline *l);

/* Room comes with the first question. */
bool __wrap_spool_may_accept(struct spool *spool, struct fault *why)
{
	(void)spool;
	if (asked++)
		return true;
	if (why)
		fault_set(why, -ENOSPC, "the disk is full");
	return false;
}

void __wrap_smtp_server_answer(struct smtp_server *srv, unsigned ticket,
			       const struct smtp_reply *reply)
{
	(void)srv;
	assert_int_equal(ticket, 7);
	answered = reply->code;
}

void __wrap_log_put(struct log *log, const struct logline *l)
{
	(void)log;
	logged = *l;
}

static void the_reason_is_that_of_the_refusal(void **state)
{
	struct conf conf = { .limits.message_octets = 1000 };
	struct submit_settings settings = { .conf = &conf };
	struct submit submit = { 0 };
	struct session session = { .submit = &submit, .settings = &settings, .sid_text = "7F" };
	struct smtp_event ev = { .type = SMTP_EVENT_MAIL, .ticket = 7 };

	(void)state;
	message_on_mail(&session, &ev);
	assert_int_equal(answered, 452);
	assert_string_equal(logged.text,
			    "event=spool-unavailable sid=7F reason=\"the disk is full\"");
	assert_null(session.message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reason_is_that_of_the_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

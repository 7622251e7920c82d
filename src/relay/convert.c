/* relay/convert.c: content made fit for a smarthost that takes less than the sender sent.
 *
 * Where something must change, the content is read once to learn how (mail/convert.h); the second time
 * it goes through the conversion on its way to the engine. The survey is the attempt's: another
 * connection, whose peer offers other things, goes on from it.
 *
 * Lines above SMTP_LINE_MOST are converted for each smarthost: no server needs to take them, and what becomes
 * of them is never told. But larger objects "SHOULD be avoided when possible" only (RFC 5321 4.5.3.1): where
 * it is not, as within a signed part, they go as they are. BINARYMIME has no lines.
 */
#include "conn.h"

#include "mail/convert.h"

#include <errno.h>

/* Of a large message that is at hand so much is read at a time, and in one turn of a connection as many
 * times as keep no other waiting: a header section may be made to take long. */
enum { PIECE_OCTETS = 16 * 1024 };

unsigned convert_takes(const struct smtp_client_offers *o, const struct smtp_client_message *m)
{
	bool takes_binary = (m->form & SMTP_FORM_BINARY) && o->binarymime && o->chunking;
	unsigned takes = SMTP_FORM_DOTLESS;

	if (takes_binary)
		takes |= SMTP_FORM_BINARY | SMTP_FORM_LONG_LINES;
	if (o->eightbitmime || takes_binary)
		takes |= SMTP_FORM_8BIT;
	/* RFC 6531 has a word for header fields beyond ASCII; without it they go as they always did. */
	if (m->is_utf8 ? o->smtputf8 : takes & SMTP_FORM_8BIT)
		takes |= SMTP_FORM_8BIT_HEADER;
	return takes;
}

static unsigned takes_of(const struct conn *conn)
{
	return convert_takes(smtp_client_offers(conn->engine), &conn->attempt->job->message);
}

static bool must_change(const struct conn *conn)
{
	/* All were refused: the content is not asked for. */
	if (conn->attempt->open == 0)
		return false;
	return conn->attempt->job->message.form & ~takes_of(conn);
}

void conn_fit_soon(struct conn *conn)
{
	conn->is_fitting = true;
	conn->is_source_dry = false;
	conn->part = span_of(NULL, 0);
}

void conn_fit_end(struct conn *conn)
{
	conn->is_fitting = false;
	mail_survey_free(&conn->survey);
	mail_convert_free(&conn->convert);
	buf_fini(&conn->converted);
}

/* The first reading */

/* 1: all was read; 0: there is more; negative: it cannot be read. */
static int read_piece(struct conn *conn)
{
	struct relay_source *source = conn->attempt->job->source;
	struct span piece = span_first(conn->part, PIECE_OCTETS);
	int status = 1;

	mail_survey_feed(conn->survey, piece);
	conn->part = span_from(conn->part, piece.len);
	if (conn->part.len == 0)
		status = source->next(source, &conn->part);
	conn->is_source_dry = status == -EAGAIN;
	if (status != 1)
		conn->part = span_of(NULL, 0);
	if (status == 1 || status == -EAGAIN)
		return 0;
	return status == 0 ? 1 : status;
}

/* As read_piece(). */
static int read_on(struct conn *conn)
{
	int status = 0;

	while (status == 0 && !conn->is_source_dry) {
		status = read_piece(conn);
		if (loop_is_late(conn->relay->conf.loop))
			break;
	}
	if (status == 0 && !conn->is_source_dry)
		conn_turn_soon(conn);
	return status;
}

/* The message ends here, with the peer none the wiser; the connection is as good as before. */
static void leave(struct conn *conn)
{
	if (conn->is_begun)
		smtp_client_reset(conn->engine);
	else
		conn_ready(conn);
}

static void give_up(struct conn *conn, int status)
{
	struct fault why;

	fault_set(&why, status, "the content of the message cannot be read: %s", strerror(-status));
	conn_lose_job(conn, NULL, why.text, false);
	leave(conn);
}

/* True: the attempt has its survey, or has ended. */
static bool survey(struct conn *conn)
{
	struct attempt *a = conn->attempt;
	int status;

	if (conn->survey == NULL)
		conn->survey = mail_survey_new(a->job->message.form & SMTP_FORM_BINARY);
	status = read_on(conn);
	if (status == 0)
		return false;
	if (status < 0) {
		give_up(conn, status);
		return true;
	}
	mail_survey_end(conn->survey);
	a->survey = conn->survey;
	conn->survey = NULL;
	a->job->source->rewind(a->job->source);
	return true;
}

/* The second */

static void send_fit(struct conn *conn, uint64_t size)
{
	unsigned form = conn->attempt->job->message.form & takes_of(conn);

	if (conn->convert)
		form &= ~(unsigned)SMTP_FORM_DOTLESS;
	conn->is_fitting = false;
	if (conn->is_begun)
		smtp_client_content(conn->engine, size, form);
	else
		conn_ask(conn, size, form);
}

/* 0: what of the forms is to be left, and the size of that; or why it cannot be done. */
static int judge(const struct conn *conn, unsigned *takes, uint64_t *size, struct smtp_reply *why)
{
	const struct mail_survey *survey = conn->attempt->survey;
	struct smtp_reply other;

	if (mail_survey_judge(survey, *takes, size, why) == 0)
		return 0;
	*takes |= SMTP_FORM_LONG_LINES;
	return mail_survey_judge(survey, *takes, size, &other);
}

static void convert(struct conn *conn)
{
	struct attempt *a = conn->attempt;
	unsigned takes = takes_of(conn);
	struct smtp_reply why;
	uint64_t size;

	if (judge(conn, &takes, &size, &why) == 0) {
		conn->convert = mail_convert_new(a->survey, takes);
		send_fit(conn, size);
		return;
	}
	conn_decide(conn, &why, true);
	leave(conn);
}

bool conn_fit(struct conn *conn)
{
	if (conn->state != CONN_BUSY || !conn->is_fitting)
		return false;
	if (!must_change(conn)) {
		send_fit(conn, conn->attempt->job->message.size);
		return true;
	}
	if (conn->attempt->survey == NULL)
		return survey(conn);
	convert(conn);
	return true;
}

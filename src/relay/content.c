/* relay/content.c: content from the job's source into the engine, no faster than the peer takes it.
 */
#include "conn.h"

#include "mail/convert.h"

#include <errno.h>

/* A part is handed on in pieces, so that a source that gives large parts fills no large buffer, neither
 * with what a conversion makes of it, nor with what the socket does not take at once. */
enum { CONVERTED_OCTETS = 16 * 1024, PASSED_OCTETS = 128 * 1024 };

/* Takes some octets from the front. */
static void pass(struct conn *conn, struct span *content)
{
	struct span run = smtp_client_pass(conn->engine, content);

	conn_flush(conn);
	stream_write(conn->stream, run);
}

static void convert(struct conn *conn, struct span content)
{
	struct span converted;

	mail_convert_feed(conn->convert, content, &conn->converted);
	converted = buf_span(&conn->converted);
	while (converted.len)
		pass(conn, &converted);
	buf_clear(&conn->converted);
}

static void send_piece(struct conn *conn)
{
	const size_t most = conn->convert ? CONVERTED_OCTETS : PASSED_OCTETS;
	struct span piece = span_first(conn->part, most), rest = piece;

	if (conn->convert) {
		convert(conn, piece);
		rest.len = 0;
	} else {
		pass(conn, &rest);
	}
	conn->part = span_from(conn->part, piece.len - rest.len);
}

static void end_content(struct conn *conn)
{
	conn->is_sending = false;
	if (conn->convert) {
		mail_convert_end(conn->convert, &conn->converted);
		smtp_client_body(conn->engine, buf_span(&conn->converted));
	}
	smtp_client_body_end(conn->engine);
	conn_flush(conn);
}

static void end_unreadable(struct conn *conn, int status)
{
	struct fault why;

	fault_set(&why, status, "the content of the message cannot be read: %s", strerror(-status));
	conn_break(conn, why.text);
}

/* True: there is a part. False: none now, no more, or an error, each taken care of. */
static bool next_part(struct conn *conn)
{
	struct relay_source *source = conn->attempt->job->source;
	int status = source->next(source, &conn->part);

	if (status == 1)
		return true;
	conn->part = span_of(NULL, 0);
	if (status == -EAGAIN) {
		conn->is_source_dry = true;
	} else if (status == 0) {
		end_content(conn);
	} else {
		end_unreadable(conn, status);
	}
	return false;
}

/* A conversion may be made to take long. */
static bool must_pause(struct conn *conn)
{
	return conn->convert && loop_is_late(conn->relay->conf.loop);
}

void conn_send_content(struct conn *conn)
{
	while (conn->is_sending && !conn->is_source_dry && smtp_client_wants_body(conn->engine) &&
	       stream_unsent(conn->stream) < CONN_UNSENT_MOST) {
		if (conn->part.len == 0 && !next_part(conn))
			return;
		if (conn->part.len)
			send_piece(conn);
		if (must_pause(conn)) {
			conn_turn_soon(conn);
			return;
		}
	}
}

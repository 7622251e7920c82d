#include "io/stream.h"

#include "stream_inside.h"

/* A handshake costs as much as several messages, and it is a stranger's. So each flight of one waits in
 * a line, which moves by a millisecond a turn, behind all that the sessions had to do; those in it are
 * served in the order in which they came. */
enum { LINE_NS_PER_TURN = 1000 * 1000, LINE_STALE_MS = 100 };

static void serve(struct stream *s)
{
	struct loop *loop = s->loop;
	struct buf octets = s->unused;

	if (s->state != STREAM_OPEN)
		return;
	loop->line_served_ms = loop_now_ms(loop);
	loop->line_waited_ms = loop->line_served_ms - s->lined_ms;
	s->lines_up = false;
	s->has_had_turn = true;
	s->unused = (struct buf){ 0 };
	stream_take_cipher(s, buf_span(&octets));
	/* Which flight is the dear one depends on version, suite and key shares. */
	s->lines_up = s->state == STREAM_OPEN && !s->is_secured;
	loop_return(loop, &octets);
	if (s->has_peer_ended)
		stream_end(s);
	stream_watch(s);
}

/* Before what is due leaves, so that each answer goes in this turn. While the handle is active, the poll
 * does not wait. */
static void on_idle(uv_idle_t *idle)
{
	struct loop *loop = idle->data;
	uint64_t end = uv_hrtime() + LINE_NS_PER_TURN;
	struct list_node *n;

	while ((n = list_pop_front(&loop->line))) {
		serve(list_entry(n, struct stream, line));
		if (uv_hrtime() >= end)
			break;
	}
	if (list_is_empty(&loop->line))
		uv_idle_stop(idle);
}

void stream_line_init(struct loop *loop)
{
	list_init(&loop->line);
	uv_idle_init(&loop->uv, &loop->line_turn);
	loop->line_turn.data = loop;
}

void stream_line_join(struct stream *s, struct span octets)
{
	loop_lend(s->loop, &s->unused);
	buf_put_span(&s->unused, octets);
	s->has_begun = true;
	if (list_holds(&s->line))
		return;
	s->lined_ms = loop_now_ms(s->loop);
	list_push_back(&s->loop->line, &s->line);
	uv_idle_start(&s->loop->line_turn, on_idle);
}

void stream_line_leave(struct stream *s)
{
	if (list_holds(&s->line))
		list_remove(&s->loop->line, &s->line);
}

/* Who has gone before the handshake began would only cost one: nobody is there for the answer. */
bool stream_line_keeps(const struct stream *s)
{
	return s->state == STREAM_OPEN && s->has_had_turn && list_holds(&s->line);
}

int64_t loop_wait_ms(const struct loop *loop)
{
	struct list_node *n = list_first(&loop->line);
	int64_t now = loop_now_ms(loop);

	if (n)
		return now - list_entry(n, struct stream, line)->lined_ms;
	return now - loop->line_served_ms < LINE_STALE_MS ? loop->line_waited_ms : 0;
}

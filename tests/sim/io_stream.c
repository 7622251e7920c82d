/* io_stream.c: streams and dialling over what chance makes of a network. */
#include "io/stream.h"

#include "base/mem.h"
#include "base/require.h"
#include "io.h"
#include "io/dial.h"
#include "net.h"

#include <errno.h>
#include <stdlib.h>

enum {
	LOW = 16 * 1024,
	HIGH = 64 * 1024,
	FAREWELL_MS = 5000,
	LINGER_MS = 2000,
};

enum stream_state { STREAM_OPEN, STREAM_FAREWELL, STREAM_LINGER, STREAM_GONE };
enum end { END_NONE, END_CLOSED, END_RESET };

/* One direction. */
struct way {
	struct buf octets;
	enum end end;
	struct event flow;
};

struct net {
	struct list_node node; /* in `nets` */
	struct stream *stream; /* NULL: the process has let go */
	void *peer;	       /* NULL: the smarthost has */
	struct dial *dial;     /* until it stands */
	struct way up, down;   /* to the smarthost, to the process */
	size_t window;	       /* of up */
	int64_t latency_ms;
	uint64_t sent, given; /* down */
	uint64_t mark;
	void (*on_given)(void *user);
	void *given_user;
	unsigned life;
	bool is_peer_full, is_held; /* held: somebody looks at it */
};

struct stream {
	enum stream_state state;
	const struct stream_ops *ops;
	void *user;
	struct net *net;
	struct buf out, unused;
	struct fault fault;
	bool is_full, is_giving, wants_resume, has_peer_ended, is_securing, is_secured;
	struct event due, patience, gone;
};

struct dial {
	struct dial_conf conf;
	struct net *net;
	enum net_call answer;
	struct event event;
	char *host;
};

struct net_ops net_ops;

static struct list nets = { .head = { &nets.head, &nets.head } };

static int64_t delay(const struct net *net)
{
	int64_t ms = net->latency_ms + (once_in(4) ? pick_skewed(NET_LATENCY_MOST / 2) : 0);

	return ms < NET_LATENCY_MOST ? ms : NET_LATENCY_MOST;
}

static void flow(const struct net *net, struct way *way)
{
	if (!event_is_set(&way->flow))
		event_set(&way->flow, delay(net));
}

static void free_net(struct net *net)
{
	if (net->stream || net->peer || net->dial || net->is_held)
		return;
	event_clear(&net->up.flow);
	event_clear(&net->down.flow);
	buf_fini(&net->up.octets);
	buf_fini(&net->down.octets);
	list_remove(&nets, &net->node);
	free(net);
}

/* All, or some, or one octet. */
static size_t portion(size_t n)
{
	if (n < 2 || pick(4))
		return n;
	return once_in(8) ? 1 : 1 + (size_t)pick(n);
}

/* The stream's end */

static void on_gone(struct event *event)
{
	struct stream *s = event_entry(event, struct stream, gone);
	struct net *net = s->net;
	enum owner before = memory_enter(OWNER_PROCESS);

	s->ops->closed(s->user, &s->fault);
	memory_leave(before);
	event_clear(&s->due);
	event_clear(&s->patience);
	buf_fini(&s->out);
	buf_fini(&s->unused);
	free(s);
	net->stream = NULL;
	free_net(net);
}

static void shut(struct stream *s, enum end end)
{
	struct net *net = s->net;

	if (s->state == STREAM_GONE)
		return;
	s->state = STREAM_GONE;
	event_clear(&s->due);
	event_clear(&s->patience);
	if (net->up.end == END_NONE)
		net->up.end = end;
	if (end == END_RESET && net->up.octets.len && once_in(2))
		net->up.octets.len = (size_t)pick(net->up.octets.len);
	flow(net, &net->up);
	event_set(&s->gone, pick_between(0, 1));
}

static void blame(struct stream *s, int code, const char *text)
{
	if (s->fault.code == 0 && s->state == STREAM_OPEN)
		fault_set(&s->fault, code, "%s", text);
}

static void on_patience(struct event *event)
{
	shut(event_entry(event, struct stream, patience), END_RESET);
}

static void leave(struct stream *s)
{
	if (s->state != STREAM_OPEN)
		return;
	s->state = STREAM_FAREWELL;
	event_set(&s->patience, FAREWELL_MS);
	event_set(&s->due, 0);
}

/* What the kernel takes of what waits. */
static void fill_window(struct stream *s)
{
	struct net *net = s->net;
	size_t room = net->up.octets.len < net->window ? net->window - net->up.octets.len : 0;
	struct span some = span_first(buf_span(&s->out), room);

	if (some.len == 0 || (s->is_securing && !s->is_secured))
		return;
	buf_put_span(&net->up.octets, some);
	buf_drop(&s->out, some.len);
	flow(net, &net->up);
}

static void linger(struct stream *s)
{
	if (s->has_peer_ended) {
		shut(s, END_CLOSED);
		return;
	}
	s->state = STREAM_LINGER;
	s->net->up.end = END_CLOSED;
	flow(s->net, &s->net->up);
	event_set(&s->patience, LINGER_MS);
}

static void give(struct stream *s, struct span octets)
{
	enum owner before;
	size_t used;

	buf_put_span(&s->unused, octets);
	octets = buf_span(&s->unused);
	s->is_giving = true;
	before = memory_enter(OWNER_PROCESS);
	used = s->ops->data(s->user, octets);
	memory_leave(before);
	s->is_giving = false;
	require(used <= octets.len);
	buf_drop(&s->unused, used);
}

static void on_due(struct event *event)
{
	struct stream *s = event_entry(event, struct stream, due);
	enum owner before;

	if (s->wants_resume && s->state == STREAM_OPEN) {
		s->wants_resume = false;
		give(s, span_of(NULL, 0));
	}
	if (s->state == STREAM_OPEN || s->state == STREAM_FAREWELL)
		fill_window(s);
	if (s->state == STREAM_OPEN && s->is_full && s->out.len < LOW) {
		s->is_full = false;
		before = memory_enter(OWNER_PROCESS);
		if (s->ops->drained)
			s->ops->drained(s->user);
		memory_leave(before);
	}
	if (s->state == STREAM_FAREWELL && s->out.len == 0)
		linger(s);
}

static void on_peer_end(struct stream *s, enum end end)
{
	s->has_peer_ended = true;
	if (s->state == STREAM_GONE)
		return;
	if (end == END_RESET) {
		blame(s, -ECONNRESET, "the peer reset the connection");
		shut(s, END_RESET);
	} else if (s->state == STREAM_OPEN) {
		blame(s, -EPIPE, "the peer closed the connection");
		leave(s);
	} else if (s->state == STREAM_LINGER) {
		shut(s, END_CLOSED);
	}
}

/* The ways */

static void note_given(struct net *net)
{
	void (*on_given)(void *user) = net->on_given;

	if (on_given == NULL || net->given < net->mark)
		return;
	net->on_given = NULL;
	on_given(net->given_user);
}

static void flow_down(struct event *event)
{
	struct net *net = event_entry(event, struct net, down.flow);
	struct stream *s = net->stream;
	size_t n = portion(net->down.octets.len);
	struct buf some = { 0 };

	if (s == NULL) {
		buf_clear(&net->down.octets);
		return;
	}
	if (s->state == STREAM_OPEN && (s->out.len > HIGH || s->unused.len > LOW)) {
		event_set(&net->down.flow, 50);
		return;
	}
	if (n) {
		buf_put_span(&some, span_first(buf_span(&net->down.octets), n));
		buf_drop(&net->down.octets, n);
		if (s->state == STREAM_OPEN) {
			net->given += n;
			note_given(net);
			give(s, buf_span(&some));
		}
		buf_fini(&some);
	}
	if (net->down.octets.len)
		flow(net, &net->down);
	else if (net->down.end != END_NONE)
		on_peer_end(s, net->down.end);
}

static void end_up(struct net *net)
{
	void *peer = net->peer;

	net->peer = NULL;
	net_ops.ended(peer);
	free_net(net);
}

/* Whoever writes to one that has gone is told so by a reset. */
static void nobody_reads(struct net *net)
{
	buf_clear(&net->up.octets);
	if (net->stream && net->down.end == END_CLOSED && net->stream->state == STREAM_OPEN)
		net->down.end = END_RESET;
	if (net->down.end == END_RESET && once_in(4))
		buf_clear(&net->down.octets);
	if (net->stream)
		flow(net, &net->down);
	free_net(net);
}

static void flow_up(struct event *event)
{
	struct net *net = event_entry(event, struct net, up.flow);
	size_t n = portion(net->up.octets.len), used;

	if (net->peer == NULL) {
		nobody_reads(net);
		return;
	}
	net->is_held = true;
	used = n ? net_ops.octets(net->peer, span_first(buf_span(&net->up.octets), n)) : 0;
	net->is_held = false;
	buf_drop(&net->up.octets, used);
	net->is_peer_full = used < n;
	if (net->stream && net->stream->state < STREAM_LINGER)
		event_set(&net->stream->due, 0);
	if (net->up.end == END_RESET && net->is_peer_full)
		buf_clear(&net->up.octets);
	if (net->peer == NULL)
		nobody_reads(net);
	else if (net->up.octets.len && !net->is_peer_full)
		flow(net, &net->up);
	else if (net->up.octets.len == 0 && net->up.end != END_NONE)
		end_up(net);
}

/* The smarthost's side */

void net_send(struct net *net, struct span octets)
{
	buf_put_span(&net->down.octets, octets);
	net->sent += octets.len;
	flow(net, &net->down);
}

void net_mark(struct net *net, void (*given)(void *user), void *user)
{
	net->mark = net->sent;
	net->on_given = given;
	net->given_user = user;
}

void net_more(struct net *net)
{
	net->is_peer_full = false;
	flow(net, &net->up);
}

void net_close(struct net *net)
{
	net->peer = NULL;
	net->down.end = net->up.octets.len && once_in(2) ? END_RESET : END_CLOSED;
	if (net->stream)
		flow(net, &net->down);
	free_net(net);
}

void net_reset(struct net *net)
{
	net->peer = NULL;
	if (net->down.octets.len && once_in(2))
		net->down.octets.len = (size_t)pick(net->down.octets.len);
	net->down.end = END_RESET;
	if (net->stream)
		flow(net, &net->down);
	free_net(net);
}

unsigned net_life(const struct net *net)
{
	return net->life;
}

bool net_is_ours(const struct net *net)
{
	return net->stream || net->dial;
}

/* The room's own calls */

void stream_write(struct stream *s, struct span octets)
{
	enum owner before = memory_enter(OWNER_WORLD);

	if (s->state == STREAM_OPEN && octets.len) {
		buf_put_span(&s->out, octets);
		if (s->out.len >= LOW)
			s->is_full = true;
		event_set(&s->due, 0);
	}
	memory_leave(before);
}

size_t stream_unsent(const struct stream *s)
{
	return s->out.len;
}

void stream_resume(struct stream *s)
{
	enum owner before = memory_enter(OWNER_WORLD);

	if (s->state == STREAM_OPEN && s->unused.len + s->is_giving) {
		s->wants_resume = true;
		event_set(&s->due, 0);
	}
	memory_leave(before);
}

static void secure(struct event *event)
{
	struct stream *s = event_entry(event, struct stream, due);
	enum owner before;

	if (s->state != STREAM_OPEN)
		return;
	if (s->net->peer == NULL || !net_ops.secure(s->net->peer)) {
		blame(s, -EPROTO, "TLS: the handshake failed");
		leave(s);
		s->due.fire = on_due;
		return;
	}
	s->is_secured = true;
	s->due.fire = on_due;
	before = memory_enter(OWNER_PROCESS);
	s->ops->secured(s->user);
	memory_leave(before);
	event_set(&s->due, 0);
}

bool stream_start_tls_client(struct stream *s, struct tls_trust *trust, const char *host)
{
	enum owner before = memory_enter(OWNER_WORLD);

	(void)trust;
	(void)host;
	fill_window(s);
	s->is_securing = true;
	s->due.fire = secure;
	event_set(&s->due, NET_LATENCY_MOST + pick_skewed(500));
	memory_leave(before);
	return true;
}

int stream_tls_binding(struct stream *s, struct span name, struct buf *out)
{
	(void)s;
	(void)name;
	(void)out;
	return -ENOTSUP;
}

void stream_close(struct stream *s)
{
	enum owner before = memory_enter(OWNER_WORLD);

	s->due.fire = on_due;
	leave(s);
	memory_leave(before);
}

void stream_abort(struct stream *s)
{
	enum owner before = memory_enter(OWNER_WORLD);

	shut(s, s->out.len ? END_RESET : END_CLOSED);
	memory_leave(before);
}

const char *stream_peer_address(const struct stream *s)
{
	(void)s;
	return "192.0.2.1";
}

int stream_peer_port(const struct stream *s)
{
	(void)s;
	return 587;
}

const char *stream_tls_describe(const struct stream *s)
{
	return s->is_secured ? "TLS1.3" : NULL;
}

/* Dialling */

static struct net *new_net(void)
{
	struct net *net = mem_new(struct net);

	net->up.flow.fire = flow_up;
	net->down.flow.fire = flow_down;
	net->window = (size_t)pick_between(2 * 1024, 128 * 1024);
	net->latency_ms = once_in(4) ? pick_between(0, NET_LATENCY_MOST / 2) : pick_between(0, 20);
	net->life = io_life;
	list_push_back(&nets, &net->node);
	return net;
}

static struct stream *new_stream(const struct dial *dial)
{
	struct stream *s = mem_new(struct stream);

	s->ops = dial->conf.ops;
	s->user = dial->conf.user;
	s->net = dial->net;
	s->due.fire = on_due;
	s->patience.fire = on_patience;
	s->gone.fire = on_gone;
	return s;
}

static void on_dialled(struct event *event)
{
	struct dial *dial = event_entry(event, struct dial, event);
	struct dial_conf conf = dial->conf;
	struct net *net = dial->net;
	/* It may have died since it was called. */
	struct stream *s = dial->answer == NET_CONNECTED && net->peer ? new_stream(dial) : NULL;
	struct fault fault;
	enum owner before;

	net->dial = NULL;
	net->stream = s;
	fault_set(&fault, -ECONNREFUSED, "cannot connect to %s port %d (192.0.2.1: %s)", dial->host,
		  conf.port,
		  dial->answer == NET_REFUSED ? "Connection refused" : "Connection timed out");
	free(dial->host);
	free(dial);
	if (s)
		net_ops.connected(net->peer);
	else
		free_net(net);
	before = memory_enter(OWNER_PROCESS);
	conf.done(conf.user, s, s ? NULL : &fault);
	if (s && conf.ops->connected && s->state == STREAM_OPEN)
		conf.ops->connected(conf.user);
	memory_leave(before);
}

struct dial *dial_start(const struct dial_conf *conf)
{
	enum owner before = memory_enter(OWNER_WORLD);
	struct dial *dial = mem_new(struct dial);
	struct net *net = new_net();

	dial->conf = *conf;
	dial->host = mem_text(conf->host);
	dial->net = net;
	net->dial = dial;
	dial->event.fire = on_dialled;
	dial->answer = net_ops.called(conf->host, conf->port, net, &net->peer);
	event_set(&dial->event, dial->answer == NET_SILENT ? conf->connect_ms : delay(net));
	memory_leave(before);
	return dial;
}

static void drop_dial(struct dial *dial)
{
	struct net *net = dial->net;
	void *peer = net->peer;

	event_clear(&dial->event);
	free(dial->host);
	free(dial);
	net->dial = NULL;
	net->peer = NULL;
	if (peer)
		net_ops.ended(peer);
	free_net(net);
}

void dial_cancel(struct dial **dial)
{
	enum owner before = memory_enter(OWNER_WORLD);

	if (*dial)
		drop_dial(*dial);
	*dial = NULL;
	memory_leave(before);
}

/* The end of a process */

static void crash(struct net *net, bool is_power_cut)
{
	struct stream *s = net->stream;
	struct way *up = &net->up;

	event_clear(&s->due);
	event_clear(&s->patience);
	event_clear(&s->gone);
	buf_fini(&s->out);
	buf_fini(&s->unused);
	free(s);
	net->stream = NULL;
	net->on_given = NULL;
	if (is_power_cut && up->end == END_NONE) {
		if (up->octets.len)
			up->octets.len = (size_t)pick(up->octets.len + 1);
	} else if (up->end == END_NONE) {
		up->end = END_CLOSED;
	}
	flow(net, up);
	free_net(net);
}

void io_streams_crash(bool is_power_cut)
{
	list_each (&nets, node) {
		struct net *net = list_entry(node, struct net, node);

		if (net->dial)
			drop_dial(net->dial);
		else if (net->stream)
			crash(net, is_power_cut);
	}
}

size_t io_streams_left(void)
{
	size_t n = 0;

	list_each (&nets, node) {
		const struct net *net = list_entry(node, struct net, node);

		n += net->stream || net->dial;
	}
	return n;
}

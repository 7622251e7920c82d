#include "io/stream.h"

#include "base/require.h"
#include "io/proxy.h"
#include "stream_inside.h"

#include <errno.h>
#include <stdio.h>

void stream_expect_proxy(struct stream *s)
{
	require(s->tls == NULL);
	s->awaits_header = true;
}

static void believe(struct stream *s, const struct proxy_header *header)
{
	s->awaits_header = false;
	if (header->is_local)
		return;
	snprintf(s->address, sizeof(s->address), "%s", header->address);
	s->port = (uint16_t)header->port;
}

/* As little as can be a header is kept; what follows one that has come never is. */
struct span stream_take_header(struct stream *s, struct span octets)
{
	size_t before = s->unused.len;
	struct proxy_header header;
	int rc;

	if (before) {
		buf_put_span(&s->unused, span_first(octets, PROXY_OCTETS_MAX - before));
		rc = proxy_parse(buf_span(&s->unused), &header);
	} else {
		rc = proxy_parse(octets, &header);
	}
	if (rc == 0) {
		if (before == 0) {
			loop_lend(s->loop, &s->unused);
			buf_put_span(&s->unused, octets);
		}
		return span_of(NULL, 0);
	}
	loop_return(s->loop, &s->unused);
	if (rc < 0) {
		stream_blame(s, rc,
			     "the first octets are no PROXY header, which this listener wants "
			     "from its proxies");
		stream_leave(s);
		return span_of(NULL, 0);
	}
	believe(s, &header);
	if (s->ops->connected)
		s->ops->connected(s->user);
	return span_from(octets, header.octets - before);
}

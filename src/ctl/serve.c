#include "inside.h"

#include "base/require.h"

#include <errno.h>
#include <stdlib.h>

enum {
	LOG_PATIENCE_MS = 1000, /* a log that nobody reads must not keep the administrator out */
};

bool ctl_send(struct ctl_client *client, json_t *line)
{
	/* ASCII, so that what a peer said cannot steer the terminal it is shown on. */
	char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct buf octets = { 0 };
	int r;

	require(text != NULL);
	json_decref(line);
	buf_put_text(&octets, text);
	buf_put_char(&octets, '\n');
	free(text);
	r = ctl_write_all(client->fd, client->ctl->stopping, CTL_LINE_MS, buf_span(&octets));
	buf_fini(&octets);
	return r == 0;
}

void ctl_serve(struct ctl_client *client)
{
	struct buf in = { 0 }, request = { 0 };
	json_t *last = NULL;
	int r = ctl_read_line(client->fd, client->ctl->stopping, CTL_REQUEST_OCTETS,
			      CTL_PATIENCE_MS, &in, &request);

	if (r == 0)
		last = ctl_answer(client, buf_span(&request));
	else if (r == -EMSGSIZE)
		last = ctl_refusal("the request is longer than 64 KiB");
	if (last) {
		/* Who has the answer finds in the log what led to it. */
		if (client->ctl->conf.log)
			log_flush(client->ctl->conf.log, LOG_PATIENCE_MS);
		ctl_send(client, last);
	}
	buf_fini(&request);
	buf_fini(&in);
}

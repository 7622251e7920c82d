#include "smtp/server.h"

#include "server_private.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	LINE_LEAST = 512, /* RFC 5321 4.5.3.1.4 */
	FOOTER_MOST = 150,
};

/* No octets, but a place that may be counted from. */
static const struct span nothing = { (const unsigned char *)"", 0 };

struct smtp_server *smtp_server_new(const struct smtp_server_conf *conf)
{
	struct smtp_server *srv = mem_new(struct smtp_server);

	require(conf->line_octets >= LINE_LEAST && conf->auth_line_octets >= LINE_LEAST);
	require(strlen(conf->sid) < sizeof(srv->sid));
	srv->conf = *conf;
	snprintf(srv->sid, sizeof(srv->sid), "%s", conf->sid);
	srv->conf.sid = srv->sid;
	srv->conf.mechanisms = conf->mechanisms ? conf->mechanisms : "";
	srv->conf.footer = conf->footer ? conf->footer : "";
	require(strlen(srv->conf.footer) <= FOOTER_MOST);
	srv->in = nothing;
	list_init(&srv->slots);
	list_init(&srv->refused);
	srv->transaction.decoder.refuse_bare_lf = conf->refuse_bare_lf;
	srv->connection.is_tls = conf->is_tls;
	return srv;
}

void smtp_server_free(struct smtp_server **srv)
{
	struct smtp_server *s = *srv;
	struct list_node *node;

	if (!s)
		return;
	*srv = NULL;
	server_drop_slots(s);
	while ((node = list_pop_front(&s->refused))) {
		struct slot *slot = list_entry(node, struct slot, node);

		server_slot_free(s, &slot);
	}
	server_slot_free(s, &s->told);
	server_reset(s, LEVEL_CONNECTION);
	buf_fini(&s->own.address);
	buf_wipe(&s->decoded);
	buf_wipe(&s->output);
	buf_fini(&s->words);
	buf_fini(&s->close_text);
	free(s);
}

void server_reset(struct smtp_server *srv, enum level level)
{
	srv->transaction = (struct server_transaction){
		.decoder.refuse_bare_lf = srv->conf.refuse_bare_lf,
	};
	if (level >= LEVEL_HELLO)
		srv->hello = (struct server_hello){ 0 };
	if (level >= LEVEL_TLS) {
		buf_fini(&srv->tls.failure);
		srv->tls = (struct server_tls){ 0 };
		line_reset(&srv->line);
		srv->in = nothing;
	}
	if (level >= LEVEL_CONNECTION)
		srv->connection = (struct server_connection){ .is_tls = srv->conf.is_tls };
}

void server_spoil(struct smtp_server *srv)
{
	server_reset(srv, LEVEL_TRANSACTION);
	srv->transaction.is_spoilt = true;
}

bool server_is_safe(const struct smtp_server *srv)
{
	return srv->connection.is_tls || srv->conf.allow_plaintext;
}

void smtp_server_greet(struct smtp_server *srv, const struct smtp_reply *refusal)
{
	struct buf line = { 0 };

	if (srv->mode == MODE_CLOSED)
		return;
	require(srv->mode == MODE_EARLY);
	srv->mode = MODE_COMMAND;
	if (refusal) {
		require(refusal->code >= 400);
		server_say(srv, "-", refusal);
		server_close(srv, SMTP_EVENT_CLOSE, refusal->code, refusal->text);
		return;
	}
	buf_put_text(&line, "220 ");
	buf_put_text(&line, srv->conf.hostname);
	buf_put_text(&line, " ESMTP Postern\r\n");
	server_say_octets(srv, "-", 220, buf_span(&line));
	buf_fini(&line);
}

void smtp_server_tls_started(struct smtp_server *srv)
{
	if (srv->mode == MODE_CLOSED)
		return;
	require(srv->mode == MODE_TLS && server_is_answered(srv));
	server_reset(srv, LEVEL_TLS);
	srv->connection.is_tls = true;
	srv->mode = MODE_COMMAND;
}

void smtp_server_offer(struct smtp_server *srv, const char *mechanisms)
{
	srv->conf.mechanisms = mechanisms ? mechanisms : "";
}

/* A stranger's chunk is thrown away within the time that is there for a login. */
static bool is_in_body(const struct smtp_server *srv)
{
	return srv->mode == MODE_BODY || (srv->mode == MODE_CHUNK && srv->tls.is_authenticated);
}

enum smtp_server_phase smtp_server_phase(const struct smtp_server *srv)
{
	if (srv->mode == MODE_CLOSED)
		return SMTP_PHASE_CLOSED;
	if (is_in_body(srv))
		return SMTP_PHASE_BODY;
	if (!server_is_answered(srv) && srv->mode != MODE_CHUNK)
		return SMTP_PHASE_ANSWER;
	if (srv->mode == MODE_RESPONSE)
		return SMTP_PHASE_LOGIN;
	if (!srv->hello.is_said || srv->mode == MODE_TLS)
		return SMTP_PHASE_GREETING;
	return srv->transaction.is_open ? SMTP_PHASE_ENVELOPE : SMTP_PHASE_COMMAND;
}

bool smtp_server_is_authenticated(const struct smtp_server *srv)
{
	return srv->tls.is_authenticated;
}

/* posternctl spool: looks through a spool, and mends it, without the daemon. */
#include "ctl.h"

#include "base/id.h"
#include "queue/envelope.h"
#include "spool/check.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* A spool can have more wrong with it than anybody reads, or memory holds. */
enum { LISTED_MOST = 10000 };

typedef int (*spool_look)(const struct spool_check *check, struct spool_check_totals *out,
			  struct fault *fault);

struct report {
	bool is_json;
	json_t *damages, *messages, *segments, *others; /* of is_json */
	uint64_t listed, left_off;
};

/* False: it is not listed, only counted. */
static bool may_list(struct report *r)
{
	if (r->listed >= LISTED_MOST) {
		r->left_off++;
		return false;
	}
	r->listed++;
	return true;
}

static void qid_text(uint64_t id, char out[ID_TEXT_MAX])
{
	out[0] = '\0';
	if (id)
		id_format(id, out);
}

static void note_damage(void *user, const struct spool_check_damage *d)
{
	const char *what = d->is_tail ? "torn tail" : "damaged";
	struct report *r = user;
	char qid[ID_TEXT_MAX];

	if (!may_list(r))
		return;
	qid_text(d->id, qid);
	if (r->is_json) {
		json_array_append_new(r->damages,
				      json_pack("{sssIsIsbss*ss*}", "segment", d->segment, "offset",
						(json_int_t)d->offset, "octets",
						(json_int_t)d->octets, "tail", d->is_tail, "record",
						d->record, "qid", d->id ? qid : NULL));
		return;
	}
	printf("%s: %s, %" PRIu64 " octets at %" PRIu64, d->segment, what, d->octets, d->offset);
	if (d->record)
		printf(": the %s of message %s", d->record, qid);
	putchar('\n');
}

static void put_when(int64_t ms, struct buf *out)
{
	time_t at = (time_t)(ms / 1000);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&at, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	buf_put_text(out, text);
}

/* What a person needs to ask the sender for it again. */
static void describe(void *user, struct span octets, struct buf *out)
{
	struct envelope e;
	int status = envelope_decode(octets, &e);

	(void)user;
	if (status < 0) {
		buf_put_text(out, status == -ENOTSUP ? "Its envelope is of a later version.\n"
						     : "Its envelope makes no sense.\n");
		return;
	}
	buf_put_text(out, "arrived ");
	put_when(e.arrived_ms, out);
	buf_printf(out, "\naccount %s\nfrom <%s>\n", e.account, e.sender);
	for (size_t i = 0; i < e.recipient_count; i++)
		buf_printf(out, "to <%s>\n", e.recipients[i].address);
	buf_printf(out, "%" PRIu64 " octets of content\n", e.size);
	envelope_fini(&e);
}

static void print_lines(struct span text)
{
	while (text.len) {
		const unsigned char *end = memchr(text.at, '\n', text.len);
		size_t n = end ? (size_t)(end - text.at) : text.len;
		struct buf line = { 0 };

		buf_put(&line, text.at, n);
		buf_put_char(&line, '\0');
		fputs("    ", stdout);
		ctl_print_text((const char *)line.at, 0);
		putchar('\n');
		buf_fini(&line);
		text = span_from(text, n + (end != NULL));
	}
}

static void note_message(void *user, const struct spool_check_message *m)
{
	struct report *r = user;
	struct buf text = { 0 };
	char qid[ID_TEXT_MAX];

	if (!may_list(r))
		return;
	qid_text(m->id, qid);
	if (m->envelope.len)
		describe(NULL, m->envelope, &text);
	if (r->is_json) {
		json_t *envelope = json_stringn((const char *)text.at, text.len);

		json_array_append_new(r->messages,
				      json_pack("{ssssso*sIsIsI}", "qid", qid, "what", m->what,
						"envelope", envelope, "chunks",
						(json_int_t)m->chunks, "chunks_whole",
						(json_int_t)m->chunks_whole, "octets_whole",
						(json_int_t)m->octets_whole));
	} else {
		printf("message %s %s; %" PRIu64 " of %" PRIu64 " chunks are whole", qid, m->what,
		       m->chunks_whole, m->chunks);
		if (m->first_missing < m->chunks)
			printf(", chunk %" PRIu64 " is missing", m->first_missing);
		putchar('\n');
		print_lines(buf_span(&text));
	}
	buf_fini(&text);
}

static void print_segment(const struct spool_check_segment *s)
{
	if (s->left_alone) {
		printf("%s: not read: %s\n", s->name, s->left_alone);
		return;
	}
	printf("%s: version %u, %" PRIu64 " octets, %" PRIu64 " records, %" PRIu64
	       " live messages, %" PRIu64 " octets live, %" PRIu64 " dead",
	       s->name, s->version, s->octets, s->records, s->live_messages, s->live_octets,
	       s->dead_octets);
	if (s->has_damaged_header)
		fputs(", header damaged", stdout);
	if (s->damages)
		printf(", %" PRIu64 " damages of %" PRIu64 " octets", s->damages,
		       s->damaged_octets);
	if (s->tail_octets)
		printf(", torn tail of %" PRIu64 " octets", s->tail_octets);
	if (s->unreadable)
		printf(", %u blocks cannot be read", s->unreadable);
	putchar('\n');
}

static json_t *pack_segment(const struct spool_check_segment *s)
{
	json_t *o = json_pack("{sssisIsbss*}", "name", s->name, "version", (int)s->version,
			      "octets", (json_int_t)s->octets, "damaged", s->is_damaged,
			      "left_alone", s->left_alone);
	const struct {
		const char *key;
		uint64_t number;
	} numbers[] = {
		{ "records", s->records },
		{ "contents", s->contents },
		{ "envelopes", s->envelopes },
		{ "notes", s->notes },
		{ "settles", s->settles },
		{ "live_messages", s->live_messages },
		{ "live_records", s->live_records },
		{ "live_octets", s->live_octets },
		{ "dead_octets", s->dead_octets },
		{ "damages", s->damages },
		{ "damaged_octets", s->damaged_octets },
		{ "tail_octets", s->tail_octets },
		{ "unreadable_blocks", s->unreadable },
		{ "header_damaged", s->has_damaged_header },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_set_new(o, numbers[i].key, json_integer((json_int_t)numbers[i].number));
	return o;
}

static void note_segment(void *user, const struct spool_check_segment *s)
{
	struct report *r = user;

	if (r->is_json && may_list(r))
		json_array_append_new(r->segments, pack_segment(s));
	else if (!r->is_json)
		print_segment(s);
}

static void note_other(void *user, const char *name)
{
	struct report *r = user;

	if (!may_list(r))
		return;
	if (r->is_json) {
		json_array_append_new(r->others, json_string(name));
		return;
	}
	ctl_print_text(name, 0);
	fputs(": none of the spool's files\n", stdout);
}

static void print_totals(const struct report *r, const struct spool_check_totals *t)
{
	if (r->left_off)
		printf("... and %" PRIu64 " more\n", r->left_off);
	printf("segments: %" PRIu64 " with %" PRIu64 " octets and %" PRIu64
	       " records; whole messages: %" PRIu64 " with %" PRIu64
	       " octets; damaged segments: %" PRIu64 "; damaged messages: %" PRIu64 "\n",
	       t->segments, t->octets, t->records, t->messages, t->live_octets, t->damaged_segments,
	       t->damaged_messages);
	if (*t->set_aside)
		printf("set aside in %s: segments: %" PRIu64
		       "; whole messages that were written again: %" PRIu64 "\n",
		       t->set_aside, t->segments_set_aside, t->rewritten_messages);
	else if (t->damaged_segments)
		puts("What is whole is delivered all the same. With posternd stopped, \"posternctl "
		     "spool repair\" sets the rest aside.");
}

static void pack_totals(struct report *r, const struct spool_check_totals *t, const char *dir)
{
	json_t *o =
		json_pack("{sbsbsssbsIsIsIsIsIsIsIsIsIsIss*}", "ok", 1, "clean",
			  spool_check_is_clean(t), "spool", dir, "in_use", t->is_in_use, "octets",
			  (json_int_t)t->octets, "records", (json_int_t)t->records, "messages",
			  (json_int_t)t->messages, "live_octets", (json_int_t)t->live_octets,
			  "damaged_segments", (json_int_t)t->damaged_segments, "damaged_ranges",
			  (json_int_t)t->damages, "damaged_messages",
			  (json_int_t)t->damaged_messages, "segments_set_aside",
			  (json_int_t)t->segments_set_aside, "rewritten_messages",
			  (json_int_t)t->rewritten_messages, "left_off", (json_int_t)r->left_off,
			  "set_aside", *t->set_aside ? t->set_aside : NULL);

	json_object_set(o, "segments", r->segments);
	json_object_set(o, "damages", r->damages);
	json_object_set(o, "damaged", r->messages);
	json_object_set(o, "other_files", r->others);
	ctl_print_json(o);
	json_decref(o);
}

static void say_in_use(const struct spool_check_totals *t)
{
	if (!t->is_in_use)
		return;
	fputs("posternctl: note: the spool is in use", stderr);
	if (t->holder_pid)
		fprintf(stderr, " by process %" PRId64, t->holder_pid);
	fputs(": what is written meanwhile may look incomplete\n", stderr);
}

/* What root makes there the daemon could not open; and root need not follow what stands there. */
static int become_owner(const char *dir, struct fault *fault)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return fault_set(fault, -errno, "%s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fault_set(fault, -ENOTDIR, "%s is not a directory", dir);
	if (geteuid() != 0 || st.st_uid == 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
		return fault_set(fault, -errno, "becoming the owner of %s: %s", dir,
				 strerror(errno));
	return 0;
}

/* The one that was named, or the configuration's; NULL: told. free() it. */
static char *find_dir(const struct ctl_command *command, int *exit_out)
{
	struct conf *conf;
	char *dir;

	if (command->count)
		return strdup(command->words[0]);
	conf = ctl_load(command, exit_out);
	if (conf == NULL)
		return NULL;
	dir = strdup(conf->queue.directory);
	conf_free(&conf);
	return dir;
}

/* After a repair the spool is clean. */
static int exit_code(int status, const struct fault *fault, bool is_clean)
{
	switch (status) {
	case 0:
		return is_clean ? EX_OK : EX_DATAERR;
	case -EBUSY:
	case -ENOTSUP:
	case -ENOENT:
	case -ENOTDIR:
		return ctl_told(fault, EX_UNAVAILABLE);
	default:
		return ctl_told(fault, EX_IOERR);
	}
}

static int look(const struct ctl_command *command, const char *dir, spool_look run)
{
	struct report r = { .is_json = command->is_json };
	struct spool_check check = {
		.dir = dir,
		.damage = note_damage,
		.message = note_message,
		.segment = note_segment,
		.other = note_other,
		.describe = describe,
		.user = &r,
	};
	struct spool_check_totals totals = { 0 };
	struct fault fault = { 0 };
	int status = become_owner(dir, &fault);

	r.damages = json_array();
	r.messages = json_array();
	r.segments = json_array();
	r.others = json_array();
	if (status == 0)
		status = run(&check, &totals, &fault);
	if (status == 0) {
		say_in_use(&totals);
		if (r.is_json)
			pack_totals(&r, &totals, dir);
		else
			print_totals(&r, &totals);
	}
	json_decref(r.damages);
	json_decref(r.messages);
	json_decref(r.segments);
	json_decref(r.others);
	return exit_code(status, &fault, run == spool_repair || spool_check_is_clean(&totals));
}

static int run(const struct ctl_command *command, spool_look how)
{
	int code = EX_OK;
	char *dir = find_dir(command, &code);

	if (dir)
		code = look(command, dir, how);
	free(dir);
	return code;
}

int ctl_run_spool_check(const struct ctl_command *command)
{
	return run(command, spool_check);
}

int ctl_run_spool_repair(const struct ctl_command *command)
{
	return run(command, spool_repair);
}

#include "auth/users.h"

#include "password.h"
#include "saslprep.h"
#include "users_edit.h"
#include "base/mem.h"
#include "base/secret.h"

#include <errno.h>

/* What becomes of the lines of one name. */
struct change {
	struct span name;
	const char *hash; /* NULL: all lines go */
	struct buf scram; /* empty: no verifier */
	bool is_found, was_there;
};

/* NAME:HASH, the verifier, and what stood behind them. */
static void put_user(struct users_edit *e, const struct change *c, struct span behind)
{
	struct buf line = { 0 };

	buf_put_span(&line, c->name);
	buf_put_char(&line, ':');
	buf_put_text(&line, c->hash);
	if (c->scram.len || behind.len)
		buf_put_char(&line, ':');
	buf_put_span(&line, buf_span(&c->scram));
	buf_put_span(&line, behind);
	users_edit_put_line(e, buf_span(&line));
	buf_wipe(&line);
}

static int change_line(struct users_edit *e, void *user, const struct users_line *line,
		       struct fault *fault)
{
	struct change *c = user;
	bool is_it = line->kind != USERS_LINE_OTHER && span_eq(line->name, c->name);

	(void)fault;
	c->was_there |= is_it && line->kind == USERS_LINE_PASSWORD;
	c->is_found |= is_it;
	if (!is_it || (c->hash && line->kind == USERS_LINE_APP))
		users_edit_put_line(e, line->whole);
	else if (c->hash)
		put_user(e, c, line->behind);
	return 0;
}

static void make_verifier(const struct users_edit *e, struct span password, struct change *c)
{
	unsigned char salt[AUTH_SCRAM_OCTETS];
	struct secret prepared = { 0 };
	struct auth_scram scram;

	saslprep(password, &prepared.octets);
	verifier_salt(e->seed.octets, c->name, salt);
	verifier_make(secret_span(&prepared), salt, &scram);
	secret_fini(&prepared);
	verifier_format(&scram, salt, &c->scram);
	mem_wipe(&scram, sizeof(scram));
}

static int set_password(const char *path, struct span name, struct span password, bool is_new,
			struct fault *fault)
{
	struct change c = { .name = name };
	char hash[CRYPT_OUTPUT_SIZE];
	struct users_edit e;
	int r = password_hash(password, hash, fault);

	if (r < 0)
		return r;
	c.hash = hash;
	r = users_edit_begin(&e, path, is_new, fault);
	if (r == 0)
		r = users_edit_need_seed(&e, fault);
	if (r == 0) {
		make_verifier(&e, password, &c);
		r = users_edit_walk(&e, &c, change_line, fault);
	}
	if (r == 0 && is_new && c.was_there)
		r = fault_set(fault, -EEXIST,
			      "%.*s is in %s already (posternctl user passwd changes a password)",
			      (int)name.len, (const char *)name.at, e.path);
	if (r == 0 && !is_new && !c.was_there)
		r = fault_set(fault, -ENOENT, "there is no user %.*s in %s", (int)name.len,
			      (const char *)name.at, e.path);
	if (r == 0 && is_new)
		put_user(&e, &c, span_of(NULL, 0));
	if (r == 0)
		r = users_edit_commit(&e, fault);
	users_edit_end(&e);
	buf_wipe(&c.scram);
	mem_wipe(hash, sizeof(hash));
	return r;
}

int auth_users_add(const char *path, const char *name, struct span password, struct fault *fault)
{
	const char *flaw = users_name_flaw(span_text(name));

	if (flaw)
		return fault_set(fault, -EINVAL, "%s", flaw);
	return set_password(path, span_text(name), password, true, fault);
}

int auth_users_passwd(const char *path, const char *name, struct span password, struct fault *fault)
{
	return set_password(path, span_text(name), password, false, fault);
}

int auth_users_rm(const char *path, const char *name, struct fault *fault)
{
	struct change c = { .name = span_text(name) };
	struct users_edit e;
	int r = users_edit_begin(&e, path, false, fault);

	if (r == 0)
		r = users_edit_walk(&e, &c, change_line, fault);
	if (r == 0 && !c.is_found)
		r = fault_set(fault, -ENOENT, "there is no user %s in %s", name, e.path);
	if (r == 0)
		r = users_edit_commit(&e, fault);
	users_edit_end(&e);
	return r;
}

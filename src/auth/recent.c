#include "auth/recent.h"

#include "memo.h"
#include "users_file.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct auth_recent {
	char *users_file;
	uint32_t seconds;
	struct memo *memo;	     /* the answers, as frames, */
	struct buf state;	     /* that hold in this state of the file */
	struct buf scratch, present; /* used within one call */
};

static_assert(sizeof(((struct auth_recent_key *)NULL)->octets) == MEMO_MAC_OCTETS, "a whole one");
static_assert(USERS_MARK_NUMBERS * sizeof(uint64_t) <= AUTH_FILE_STATE_OCTETS_MAX, "it fits");

struct auth_recent *auth_recent_new(const char *users_file, uint32_t seconds)
{
	struct memo *memo = seconds ? memo_new() : NULL;
	struct auth_recent *r;

	if (memo == NULL)
		return NULL;
	r = mem_new(struct auth_recent);
	r->users_file = mem_text(users_file);
	r->seconds = seconds;
	r->memo = memo;
	return r;
}

void auth_recent_free(struct auth_recent **recent)
{
	struct auth_recent *r = *recent;

	if (r == NULL)
		return;
	memo_free(&r->memo);
	buf_fini(&r->state);
	buf_fini(&r->scratch);
	buf_fini(&r->present);
	free(r->users_file);
	free(r);
	*recent = NULL;
}

void auth_recent_key(const struct auth_recent *r, const struct auth_request *request,
		     struct auth_recent_key *out)
{
	struct span parts[1 + AUTH_RESPONSES_MAX] = { request->mechanism };

	for (size_t i = 0; i < request->response_count; i++)
		parts[1 + i] = request->responses[i];
	if (r)
		memo_mac(r->memo, parts, 1 + request->response_count, out->octets);
}

static struct span key_span(const struct auth_recent_key *key)
{
	return span_of(key->octets, sizeof(key->octets));
}

/* Once the file is another one, no answer holds any more. */
static void follow(struct auth_recent *r, struct span state)
{
	if (span_eq(buf_span(&r->state), state))
		return;
	memo_clear(r->memo);
	buf_clear(&r->state);
	buf_put_span(&r->state, state);
}

static bool is_file_the_same(struct auth_recent *r)
{
	struct fault fault;
	struct users_mark mark;

	buf_clear(&r->present);
	if (users_file_mark(r->users_file, &mark, &fault) == 0)
		users_mark_put(&mark, &r->present);
	return r->present.len && span_eq(buf_span(&r->present), buf_span(&r->state));
}

/* Whole ones, the present one with it. */
static uint64_t seconds_left(const struct auth_answer *answer, int64_t wall_ms)
{
	uint64_t now_s = (uint64_t)(wall_ms / 1000);

	return answer->good_until_s > now_s ? answer->good_until_s - now_s : 0;
}

bool auth_recent_find(struct auth_recent *r, const struct auth_recent_key *key, int64_t now_ms,
		      int64_t wall_ms, struct auth_answer *out)
{
	struct span frame = r ? memo_get(r->memo, key_span(key), now_ms) : span_of(NULL, 0);

	if (frame.at == NULL)
		return false;
	if (!is_file_the_same(r)) {
		memo_clear(r->memo);
		return false;
	}
	return auth_answer_decode(frame, out) == 0 && seconds_left(out, wall_ms) > 0;
}

void auth_recent_keep(struct auth_recent *r, const struct auth_recent_key *key, int64_t now_ms,
		      int64_t wall_ms, const struct auth_answer *answer)
{
	uint64_t seconds = seconds_left(answer, wall_ms);

	if (r == NULL || seconds == 0)
		return;
	follow(r, answer->file_state);
	buf_clear(&r->scratch);
	auth_answer_encode(answer, &r->scratch);
	memo_put(r->memo, key_span(key), buf_span(&r->scratch),
		 now_ms + (int64_t)(seconds < r->seconds ? seconds : r->seconds) * 1000);
}

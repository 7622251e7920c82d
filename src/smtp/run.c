#include "run.h"

enum { BLOCK = 64 };

/* Eight octets at a time. The difference, where the top bit was clear before, has it set for the first
 * octet below 14; for those behind it it may lie, but where there is none no bit is set. */
size_t smtp_plain_length(struct span in)
{
	const uint64_t ones = UINT64_MAX / 255, tops = ones * 128;
	size_t n = 0;

	while (in.len - n >= sizeof(uint64_t)) {
		uint64_t eight;

		memcpy(&eight, in.at + n, sizeof(eight));
		if ((eight - ones * ('\r' + 1)) & ~eight & tops)
			break;
		n += sizeof(eight);
	}
	while (n < in.len && in.at[n] > '\r')
		n++;
	return n;
}

/* What all compilers have for what all processors have: each octet of a comparison is 0 or 255. */
typedef unsigned char lane __attribute__((vector_size(16)));

static lane load(const unsigned char *at)
{
	lane l;

	memcpy(&l, at, sizeof(l));
	return l;
}

static bool is_all_zero(lane l)
{
	uint64_t halves[2];

	memcpy(halves, &l, sizeof(l));
	return (halves[0] | halves[1]) == 0;
}

/* Whether BLOCK octets pass, and the one behind them goes with the last: no NUL, a LF behind each CR and
 * behind nothing else, no dot behind a LF. dot: LF where dots mean nothing, as two LFs do not pass anyway. */
static bool is_plain_block(const unsigned char *at, unsigned char dot)
{
	const lane zero = { 0 }, cr = zero + '\r', lf = zero + '\n', dots = zero + dot;
	lane odd = zero;

	for (size_t i = 0; i < BLOCK; i += sizeof(lane)) {
		lane is = load(at + i), next = load(at + i + 1);

		odd |= (lane)(is == zero);
		odd |= (lane)(is == cr) ^ (lane)(next == lf);
		odd |= (lane)(is == lf) & (lane)(next == dots);
	}
	return is_all_zero(odd);
}

/* Whole blocks from the front, but for a CR at the end of the last. */
static size_t blocks_length(struct span in, bool has_dots, bool is_start)
{
	unsigned char dot = has_dots ? '.' : '\n';
	size_t n = 0;

	if (in.len == 0 || in.at[0] == '\n' || (is_start && in.at[0] == dot))
		return 0;
	while (in.len - n > BLOCK && is_plain_block(in.at + n, dot)) {
		n += BLOCK;
		/* Its LF is the next block's, which does not know of it. */
		n -= in.at[n - 1] == '\r';
	}
	return n;
}

/* The same octet by octet, up to what does not pass, or `most`. */
static size_t careful_length(struct span in, size_t most, bool has_dots, bool *is_start)
{
	size_t n = 0;

	while (n < in.len && n < most) {
		unsigned char c = in.at[n];

		if (c > '\r' && (c != '.' || !*is_start || !has_dots)) {
			*is_start = false;
			n += smtp_plain_length(span_from(in, n));
		} else if (c == '\r' && n + 1 < in.len && in.at[n + 1] == '\n') {
			*is_start = true;
			n += 2;
		} else if (c == '\r' || c == '\n' || c == 0 || c == '.') {
			break;
		} else {
			*is_start = false;
			n++;
		}
	}
	return n;
}

size_t smtp_run_length(struct span in, bool has_dots, bool *is_start)
{
	size_t n = 0, more;

	do {
		more = blocks_length(span_from(in, n), has_dots, *is_start);
		if (more)
			*is_start = in.at[n + more - 1] == '\n';
		n += more;
		more = careful_length(span_from(in, n), BLOCK, has_dots, is_start);
		n += more;
	} while (more >= BLOCK);
	return n;
}

#include "run.h"

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

#define LANE 16
#define LANE_TARGET
#define LANE_NAME(n) n
#include "run_blocks.h"
#undef LANE
#undef LANE_TARGET
#undef LANE_NAME

#ifdef __x86_64__
#define LANE 32
#define LANE_TARGET __attribute__((target("avx2")))
#define LANE_NAME(n) n##_avx2
#include "run_blocks.h"
#define HAS_WIDE_LANES __builtin_cpu_supports("avx2")
#else
#define blocks_length_avx2 blocks_length
#define HAS_WIDE_LANES false
#endif

static size_t plain_blocks_length(struct span in, bool has_dots, bool is_start)
{
	unsigned char dot = has_dots ? '.' : '\n';

	if (in.len == 0 || in.at[0] == '\n' || (is_start && in.at[0] == dot))
		return 0;
	return HAS_WIDE_LANES ? blocks_length_avx2(in, dot) : blocks_length(in, dot);
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

/* Looked at carefully before the next block is tried. */
enum { CAREFUL = 64 };

size_t smtp_run_length(struct span in, bool has_dots, bool *is_start)
{
	size_t n = 0, more;

	do {
		more = plain_blocks_length(span_from(in, n), has_dots, *is_start);
		if (more)
			*is_start = in.at[n + more - 1] == '\n';
		n += more;
		more = careful_length(span_from(in, n), CAREFUL, has_dots, is_start);
		n += more;
	} while (more >= CAREFUL);
	return n;
}

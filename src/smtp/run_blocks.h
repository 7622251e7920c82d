/* smtp/run_blocks.h: whole blocks that pass as they stand, looked at in lanes of LANE octets. run.c includes
 * it for each kind of processor, which is why there is no guard:
 *
 * LANE           octets that the processor compares at once; four of them are a block
 * LANE_TARGET    the attribute that says so to the compiler, or nothing
 * LANE_NAME(n)   what n is called for them
 */

/* What all compilers have for what all processors have: each octet of a comparison is 0 or 255. */
typedef unsigned char LANE_NAME(run_lane) __attribute__((vector_size(LANE)));

/* Whether a block's octets pass, and the one behind them goes with the last: no NUL, a LF behind each CR and
 * behind nothing else, no dot behind a LF. dot: LF where dots mean nothing, as two LFs do not pass anyway. */
LANE_TARGET static inline bool LANE_NAME(is_plain_block)(const unsigned char *at, unsigned char dot)
{
	typedef LANE_NAME(run_lane) lane;
	const lane zero = { 0 }, cr = zero + '\r', lf = zero + '\n', dots = zero + dot;
	uint64_t parts[LANE / sizeof(uint64_t)], any = 0;
	lane odd = zero, is, next;

	for (size_t i = 0; i < 4 * LANE; i += LANE) {
		memcpy(&is, at + i, LANE);
		memcpy(&next, at + i + 1, LANE);
		odd |= (lane)(is == zero);
		odd |= (lane)(is == cr) ^ (lane)(next == lf);
		odd |= (lane)(is == lf) & (lane)(next == dots);
	}
	memcpy(parts, &odd, LANE);
	for (size_t i = 0; i < LANE / sizeof(uint64_t); i++)
		any |= parts[i];
	return any == 0;
}

/* Whole blocks from the front, but for a CR at the end of the last. */
LANE_TARGET static size_t LANE_NAME(blocks_length)(struct span in, unsigned char dot)
{
	size_t n = 0;

	while (in.len - n > 4 * LANE && LANE_NAME(is_plain_block)(in.at + n, dot)) {
		n += 4 * LANE;
		/* Its LF is the next block's, which does not know of it. */
		n -= in.at[n - 1] == '\r';
	}
	return n;
}

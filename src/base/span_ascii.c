#include "base/span.h"

/* What some processors take at once, and others in two steps: every octet of every message passes here. */
typedef uint64_t lane __attribute__((vector_size(32), aligned(1), may_alias));

enum { BLOCK = 4 * sizeof(lane) };

/* All bits of whole blocks from the front, of which *s is rid then. */
__attribute__((always_inline)) static inline uint64_t bits_of_blocks(struct span *s)
{
	lane all = { 0 };

	for (; s->len >= BLOCK; *s = span_from(*s, BLOCK)) {
		const lane *some = (const void *)s->at;

		all |= (some[0] | some[1]) | (some[2] | some[3]);
	}
	return all[0] | all[1] | all[2] | all[3];
}

static uint64_t take_blocks(struct span *s)
{
	return bits_of_blocks(s);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static uint64_t take_blocks_avx2(struct span *s)
{
	return bits_of_blocks(s);
}
#define HAS_WIDE_LANES __builtin_cpu_supports("avx2")
#else
#define take_blocks_avx2 take_blocks
#define HAS_WIDE_LANES false
#endif

bool span_is_ascii(struct span s)
{
	uint64_t eight, bits = 0;

	if (s.len >= BLOCK)
		bits = HAS_WIDE_LANES ? take_blocks_avx2(&s) : take_blocks(&s);
	for (; s.len >= sizeof(eight); s = span_from(s, sizeof(eight))) {
		memcpy(&eight, s.at, sizeof(eight));
		bits |= eight;
	}
	for (size_t i = 0; i < s.len; i++)
		bits |= s.at[i];
	return (bits & UINT64_C(0x8080808080808080)) == 0;
}

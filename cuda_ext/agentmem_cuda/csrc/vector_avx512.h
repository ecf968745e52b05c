// Sixteen floats in one AVX-512 register, with the few operations that the CPU kernels need.
#pragma once
#include <immintrin.h>

#include "element.h"

namespace pkm {
namespace {

// Scores are computed for four queries and four keys at a time: sixteen sums, half of the registers. A single query
// takes eight keys, so that enough sums are under way to hide the latency of a product.
constexpr int kQueryBlock = 4;
constexpr int kKeysOfOneQuery = 8;

struct Vector {
  __m512 lanes;
};

inline Vector zero() { return {_mm512_setzero_ps()}; }
inline Vector fill(float x) { return {_mm512_set1_ps(x)}; }

inline __m512 widen(__m256i bits, bf16) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
// The zero-masking forms: gcc 12 warns of an undefined source in the plain ones.
inline __m512 widen(__m256i bits, fp16) { return _mm512_maskz_cvtph_ps(0xffff, bits); }

inline Vector load(const float* p) { return {_mm512_loadu_ps(p)}; }
template <class T>
inline Vector load(const T* p) {
  return {widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), T{})};
}

// The first `count` < 16 elements; the other lanes are zero.
inline Vector load_first(const float* p, int count) {
  return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p)};
}
template <class T>
inline Vector load_first(const T* p, int count) {
  return {widen(_mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << count) - 1), p), T{})};
}

inline __m256i narrow(__m512 x, bf16) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  const __m512i kept = _mm512_mask_mov_epi32(rounded, nan, _mm512_set1_epi32(0x7fc00000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
}
inline __m256i narrow(__m512 x, fp16) { return _mm512_maskz_cvtps_ph(0xffff, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

inline void store(float* p, Vector x) { _mm512_storeu_ps(p, x.lanes); }
template <class T>
inline void store(T* p, Vector x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(x.lanes, T{}));
}
inline void store_first(float* p, Vector x, int count) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), x.lanes);
}
template <class T>
inline void store_first(T* p, Vector x, int count) {
  _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1u << count) - 1), narrow(x.lanes, T{}));
}

inline Vector fma(Vector a, Vector b, Vector c) { return {_mm512_fmadd_ps(a.lanes, b.lanes, c.lanes)}; }
inline Vector larger(Vector a, Vector b) { return {_mm512_max_ps(a.lanes, b.lanes)}; }
inline Vector smaller(Vector a, Vector b) { return {_mm512_min_ps(a.lanes, b.lanes)}; }
inline float sum(Vector x) { return _mm512_reduce_add_ps(x.lanes); }
inline float largest(Vector x) { return _mm512_reduce_max_ps(x.lanes); }
inline float smallest(Vector x) { return _mm512_reduce_min_ps(x.lanes); }
inline int count_at_least(Vector x, float bound) {
  return __builtin_popcount(_mm512_cmp_ps_mask(x.lanes, _mm512_set1_ps(bound), _CMP_GE_OQ));
}
inline int count_above(Vector x, float bound) {
  return __builtin_popcount(_mm512_cmp_ps_mask(x.lanes, _mm512_set1_ps(bound), _CMP_GT_OQ));
}

// Four horizontal sums at once, to out[0..3].
inline void sum_four(Vector a, Vector b, Vector c, Vector d, float* out) {
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a.lanes, b.lanes), _mm512_unpackhi_ps(a.lanes, b.lanes));
  const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c.lanes, d.lanes), _mm512_unpackhi_ps(c.lanes, d.lanes));
  const __m512 abcd = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(abcd), _mm512_extractf32x8_ps(abcd, 1));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

// Appends the lanes that reach `bound`, with the ids first_id + lane, and returns how many there were. May write
// sixteen elements whatever it returns.
inline int append_at_least(Vector x, float bound, int32_t first_id, float* scores, int32_t* ids) {
  const __mmask16 mask = _mm512_cmp_ps_mask(x.lanes, _mm512_set1_ps(bound), _CMP_GE_OQ);
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i id = _mm512_add_epi32(lane, _mm512_set1_epi32(first_id));
  _mm512_storeu_ps(scores, _mm512_maskz_compress_ps(mask, x.lanes));
  _mm512_storeu_si512(ids, _mm512_maskz_compress_epi32(mask, id));
  return __builtin_popcount(mask);
}

#ifdef __AVX512BF16__
// Thirty-two products of bf16 pairs a step, accumulated in float32.
#define PKM_HAS_BF16_DOT 1
struct Pairs {
  __m512i bits;
};
inline Pairs load_pairs(const bf16* p) { return {_mm512_loadu_si512(p)}; }
inline Vector dot_pairs(Pairs a, Pairs b, Vector c) {
  return {_mm512_dpbf16_ps(c.lanes, reinterpret_cast<__m512bh>(a.bits), reinterpret_cast<__m512bh>(b.bits))};
}
#endif

}  // namespace
}  // namespace pkm

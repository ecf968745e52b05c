// Sixteen floats in the compiler's own vector type, with the operations of vector_avx512.h: whatever the processor has
// (SSE, AVX2, NEON), the compiler lowers it to.
#pragma once
#include <type_traits>

#include "element.h"

namespace pkm {
namespace {

typedef float Lanes __attribute__((vector_size(64)));
typedef int32_t IntLanes __attribute__((vector_size(64)));
typedef uint32_t BitLanes __attribute__((vector_size(64)));
typedef uint16_t HalfLanes __attribute__((vector_size(32)));

// Registers hold few of these vectors: scores are computed for one query and four keys at a time.
constexpr int kQueryBlock = 1;
constexpr int kKeysOfOneQuery = 4;

struct Vector {
  Lanes lanes;
};

inline Vector zero() { return {Lanes{}}; }
inline Vector fill(float x) { return {Lanes{} + x}; }

inline Lanes as_lanes(BitLanes bits) {
  Lanes x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
inline Lanes widen(HalfLanes bits, bf16) { return as_lanes(__builtin_convertvector(bits, BitLanes) << 16); }
inline Lanes widen(HalfLanes bits, fp16) {  // to_float(fp16) in element.h, lane by lane
  const BitLanes wide = __builtin_convertvector(bits, BitLanes);
  const BitLanes sign = (wide & 0x8000u) << 16, magnitude = wide & 0x7fffu;
  BitLanes finite;
  const Lanes scaled = as_lanes(magnitude << 13) * 0x1p112f;
  std::memcpy(&finite, &scaled, sizeof finite);
  const BitLanes special = 0x7f800000u | ((magnitude & 0x3ffu) << 13);
  return as_lanes(sign | (magnitude >= 0x7c00u ? special : finite));
}

inline Vector load(const float* p) {
  Vector x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
template <class T>
inline Vector load(const T* p) {
  HalfLanes bits;
  std::memcpy(&bits, p, sizeof bits);
  return {widen(bits, T{})};
}
template <class T>
inline Vector load_first(const T* p, int count) {
  T whole[16] = {};
  std::memcpy(whole, p, count * sizeof(T));
  return load(whole);
}

inline void store(float* p, Vector x) { std::memcpy(p, &x, sizeof x); }
template <class T>
inline void store_first(T* p, Vector x, int count) {
  float lanes[16];
  std::memcpy(lanes, &x, sizeof lanes);
#pragma GCC unroll 1
  for (int i = 0; i < count; i++) from_float(lanes[i], p + i);
}
template <class T>
inline void store(T* p, Vector x) {
  store_first(p, x, 16);
}

inline Vector fma(Vector a, Vector b, Vector c) { return {a.lanes * b.lanes + c.lanes}; }
inline Vector larger(Vector a, Vector b) { return {a.lanes > b.lanes ? a.lanes : b.lanes}; }
inline Vector smaller(Vector a, Vector b) { return {a.lanes < b.lanes ? a.lanes : b.lanes}; }

// Folds the upper half of the lanes onto the lower until one is left.
template <class Type, class Fold>
inline auto fold_lanes(Type lanes, Fold fold) {
  std::remove_cvref_t<decltype(lanes[0])> each[16];
  std::memcpy(each, &lanes, sizeof each);
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; i++) each[i] = fold(each[i], each[i + width]);
  return each[0];
}
inline float sum(Vector x) {
  return fold_lanes(x.lanes, [](float a, float b) { return a + b; });
}
inline float largest(Vector x) {
  return fold_lanes(x.lanes, [](float a, float b) { return a > b ? a : b; });
}
inline float smallest(Vector x) {
  return fold_lanes(x.lanes, [](float a, float b) { return a < b ? a : b; });
}
inline int count_true(IntLanes mask) {  // true lanes are -1
  return -fold_lanes(mask, [](int a, int b) { return a + b; });
}
inline int count_at_least(Vector x, float bound) { return count_true(x.lanes >= bound); }
inline int count_above(Vector x, float bound) { return count_true(x.lanes > bound); }

inline void sum_four(Vector a, Vector b, Vector c, Vector d, float* out) {
  out[0] = sum(a);
  out[1] = sum(b);
  out[2] = sum(c);
  out[3] = sum(d);
}

inline int append_at_least(Vector x, float bound, int32_t first_id, float* scores, int32_t* ids) {
  if (count_at_least(x, bound) == 0) return 0;
  float lanes[16];
  std::memcpy(lanes, &x, sizeof lanes);
  int count = 0;
#pragma GCC unroll 1
  for (int i = 0; i < 16; i++) {
    scores[count] = lanes[i];
    ids[count] = first_id + i;
    count += lanes[i] >= bound;
  }
  return count;
}

}  // namespace
}  // namespace pkm

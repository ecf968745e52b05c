// The exact k largest of a row, and the k best sums of two rows, both sorted downwards: vector code, no tensors.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "staircase.h"

// Unrolled before the compiler looks for registers: else small arrays of vectors live in memory.
#define PKM_UNROLL _Pragma("GCC unroll 16")

namespace pkm {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();
// Rows are padded with -inf to whole groups of eight vectors.
constexpr int64_t kRowPad = 128;
inline int64_t padded(int64_t n) { return (n + kRowPad - 1) / kRowPad * kRowPad; }

struct Candidates {
  std::vector<float> scores;
  std::vector<int32_t> ids;
  explicit Candidates(int64_t most) : scores(most + kRowPad), ids(most + kRowPad) {}
};

struct Best {
  float scores[kMaxTopK];
  int32_t ids[kMaxTopK];
};

// Sorts by counting for each candidate how many are larger: with some forty candidates that is cheaper than any sort.
// Equal scores keep their order. When a NaN leaves fewer than k comparable candidates, the rest become NaN with id 0,
// so that the result shows the NaN and no id is ever out of range.
inline void rank(Candidates& found, int count, int k, Best& best) {
  float* scores = found.scores.data();
  const int whole = (count + 15) / 16 * 16;
  for (int i = count; i < whole; i++) scores[i] = kLowest;
  for (int i = 0; i < k; i++) best.ids[i] = -1;
  for (int i = 0; i < count; i++) {
    int place = 0;
    for (int j = 0; j < whole; j += 16) place += count_above(load(scores + j), scores[i]);
    while (place < k && best.ids[place] != -1) place++;
    if (place < k) {
      best.scores[place] = scores[i];
      best.ids[place] = found.ids[i];
    }
  }
  for (int i = 0; i < k; i++) {
    if (best.ids[i] == -1) {
      best.ids[i] = 0;
      best.scores[i] = std::numeric_limits<float>::quiet_NaN();
    }
  }
}

// A value that at least k elements of the row reach, close to the k-th largest: 128 interleaved groups have 128 maxima,
// and what k of those maxima reach, k elements reach.
inline float lower_bound_of_kth(const float* row, int64_t n, int k) {
  constexpr int kGroups = 8;
  if (n < kRowPad) return kLowest;
  Vector maxima[kGroups];
  PKM_UNROLL
  for (int g = 0; g < kGroups; g++) maxima[g] = load(row + 16 * g);
  for (int64_t i = kRowPad; i < n; i += kRowPad) {
    PKM_UNROLL
    for (int g = 0; g < kGroups; g++) maxima[g] = larger(maxima[g], load(row + i + 16 * g));
  }
  Vector low = maxima[0], high = maxima[0];
  PKM_UNROLL
  for (int g = 1; g < kGroups; g++) {
    low = smaller(low, maxima[g]);
    high = larger(high, maxima[g]);
  }
  float reached = smallest(low), missed = largest(high);
  for (int step = 0; step < 7; step++) {
    const float middle = 0.5f * (reached + missed);
    int count = 0;
    PKM_UNROLL
    for (int g = 0; g < kGroups; g++) count += count_at_least(maxima[g], middle);
    (count >= k ? reached : missed) = middle;
  }
  return reached;
}

// row: n scores, padded with -inf to padded(n).
inline void top_of_row(const float* row, int64_t n, int k, Candidates& found, Best& best) {
  const float bound = lower_bound_of_kth(row, n, k);
  int count = 0;
  for (int64_t i = 0; i < n; i += 16) {
    count += append_at_least(load(row + i), bound, static_cast<int32_t>(i), &found.scores[count], &found.ids[count]);
  }
  while (count > 0 && found.ids[count - 1] >= n) count--;  // the padding reaches a bound of -inf
  rank(found, count, k, best);
}

// The k best sums of a half from each side, as slots first * n + second.
inline void top_of_sums(const Best& a, const Best& b, int64_t n, int k, Candidates& found, Best& best) {
  // Each rectangle of i by ceil(k / i) pairs holds k sums, all at least its last corner.
  float bound = kLowest;
  for (int i = 1; i <= k; i++) bound = std::max(bound, a.scores[i - 1] + b.scores[(k + i - 1) / i - 1]);
  int count = 0;
  for (int i = 0; i < k && a.scores[i] + b.scores[0] >= bound; i++) {
    for (int j = 0; j < k / (i + 1); j++) {
      const float sum = a.scores[i] + b.scores[j];
      if (!(sum >= bound)) break;
      found.scores[count] = sum;
      found.ids[count] = static_cast<int32_t>(a.ids[i] * n + b.ids[j]);
      count++;
    }
  }
  rank(found, count, k, best);
}

inline void normalise(float* scores, int k) {
  float total = 0.0f;
  const float peak = scores[0];
  for (int i = 0; i < k; i++) total += scores[i] = std::exp(scores[i] - peak);
  for (int i = 0; i < k; i++) scores[i] /= total;
}

}  // namespace
}  // namespace pkm

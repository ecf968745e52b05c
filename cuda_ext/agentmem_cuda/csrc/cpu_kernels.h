// The lookup on a CPU, written once over Vector and compiled once per instruction level (see cpu_*.cpp).
#pragma once
#include <type_traits>

#include "cpu_levels.h"
#include "cpu_select.h"

namespace pkm {
namespace {

// ---- scores -------------------------------------------------------------------------------------------------------

// Scores of kQueries queries with kKeys keys, as dot products along the contiguous axis: nothing is packed.
template <int kQueries, int kKeys, class Q, class K>
inline void dot_block(const Q* const* queries, const K* const* keys, int64_t d, float* const* out) {
  static_assert(kKeys % 4 == 0, "sums are taken four at a time");
  Vector sums[kQueries][kKeys];
  PKM_UNROLL
  for (int q = 0; q < kQueries; q++)
    PKM_UNROLL
    for (int k = 0; k < kKeys; k++) sums[q][k] = zero();
  int64_t c = 0;
#ifdef PKM_HAS_BF16_DOT
  if constexpr (std::is_same_v<Q, bf16> && std::is_same_v<K, bf16>) {
    for (; c + 32 <= d; c += 32) {
      Pairs key[kKeys];
      PKM_UNROLL
      for (int k = 0; k < kKeys; k++) key[k] = load_pairs(keys[k] + c);
      PKM_UNROLL
      for (int q = 0; q < kQueries; q++) {
        const Pairs query = load_pairs(queries[q] + c);
        PKM_UNROLL
        for (int k = 0; k < kKeys; k++) sums[q][k] = dot_pairs(query, key[k], sums[q][k]);
      }
    }
  }
#endif
  for (; c < d; c += 16) {
    const int left = static_cast<int>(std::min<int64_t>(16, d - c));
    Vector key[kKeys];
    PKM_UNROLL
    for (int k = 0; k < kKeys; k++) key[k] = left == 16 ? load(keys[k] + c) : load_first(keys[k] + c, left);
    PKM_UNROLL
    for (int q = 0; q < kQueries; q++) {
      const Vector query = left == 16 ? load(queries[q] + c) : load_first(queries[q] + c, left);
      PKM_UNROLL
      for (int k = 0; k < kKeys; k++) sums[q][k] = fma(query, key[k], sums[q][k]);
    }
  }
  PKM_UNROLL
  for (int q = 0; q < kQueries; q++)
    PKM_UNROLL
    for (int k = 0; k < kKeys; k += 4)
      sum_four(sums[q][k], sums[q][k + 1], sums[q][k + 2], sums[q][k + 3], out[q] + k);
}

template <int kQueries, int kKeys, class Q, class K>
inline void score_keys(const Q* queries, int64_t query_stride, const K* keys, int64_t first, int64_t last, int64_t n,
                       int64_t d, float* scores, int64_t score_stride) {
  const Q* query[kQueries];
  float* out[kQueries];
  for (int q = 0; q < kQueries; q++) query[q] = queries + q * query_stride;
  for (int64_t i = first; i < last; i += kKeys) {
    const K* key[kKeys];
    // The last block repeats the last key; what it writes past n lands in the padding.
    for (int k = 0; k < kKeys; k++) key[k] = keys + std::min(i + k, n - 1) * d;
    for (int q = 0; q < kQueries; q++) out[q] = scores + q * score_stride + i;
    dot_block<kQueries, kKeys>(query, key, d, out);
  }
}

// Scores of up to kQueryTile queries with all keys of one half: a panel of keys is fetched once for the whole tile.
template <class Q, class K>
inline void score_tile(const Q* queries, int64_t query_stride, int64_t n_queries, const K* keys, int64_t n, int64_t d,
                       float* scores, int64_t score_stride) {
  const int64_t panel = std::max<int64_t>(8, 16384 / (d * static_cast<int64_t>(sizeof(K))) / 8 * 8);
  for (int64_t first = 0; first < n; first += panel) {
    const int64_t last = std::min(first + panel, n);
    int64_t q = 0;
    for (; kQueryBlock > 1 && q + kQueryBlock <= n_queries; q += kQueryBlock)
      score_keys<kQueryBlock, 4>(queries + q * query_stride, query_stride, keys, first, last, n, d, scores + q * score_stride,
                       score_stride);
    for (; q < n_queries; q++)
      score_keys<1, kKeysOfOneQuery>(queries + q * query_stride, query_stride, keys, first, last, n, d, scores + q * score_stride,
                       score_stride);
  }
  for (int64_t q = 0; q < n_queries; q++)
    std::fill(scores + q * score_stride + n, scores + (q + 1) * score_stride, kLowest);
}

// ---- address ------------------------------------------------------------------------------------------------------

// Both halves of a tile of queries, side by side: the rows of the tensor lie a power of two apart, and sixteen of them
// would fight for the same lines of the cache. Widened to float32 unless the products take bf16.
template <class T>
class QueryTile {
 public:
#ifdef PKM_HAS_BF16_DOT
  using Element = std::conditional_t<std::is_same_v<T, bf16>, bf16, float>;
#else
  using Element = float;
#endif
  explicit QueryTile(const AddressTask& task)
      : width_(2 * task.d_key), source_stride_(task.heads * width_), elements_(kQueryTile * width_) {}

  const Element* load(const T* queries, int64_t count) {
    for (int64_t q = 0; q < count; q++)
      for (int64_t c = 0; c < width_; c++) convert(queries[q * source_stride_ + c], &elements_[q * width_ + c]);
    return elements_.data();
  }
  int64_t stride() const { return width_; }

 private:
  static void convert(T from, T* to) { *to = from; }
  template <class Other>
  static void convert(T from, Other* to) {
    *to = to_float(from);
  }
  int64_t width_, source_stride_;
  std::vector<Element> elements_;
};

template <class T>
void address(const AddressTask& task, int64_t first_unit, int64_t last_unit) {
  const int64_t n = task.n_keys, d = task.d_key, stride = padded(n), tiles = address_tiles(task);
  const int k = static_cast<int>(task.top_k);
  std::vector<float> scores(2 * kQueryTile * stride);
  Candidates found(std::max<int64_t>(stride, staircase_size(kMaxTopK)));
  QueryTile<T> tile(task);
  for (int64_t unit = first_unit; unit < last_unit; unit++) {
    const int64_t head = unit / tiles, first = unit % tiles * kQueryTile;
    const int64_t count = std::min(kQueryTile, task.batch - first);
    const T* keys = static_cast<const T*>(task.keys) + head * 2 * n * d;
    const auto* queries = tile.load(static_cast<const T*>(task.queries) + (first * task.heads + head) * 2 * d, count);
    float* second_half = scores.data() + kQueryTile * stride;
    score_tile(queries, tile.stride(), count, keys, n, d, scores.data(), stride);
    score_tile(queries + d, tile.stride(), count, keys + n * d, n, d, second_half, stride);
    for (int64_t q = 0; q < count; q++) {
      Best a, b, best;
      top_of_row(scores.data() + q * stride, n, k, found, a);
      top_of_row(second_half + q * stride, n, k, found, b);
      top_of_sums(a, b, n, k, found, best);
      if (task.softmax) normalise(best.scores, k);
      const int64_t out = ((first + q) * task.heads + head) * k;
      std::copy(best.scores, best.scores + k, task.weights + out);
      std::copy(best.ids, best.ids + k, task.slots + out);
    }
  }
}

// ---- bag ----------------------------------------------------------------------------------------------------------

template <class T>
inline void prefetch_row(const T* row, int64_t d) {
  for (const char* p = reinterpret_cast<const char*>(row); p < reinterpret_cast<const char*>(row + d); p += 64)
    __builtin_prefetch(p);
}

// total += weights[0] * rows[0] + ..., while the rows that come four later are on their way.
template <int kRows, class T>
inline void add_rows(const T* const* rows, const float* weights, int64_t d, float* total) {
  Vector weight[kRows];
  PKM_UNROLL
  for (int r = 0; r < kRows; r++) weight[r] = fill(weights[r]);
  int64_t c = 0;
  constexpr int64_t kLine = 64 / sizeof(T);
  for (; c + 16 <= d; c += 16) {
    if (c % kLine == 0) {
      PKM_UNROLL
      for (int r = 0; r < kRows; r++) __builtin_prefetch(rows[4 + r] + c);
    }
    Vector x = load(total + c);
    PKM_UNROLL
    for (int r = 0; r < kRows; r++) x = fma(weight[r], load(rows[r] + c), x);
    store(total + c, x);
  }
  if (c < d) {
    const int left = static_cast<int>(d - c);
    Vector x = load_first(total + c, left);
    PKM_UNROLL
    for (int r = 0; r < kRows; r++) x = fma(weight[r], load_first(rows[r] + c, left), x);
    store_first(total + c, x, left);
  }
}

template <class T>
inline void write_row(const float* total, T* out, int64_t d) {
  int64_t c = 0;
  for (; c + 16 <= d; c += 16) store(out + c, load(total + c));
  if (c < d) store_first(out + c, load_first(total + c, static_cast<int>(d - c)), static_cast<int>(d - c));
}

// The rows that a stretch of tokens reads, one list over all of them, so that fetching ahead crosses from token to
// token; a slot without a row costs one look into the map and nothing else.
template <class T>
class RowList {
 public:
  explicit RowList(const BagTask& task)
      : task_(task), tokens_(std::max<int64_t>(1, 2048 / std::max<int64_t>(1, task.bag))), ends_(tokens_ + 1),
        weights(tokens_ * task.bag + 1), rows(tokens_ * task.bag + 8) {}

  int64_t tokens() const { return tokens_; }
  int64_t end(int64_t token) const { return ends_[token + 1]; }

  void fill(int64_t first_token, int64_t count) {
    const T* values = static_cast<const T*>(task_.values);
    const int64_t* slots = task_.slots + first_token * task_.bag;
    const float* shares = task_.weights + first_token * task_.bag;
    const int32_t* row_of_slot = task_.row_of_slot;
    const int64_t bag = task_.bag, d = task_.d;
    if (row_of_slot)
      for (int64_t j = 0; j < count * bag; j++) __builtin_prefetch(row_of_slot + slots[j]);
    int64_t found = 0;
    for (int64_t token = 0; token < count; token++) {
      for (int64_t j = token * bag; j < (token + 1) * bag; j++) {
        const int64_t row = row_of_slot ? row_of_slot[slots[j]] : slots[j];
        rows[found] = values + row * d;
        weights[found] = shares[j];
        found += row >= 0;
      }
      ends_[token + 1] = found;
    }
    // Fetching ahead may look eight entries past the last.
    for (int64_t i = found; i < found + 8; i++) rows[i] = found > 0 ? rows[found - 1] : values;
  }

 private:
  const BagTask& task_;
  int64_t tokens_;
  std::vector<int64_t> ends_;

 public:
  std::vector<float> weights;
  std::vector<const T*> rows;
};

template <class T>
void bag(const BagTask& task, int64_t first_token, int64_t last_token) {
  const int64_t d = task.d;
  std::vector<float> total(d);
  RowList<T> list(task);
  for (int64_t first = first_token; first < last_token; first += list.tokens()) {
    const int64_t count = std::min(list.tokens(), last_token - first);
    list.fill(first, count);
    for (int64_t j = 0; j < std::min<int64_t>(list.end(count - 1), 4); j++) prefetch_row(list.rows[j], d);
    int64_t j = 0;
    for (int64_t token = 0; token < count; token++) {
      T* out = static_cast<T*>(task.out) + (first + token) * d;
      if (j == list.end(token)) {
        std::memset(out, 0, d * sizeof(T));
        continue;
      }
      std::fill(total.begin(), total.end(), 0.0f);
      for (; j + 4 <= list.end(token); j += 4) add_rows<4>(&list.rows[j], &list.weights[j], d, total.data());
      for (; j < list.end(token); j++) add_rows<1>(&list.rows[j], &list.weights[j], d, total.data());
      write_row(total.data(), out, d);
    }
  }
}

// ---- backward -----------------------------------------------------------------------------------------------------

template <class T>
inline float dot_rows(const T* a, const T* b, int64_t d) {
  Vector x = zero(), y = zero();
  int64_t c = 0;
  for (; c + 32 <= d; c += 32) {
    x = fma(load(a + c), load(b + c), x);
    y = fma(load(a + c + 16), load(b + c + 16), y);
  }
  for (; c + 16 <= d; c += 16) x = fma(load(a + c), load(b + c), x);
  if (c < d) x = fma(load_first(a + c, static_cast<int>(d - c)), load_first(b + c, static_cast<int>(d - c)), x);
  return sum(x) + sum(y);
}

// Both gradients in one pass: each touched row of the table is read once and its gradient row written once.
template <class T>
void backward(const BackwardTask& task, int64_t first_segment, int64_t last_segment) {
  const int64_t d = task.d;
  const T* values = static_cast<const T*>(task.values);
  const T* grad = static_cast<const T*>(task.grad);
  std::vector<float> total(d);
  for (int64_t segment = first_segment; segment < last_segment; segment++) {
    const int64_t begin = task.starts[segment], end = task.starts[segment + 1];
    const T* row = values + static_cast<int64_t>(task.positions[begin] >> 32) * d;
    if (task.grad_weights && segment + 1 < last_segment)
      prefetch_row(values + static_cast<int64_t>(task.positions[end] >> 32) * d, d);
    std::fill(total.begin(), total.end(), 0.0f);
    for (int64_t i = begin; i < end; i++) {
      const int64_t position = static_cast<int64_t>(task.positions[i] & 0xffffffffu);
      const T* token = grad + position / task.bag * d;
      const Vector weight = fill(task.weights[position]);
      int64_t c = 0;
      for (; c + 16 <= d; c += 16) store(&total[c], fma(weight, load(token + c), load(&total[c])));
      for (; c < d; c++) total[c] += task.weights[position] * to_float(token[c]);
      if (task.grad_weights) task.grad_weights[position] = dot_rows(token, row, d);
    }
    write_row(total.data(), static_cast<T*>(task.grad_rows) + segment * d, d);
  }
}

// The gradient of the weights alone, when the table is frozen.
template <class T>
void weight_backward(const BackwardTask& task, int64_t first_position, int64_t last_position) {
  const T* values = static_cast<const T*>(task.values);
  const T* grad = static_cast<const T*>(task.grad);
  for (int64_t i = first_position; i < last_position; i++) {
    const int64_t position = static_cast<int64_t>(task.positions[i] & 0xffffffffu);
    const T* row = values + static_cast<int64_t>(task.positions[i] >> 32) * task.d;
    if (i + 1 < last_position) prefetch_row(values + static_cast<int64_t>(task.positions[i + 1] >> 32) * task.d, task.d);
    task.grad_weights[position] = dot_rows(grad + position / task.bag * task.d, row, task.d);
  }
}

template <class T>
constexpr TypedKernels typed_kernels() {
  return {address<T>, bag<T>, backward<T>, weight_backward<T>};
}

constexpr Level level(const char* name) {
  return {name, typed_kernels<float>(), typed_kernels<bf16>(), typed_kernels<fp16>()};
}

}  // namespace
}  // namespace pkm

// The lookup on a GPU: device code only, without torch, so that tests can compile these very kernels for the CPU.
#pragma once
#include <cstdint>

#include "element.h"
#include "staircase.h"

namespace pkm {

#ifndef PKM_DYNAMIC_SHARED  // the emulator brings its own
#define PKM_DYNAMIC_SHARED(type, name) extern __shared__ type name[]
#endif

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// ---- sixteen bytes of a row ---------------------------------------------------------------------------------------

template <class T>
constexpr int kPerLoad = 16 / static_cast<int>(sizeof(T));

// A row of the table is read once by one block: it should not push anything else out of L1.
__device__ __forceinline__ uint4 load_once(const void* p) {
#ifdef __CUDA_ARCH__
  uint4 r;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w)
               : "l"(p));
  return r;
#else
  return *static_cast<const uint4*>(p);
#endif
}

template <class T>
__device__ __forceinline__ void widen(uint4 packed, float* out) {
  const uint32_t words[4] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    if constexpr (sizeof(T) == 4) {
      out[i] = as_float(words[i]);
    } else {
      out[2 * i] = to_float(T{static_cast<uint16_t>(words[i])});
      out[2 * i + 1] = to_float(T{static_cast<uint16_t>(words[i] >> 16)});
    }
  }
}

template <class T>
__device__ __forceinline__ void store(T* out, const float* x) {
  alignas(16) T narrow[kPerLoad<T>];
#pragma unroll
  for (int i = 0; i < kPerLoad<T>; i++) from_float(x[i], &narrow[i]);
  *reinterpret_cast<uint4*>(out) = *reinterpret_cast<const uint4*>(narrow);
}

// ---- the best 64, kept sorted by a warp ---------------------------------------------------------------------------

// Element e of a list is held by lane e % 32 in register e / 32. Order: score downwards, then id upwards.
struct Entry {
  float score;
  int id;
};

constexpr int kListSize = 64;
constexpr int kNoId = 0x7fffffff;

__device__ __forceinline__ bool is_better(Entry a, Entry b) {
  return a.score > b.score || (a.score == b.score && a.id < b.id);
}

__device__ __forceinline__ Entry entry_of_lane(Entry mine, int mask) {
  return {__shfl_xor_sync(kAllLanes, mine.score, mask), __shfl_xor_sync(kAllLanes, mine.id, mask)};
}

// One step of a bitonic network over 64 elements: partners are `stride` apart and runs of `size` alternate direction.
__device__ __forceinline__ void compare_step(Entry (&list)[2], int size, int stride) {
  const int lane = threadIdx.x & 31;
  if (stride == kWarp) {
    if (is_better(list[1], list[0])) {
      const Entry swapped = list[0];
      list[0] = list[1];
      list[1] = swapped;
    }
    return;
  }
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const int element = r * kWarp + lane;
    const Entry other = entry_of_lane(list[r], stride);
    const bool keeps_better = ((element & size) == 0) == ((element & stride) == 0);
    if (keeps_better ? is_better(other, list[r]) : is_better(list[r], other)) list[r] = other;
  }
}

__device__ __forceinline__ void sort_list(Entry (&list)[2]) {
#pragma unroll
  for (int size = 2; size <= kListSize; size *= 2)
#pragma unroll
    for (int stride = size / 2; stride > 0; stride /= 2) compare_step(list, size, stride);
}

// Both sorted: keep the best 64 of 128. The first list against the second reversed is bitonic, one pass sorts it.
__device__ __forceinline__ void merge_list(Entry (&list)[2], const Entry (&other)[2]) {
  const Entry reversed[2] = {entry_of_lane(other[1], 31), entry_of_lane(other[0], 31)};
#pragma unroll
  for (int r = 0; r < 2; r++)
    if (is_better(reversed[r], list[r])) list[r] = reversed[r];
#pragma unroll
  for (int stride = kListSize / 2; stride > 0; stride /= 2) compare_step(list, kListSize, stride);
}

// Candidates that reached a bound wait in shared memory until there are enough of them to be worth a sort.
class Collector {
 public:
  static constexpr int kCapacity = kListSize + kWarp;

  __device__ Collector(Entry* waiting) : waiting_(waiting) {
    list[0] = list[1] = {-INFINITY, kNoId};
  }

  // Called by the whole warp; `passes` chooses the lanes.
  __device__ __forceinline__ void offer(Entry candidate, bool passes) {
    const unsigned lanes = __ballot_sync(kAllLanes, passes);
    const unsigned before = lanes & ((1u << (threadIdx.x & 31)) - 1);
    if (passes) waiting_[count_ + __popc(before)] = candidate;
    count_ += __popc(lanes);
    __syncwarp();
    if (count_ > kCapacity - kWarp) take();
  }

  __device__ __forceinline__ void finish() {
    if (count_ > 0) take();
  }

  Entry list[2];

 private:
  __device__ __forceinline__ void take() {
    const int lane = threadIdx.x & 31;
    Entry fresh[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const int at = r * kWarp + lane;
      fresh[r] = at < count_ ? waiting_[at] : Entry{-INFINITY, kNoId};
    }
    // At most kCapacity wait, and a sort takes the first kListSize of them; the rest move to the front.
    const Entry rest = kListSize + lane < count_ ? waiting_[kListSize + lane] : Entry{-INFINITY, kNoId};
    __syncwarp();
    const int left = count_ > kListSize ? count_ - kListSize : 0;
    if (lane < left) waiting_[lane] = rest;
    __syncwarp();
    count_ = left;
    sort_list(fresh);
    if (is_first_) {
      list[0] = fresh[0];
      list[1] = fresh[1];
      is_first_ = false;
    } else {
      merge_list(list, fresh);
    }
  }

  Entry* waiting_;
  int count_ = 0;
  bool is_first_ = true;
};

__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, mask));
  return x;
}
__device__ __forceinline__ float warp_min(float x) { return -warp_max(-x); }
__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) x += __shfl_xor_sync(kAllLanes, x, mask);
  return x;
}

// ---- select -------------------------------------------------------------------------------------------------------

constexpr int kSelectWarps = 4;

// Where nothing comparable was left for a place, a NaN is in the scores: it shows, and the slot stays in range.
__device__ __forceinline__ Entry shown(Entry entry) { return entry.id == kNoId ? Entry{NAN, 0} : entry; }

// A value that at least k elements of the row reach, close to the k-th largest: 64 interleaved groups have 64 maxima,
// and what k of those maxima reach, k elements reach.
__device__ __forceinline__ float lower_bound_of_kth(const float* row, int n, int k) {
  if (n < kListSize) return -INFINITY;
  const int lane = threadIdx.x & 31;
  float even = -INFINITY, odd = -INFINITY;
  for (int i = lane; i < n; i += 2 * kWarp) {
    even = fmaxf(even, row[i]);
    if (i + kWarp < n) odd = fmaxf(odd, row[i + kWarp]);
  }
  float reached = warp_min(fminf(even, odd)), missed = warp_max(fmaxf(even, odd));
#pragma unroll
  for (int step = 0; step < 7; step++) {
    const float middle = 0.5f * (reached + missed);
    const int count =
        __popc(__ballot_sync(kAllLanes, even >= middle)) + __popc(__ballot_sync(kAllLanes, odd >= middle));
    if (count >= k) {
      reached = middle;
    } else {
      missed = middle;
    }
  }
  return reached;
}

// The best 64 of a row, or all of them, sorted, to shared memory.
__device__ __forceinline__ void top_of_row(const float* row, int n, int k, Entry* waiting, Entry* best) {
  const int lane = threadIdx.x & 31;
  const float bound = lower_bound_of_kth(row, n, k);
  Collector collector(waiting);
  for (int first = 0; first < n; first += kWarp) {
    const int i = first + lane;
    const float score = i < n ? row[i] : -INFINITY;
    collector.offer({score, i}, i < n && score >= bound);
  }
  collector.finish();
#pragma unroll
  for (int r = 0; r < 2; r++) best[r * kWarp + lane] = shown(collector.list[r]);
  __syncwarp();
}

// One warp per token and head. scores (2 * heads, batch, n) -> weights and slots (batch, heads, top_k).
static __global__ void __launch_bounds__(kSelectWarps* kWarp)
    select_kernel(const float* __restrict__ scores, float* __restrict__ weights, int64_t* __restrict__ slots,
                  int64_t batch, int heads, int n, int top_k, int n_pairs, bool softmax, Staircase pairs) {
  __shared__ Entry waiting_of_warp[kSelectWarps][Collector::kCapacity];
  __shared__ Entry best_of_warp[kSelectWarps][2][kListSize];
  __shared__ unsigned char pair_first[staircase_size(kMaxTopK)], pair_second[staircase_size(kMaxTopK)];
  for (int i = threadIdx.x; i < n_pairs; i += blockDim.x) {
    pair_first[i] = pairs.first[i];
    pair_second[i] = pairs.second[i];
  }
  __syncthreads();
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x & 31;
  const int64_t unit = static_cast<int64_t>(blockIdx.x) * kSelectWarps + warp;
  if (unit >= batch * heads) return;
  const int64_t token = unit / heads, head = unit % heads;
  Entry* waiting = waiting_of_warp[warp];
  Entry* first = best_of_warp[warp][0];
  Entry* second = best_of_warp[warp][1];
  top_of_row(scores + (head * 2 * batch + token) * n, n, top_k, waiting, first);
  top_of_row(scores + ((head * 2 + 1) * batch + token) * n, n, top_k, waiting, second);

  // Each rectangle of i by ceil(k / i) pairs holds k sums, all at least its last corner.
  float bound = -INFINITY;
  for (int i = lane; i < top_k; i += kWarp)
    bound = fmaxf(bound, first[i].score + second[(top_k + i) / (i + 1) - 1].score);
  bound = warp_max(bound);
  Collector collector(waiting);
  for (int q = 0; q < n_pairs; q += kWarp) {
    const bool exists = q + lane < n_pairs;
    const Entry a = first[exists ? pair_first[q + lane] : 0], b = second[exists ? pair_second[q + lane] : 0];
    const Entry sum = {a.score + b.score, a.id * n + b.id};
    collector.offer(sum, exists && sum.score >= bound);
  }
  collector.finish();

  const Entry best[2] = {shown(collector.list[0]), shown(collector.list[1])};
  float weight[2] = {best[0].score, best[1].score};
  if (softmax) {
    const float peak = __shfl_sync(kAllLanes, best[0].score, 0);
#pragma unroll
    for (int r = 0; r < 2; r++) weight[r] = r * kWarp + lane < top_k ? expf(best[r].score - peak) : 0.0f;
    const float total = warp_sum(weight[0] + weight[1]);
#pragma unroll
    for (int r = 0; r < 2; r++) weight[r] /= total;
  }
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const int place = r * kWarp + lane;
    if (place >= top_k) continue;
    weights[unit * top_k + place] = weight[r];
    slots[unit * top_k + place] = best[r].id;
  }
}

// ---- bag ----------------------------------------------------------------------------------------------------------

constexpr int kBagStage = 128;     // slots of a token that wait in shared memory
constexpr int kBagTokens = 8;      // tokens of a block, at most
constexpr int kBagThreads = 256;   // threads of a block, at most
constexpr int kRowsInFlight = 8;

// Threads (x, y): thread x owns sixteen bytes of the columns of token y. Eight rows are in flight per thread. A slot
// out of range makes its token NaN instead of reading beyond the table.
template <class T>
__global__ void __launch_bounds__(kBagThreads)
    bag_kernel(const T* __restrict__ values, const int64_t* __restrict__ slots, const int32_t* __restrict__ row_of_slot,
               const float* __restrict__ weights, T* __restrict__ out, int64_t batch, int bag, int d, int64_t n_slots) {
  constexpr int kWidth = kPerLoad<T>;
  __shared__ int rows[kBagTokens][kBagStage];
  __shared__ float shares[kBagTokens][kBagStage];
  const int64_t token = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const int column = (blockIdx.y * blockDim.x + threadIdx.x) * kWidth;
  float total[kWidth];
#pragma unroll
  for (int i = 0; i < kWidth; i++) total[i] = 0.0f;

  for (int stage = 0; stage < bag; stage += kBagStage) {
    const int count = bag - stage < kBagStage ? bag - stage : kBagStage;
    __syncthreads();
    if (token < batch) {
      for (int j = threadIdx.x; j < count; j += blockDim.x) {
        const int64_t at = token * bag + stage + j, slot = slots[at];
        const bool in_range = slot >= 0 && slot < n_slots;
        rows[threadIdx.y][j] = !in_range ? 0 : row_of_slot ? row_of_slot[slot] : static_cast<int>(slot);
        shares[threadIdx.y][j] = in_range ? weights[at] : NAN;
      }
    }
    __syncthreads();
    if (token >= batch || column >= d) continue;
    for (int j = 0; j < count; j += kRowsInFlight) {
      uint4 packed[kRowsInFlight];
#pragma unroll
      for (int u = 0; u < kRowsInFlight; u++) {
        const int row = j + u < count ? rows[threadIdx.y][j + u] : -1;
        packed[u] = row >= 0 ? load_once(values + static_cast<int64_t>(row) * d + column) : uint4{0, 0, 0, 0};
      }
#pragma unroll
      for (int u = 0; u < kRowsInFlight; u++) {
        if (j + u >= count || rows[threadIdx.y][j + u] < 0) continue;
        const float share = shares[threadIdx.y][j + u];
        float x[kWidth];
        widen<T>(packed[u], x);
#pragma unroll
        for (int i = 0; i < kWidth; i++) total[i] = fmaf(share, x[i], total[i]);
      }
    }
  }
  if (token < batch && column < d) store(out + token * d + column, total);
}

// ---- backward -----------------------------------------------------------------------------------------------------

constexpr int kBackwardWarps = 4;
constexpr int kTileLoads = 4;  // sixteen-byte loads of a lane for one row: 1,024 columns of bf16

// One warp per touched row. `positions` are grouped by row: segment u is positions[starts[u] .. starts[u + 1]), and
// rows[u] its row. The row is read once, its gradient row written once, and nothing is added atomically, so results
// are the same in every run. Two positions are under way at a time.
template <class T, bool kNeedWeights>
__global__ void __launch_bounds__(kBackwardWarps* kWarp)
    backward_kernel(const T* __restrict__ values, const T* __restrict__ grad, const float* __restrict__ weights,
                    const int64_t* __restrict__ rows, const int* __restrict__ starts,
                    const int* __restrict__ positions, T* __restrict__ grad_rows, float* __restrict__ grad_weights,
                    int64_t segments, int bag, int d) {
  constexpr int kWidth = kPerLoad<T>;
  constexpr int kTile = kTileLoads * kWarp * kWidth;
  const int lane = threadIdx.x & 31;
  const int64_t segment = static_cast<int64_t>(blockIdx.x) * kBackwardWarps + threadIdx.x / kWarp;
  if (segment >= segments) return;
  const int begin = starts[segment], end = starts[segment + 1];
  const T* row = values + rows[segment] * d;

  for (int tile = 0; tile < d; tile += kTile) {
    uint4 stored[kTileLoads];
    float total[kTileLoads][kWidth];
#pragma unroll
    for (int t = 0; t < kTileLoads; t++) {
      const int column = tile + (t * kWarp + lane) * kWidth;
      stored[t] = kNeedWeights && column < d ? load_once(row + column) : uint4{0, 0, 0, 0};
#pragma unroll
      for (int i = 0; i < kWidth; i++) total[t][i] = 0.0f;
    }
    for (int p = begin; p < end; p += 2) {
      const int pair[2] = {positions[p], p + 1 < end ? positions[p + 1] : -1};
      uint4 packed[2][kTileLoads];
#pragma unroll
      for (int u = 0; u < 2; u++) {
        const T* token = grad + static_cast<int64_t>(pair[u] < 0 ? 0 : pair[u] / bag) * d;
#pragma unroll
        for (int t = 0; t < kTileLoads; t++) {
          const int column = tile + (t * kWarp + lane) * kWidth;
          packed[u][t] = pair[u] >= 0 && column < d ? *reinterpret_cast<const uint4*>(token + column)
                                                     : uint4{0, 0, 0, 0};
        }
      }
#pragma unroll
      for (int u = 0; u < 2; u++) {
        const float share = pair[u] < 0 ? 0.0f : weights[pair[u]];
        float product = 0.0f;
#pragma unroll
        for (int t = 0; t < kTileLoads; t++) {
          float g[kWidth], v[kWidth];
          widen<T>(packed[u][t], g);
          if (kNeedWeights) widen<T>(stored[t], v);
#pragma unroll
          for (int i = 0; i < kWidth; i++) {
            total[t][i] = fmaf(share, g[i], total[t][i]);
            if (kNeedWeights) product = fmaf(g[i], v[i], product);
          }
        }
        if (kNeedWeights) {
          product = warp_sum(product);
          // Later tiles add to what the same warp wrote before: a position belongs to one warp alone.
          if (lane == 0 && pair[u] >= 0) grad_weights[pair[u]] = tile == 0 ? product : grad_weights[pair[u]] + product;
        }
      }
    }
    if (grad_rows != nullptr) {
#pragma unroll
      for (int t = 0; t < kTileLoads; t++) {
        const int column = tile + (t * kWarp + lane) * kWidth;
        if (column < d) store(grad_rows + segment * d + column, total[t]);
      }
    }
  }
}

// ---- grouping a small batch ---------------------------------------------------------------------------------------

constexpr int kGroupMost = 8192;     // positions that one block sorts: 64 KiB of shared memory
constexpr int kGroupThreads = 1024;

// Sorts the positions of a small batch by row in one launch, in place of a general sort and a search for unique rows.
// Writes positions[0 .. kept), starts[0 .. segments], rows[0 .. segments) and counts = {segments, kept}.
// `size` is the power of two that holds `count` positions, at least blockDim.x; `keys` is shared memory for it.
static __global__ void __launch_bounds__(kGroupThreads)
    group_kernel(const int64_t* __restrict__ slots, const int32_t* __restrict__ row_of_slot, int count, int size,
                 int64_t n_slots, int64_t* __restrict__ rows, int* __restrict__ starts, int* __restrict__ positions,
                 int* __restrict__ counts) {
  PKM_DYNAMIC_SHARED(uint64_t, keys);
  __shared__ int totals[kGroupThreads];
  constexpr uint64_t kAbsent = ~uint64_t{0};
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    int64_t row = -1;
    if (i < count && slots[i] >= 0 && slots[i] < n_slots) row = row_of_slot ? row_of_slot[slots[i]] : slots[i];
    keys[i] = row < 0 ? kAbsent : static_cast<uint64_t>(row) << 32 | static_cast<uint32_t>(i);
  }
  for (int run = 2; run <= size; run *= 2) {
    for (int stride = run / 2; stride > 0; stride /= 2) {
      __syncthreads();
      for (int pair = threadIdx.x; pair < size / 2; pair += blockDim.x) {
        const int low = 2 * pair - (pair & (stride - 1)), high = low + stride;
        const uint64_t a = keys[low], b = keys[high];
        if ((a > b) == ((low & run) == 0)) {
          keys[low] = b;
          keys[high] = a;
        }
      }
    }
  }
  __syncthreads();
  // Each thread counts the first positions of segments in its stretch; a scan over the threads numbers them.
  const int stretch = size / blockDim.x, begin = threadIdx.x * stretch;
  int mine = 0;
  for (int i = begin; i < begin + stretch; i++)
    mine += keys[i] != kAbsent && (i == 0 || keys[i] >> 32 != keys[i - 1] >> 32);
  totals[threadIdx.x] = mine;
  __syncthreads();
  for (int step = 1; step < static_cast<int>(blockDim.x); step *= 2) {
    const int before = static_cast<int>(threadIdx.x) >= step ? totals[threadIdx.x - step] : 0;
    __syncthreads();
    totals[threadIdx.x] += before;
    __syncthreads();
  }
  int segment = totals[threadIdx.x] - mine;
  for (int i = begin; i < begin + stretch; i++) {
    if (keys[i] == kAbsent) continue;
    positions[i] = static_cast<int>(keys[i] & 0xffffffffu);
    if (i == 0 || keys[i] >> 32 != keys[i - 1] >> 32) {
      starts[segment] = i;
      rows[segment++] = static_cast<int64_t>(keys[i] >> 32);
    }
    if (i + 1 == size || keys[i + 1] == kAbsent) {
      starts[segment] = i + 1;
      counts[0] = segment;
      counts[1] = i + 1;
    }
  }
  if (threadIdx.x == 0 && keys[0] == kAbsent) starts[0] = counts[0] = counts[1] = 0;
}

}  // namespace pkm

// The shape of each launch, shared by the GPU and by the emulator, so that tests run the blocks that a GPU would.
#pragma once
#include "cuda_kernels.cuh"

namespace pkm {

struct Shape {
  int64_t blocks_x;
  int blocks_y, threads_x, threads_y;
};

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

inline Shape select_shape(int64_t batch, int64_t heads) {
  return {ceil_div(batch * heads, kSelectWarps), 1, kSelectWarps * kWarp, 1};
}

// Narrow rows share a block, so that even 64 columns fill warps.
template <class T>
Shape bag_shape(int64_t batch, int64_t d) {
  const int loads = static_cast<int>(d / kPerLoad<T>);
  const int across = loads < kBagThreads ? loads : kBagThreads;
  int tokens = 128 / across;
  if (tokens < 1) tokens = 1;
  if (tokens > kBagTokens) tokens = kBagTokens;
  return {ceil_div(batch, tokens), static_cast<int>(ceil_div(loads, across)), across, tokens};
}

inline Shape backward_shape(int64_t segments) {
  return {ceil_div(segments, kBackwardWarps), 1, kBackwardWarps * kWarp, 1};
}

// The power of two that holds `count` positions.
inline int group_size(int64_t count) {
  int size = kWarp;
  while (size < count) size *= 2;
  return size;
}

inline Shape group_shape(int size) { return {1, 1, size < kGroupThreads ? size : kGroupThreads, 1}; }

}  // namespace pkm

// What the CPU kernels take and return, and the instruction levels they are compiled for; knows no tensor.
#pragma once
#include <cstdint>

namespace pkm {

// queries (batch, heads, 2, d_key) and keys (heads, 2, n_keys, d_key) -> weights and slots (batch, heads, top_k).
struct AddressTask {
  const void* queries;
  const void* keys;
  float* weights;
  int64_t* slots;
  int64_t batch, heads, n_keys, d_key, top_k;
  bool softmax;
};

// Queries scored together, so that a panel of keys is read from the nearest cache. A unit of work is one head of one
// tile, numbered head * tiles + tile.
constexpr int64_t kQueryTile = 16;
inline int64_t address_tiles(const AddressTask& task) { return (task.batch + kQueryTile - 1) / kQueryTile; }

// values (n_rows, d), slots and weights (batch, bag) -> out (batch, d). `row_of_slot` is null when a slot is its row.
struct BagTask {
  const void* values;
  const int64_t* slots;
  const int32_t* row_of_slot;
  const float* weights;
  void* out;
  int64_t bag, d;
};

// A position is row << 32 | index into (batch * bag); `positions` are sorted, and segment u of equal rows is
// positions[starts[u] .. starts[u + 1]).
struct BackwardTask {
  const void* values;
  const void* grad;
  const float* weights;
  const uint64_t* positions;
  const int64_t* starts;
  void* grad_rows;      // (segments, d)
  float* grad_weights;  // (batch, bag), or null when nobody asked
  int64_t bag, d;
};

struct TypedKernels {
  void (*address)(const AddressTask&, int64_t first_unit, int64_t last_unit);
  void (*bag)(const BagTask&, int64_t first_token, int64_t last_token);
  void (*backward)(const BackwardTask&, int64_t first_segment, int64_t last_segment);
  void (*weight_backward)(const BackwardTask&, int64_t first_position, int64_t last_position);
};

struct Level {
  const char* name;
  TypedKernels float32, bfloat16, float16;
};

extern const Level kPortable;
#ifdef PKM_X86
extern const Level kAvx2;
extern const Level kAvx512;
extern const Level kAvx512Bf16;
#endif

}  // namespace pkm

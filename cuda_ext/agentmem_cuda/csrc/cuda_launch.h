// How the binding asks for a kernel: plain pointers and sizes, no CUDA header and no torch. Each call returns null or
// what CUDA said.
#pragma once
#include <cstdint>

namespace pkm {

enum class Stored { kFloat32, kBfloat16, kFloat16 };

const char* launch_select(const float* scores, float* weights, int64_t* slots, int64_t batch, int64_t heads,
                          int64_t n_keys, int64_t top_k, bool softmax, void* stream);

const char* launch_bag(Stored type, const void* values, const int64_t* slots, const int32_t* row_of_slot,
                       const float* weights, void* out, int64_t batch, int64_t bag, int64_t d, int64_t n_slots,
                       void* stream);

// grad_rows or grad_weights may be null: then it is not computed.
const char* launch_backward(Stored type, const void* values, const void* grad, const float* weights,
                            const int64_t* rows, const int* starts, const int* positions, void* grad_rows,
                            float* grad_weights, int64_t segments, int64_t bag, int64_t d, void* stream);

const char* launch_group(const int64_t* slots, const int32_t* row_of_slot, int64_t count, int64_t n_slots,
                         int64_t* rows, int* starts, int* positions, int* counts, void* stream);

}  // namespace pkm

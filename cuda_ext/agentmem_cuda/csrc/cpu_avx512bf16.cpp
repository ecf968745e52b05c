// The same kernels over AVX-512 registers with bf16 products (compiled with -mavx512bf16 as well).
#include "vector_avx512.h"
#include "cpu_kernels.h"
const pkm::Level pkm::kAvx512Bf16 = pkm::level("avx512bf16");

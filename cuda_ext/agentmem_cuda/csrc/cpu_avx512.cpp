// The same kernels over AVX-512 registers (compiled with -mavx512f -mavx512bw -mavx512dq -mavx512vl).
#include "vector_avx512.h"
#include "cpu_kernels.h"
const pkm::Level pkm::kAvx512 = pkm::level("avx512");

// The CPU kernels in the compiler's own vectors, for any processor.
#include "vector_portable.h"
#include "cpu_kernels.h"
const pkm::Level pkm::kPortable = pkm::level("portable");

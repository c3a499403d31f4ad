// All operations on the device as one C++ file for the host: see backend.cuh.
#include "cuda/device.cu"

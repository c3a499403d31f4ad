// All operations on the device as one C++ file for the host: see backend.cuh.
#include "cuda/cloud.cu"
#include "cuda/device.cu"
#include "cuda/graphs.cu"
#include "cuda/links.cu"
#include "cuda/neighbors.cu"
#include "cuda/pairwise.cu"
#include "cuda/preparation.cu"
#include "cuda/tiles.cu"

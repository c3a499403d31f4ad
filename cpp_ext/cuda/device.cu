#include "cuda/backend.cuh"

namespace topo_interp::cuda {

#ifdef TOPO_INTERP_EMULATED

int device_count() { return 2; }
std::string why_no_device() { return ""; }
void use_device(int device) { emulated::current = device; }
DeviceInfo device_info(int) { return {"emulation on the host", 0, 0, emulated::limit, free_device_bytes()}; }
std::int64_t free_device_bytes() { return emulated::limit - emulated::used; }
std::string architectures() { return "none: the device code runs on the host, for tests"; }

#else

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    (void)cudaGetLastError();
    return 0;
  }
  return count;
}

std::string why_no_device() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  (void)cudaGetLastError();
  if (status == cudaSuccess) return count ? "" : "the driver lists no device";
  int version = 0;
  if (cudaDriverGetVersion(&version) == cudaSuccess && version == 0) return "driver not found";
  (void)cudaGetLastError();
  return cudaGetErrorString(status);
}

void use_device(int device) { check(cudaSetDevice(device), "cudaSetDevice"); }

DeviceInfo device_info(int device) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return {properties.name, properties.major, properties.minor, static_cast<std::int64_t>(properties.totalGlobalMem),
          free_device_bytes()};
}

std::int64_t free_device_bytes() {
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return static_cast<std::int64_t>(free);
}

std::string architectures() { return TOPO_INTERP_CUDA_ARCHITECTURES; }

#endif

}  // namespace topo_interp::cuda

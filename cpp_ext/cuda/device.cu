#include "cuda/backend.cuh"

namespace topo_interp::cuda {

#ifdef TOPO_INTERP_EMULATED

int device_count() { return 1; }
std::string why_no_device() { return ""; }
DeviceInfo device_info(int) { return {"emulation on the host", 0, 0, emulated::limit, emulated::limit - emulated::used}; }
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

DeviceInfo device_info(int device) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  const DeviceGuard guard(device);
  return {properties.name, properties.major, properties.minor, static_cast<std::int64_t>(properties.totalGlobalMem),
          free_device_bytes()};
}

std::string architectures() { return TOPO_INTERP_CUDA_ARCHITECTURES; }

#endif

}  // namespace topo_interp::cuda

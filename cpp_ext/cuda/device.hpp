// What the host side knows of a device; plain C++, included by the bindings and by the code for the device alike.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

namespace topo_interp::cuda {

// Thrown when an allocation on the device, or the least that an operation can do with, is more than there is.
struct OutOfMemory : std::runtime_error {
  OutOfMemory(std::int64_t needed, std::int64_t there)
      : std::runtime_error("out of device memory"), asked(needed), free(there) {}
  std::int64_t asked, free;  // bytes
};

// Thrown when the host has not the memory through which rows and panels come and go.
struct HostOutOfMemory : std::runtime_error {
  explicit HostOutOfMemory(std::int64_t needed) : std::runtime_error("out of host memory"), asked(needed) {}
  std::int64_t asked;  // bytes
};

// Anything else that the CUDA runtime reports.
struct DeviceFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Where an operation runs: which device, and the stream (a cudaStream_t) that its work is ordered on; null is the legacy
// default stream. Operations return when their work is done.
struct Execution {
  int device = 0;
  void* stream = nullptr;
};

struct DeviceInfo {
  std::string name;
  int major, minor;            // compute capability
  std::int64_t memory, free;   // bytes
};

// Devices that this process can use; 0 without a driver, and then `why_no_device` says what is missing.
int device_count();
std::string why_no_device();

// Makes a device the current one of this thread, which all operations expect of theirs. Nothing sets it back: that would open a
// context on device 0, and work runs on a thread that ends with it (bind_points.hpp, run_on_device).
void use_device(int device);

DeviceInfo device_info(int device);  // of the current one
std::int64_t free_device_bytes();    // that an allocation on the current one could have now

// "sm_80, sm_90, compute_90", or that this is the emulation.
std::string architectures();

}  // namespace topo_interp::cuda

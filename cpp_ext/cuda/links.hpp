// The links of all edges, scanned on the device; the reduction is rips/links.hpp's links_of_scan.
#pragma once
#include <cstdint>

#include "cuda/device.hpp"
#include "interrupt.hpp"
#include "rips/links.hpp"

namespace topo_interp::cuda {

struct LinkScanOptions {
  float threshold = 0;
  int threads = 1;  // of the host, for the first guesses
  // Sizes that change no result; small ones try in tests what only large inputs do else.
  std::int64_t least_batch = 8192;
  std::int64_t batch_share = 64;         // a batch is at most this part of the edges before it
  std::int64_t found_room = 1 << 20;
};

struct LinkScanResult {
  FoundLinks found;
  std::uint64_t settled = 0, resolved = 0;  // edges by what decided them: a star, or growing the components
  std::int64_t bytes = 0;                   // of device memory, at the most
  // Distances to the device, edges in order, first guesses, links, witnesses to the host.
  double seconds[5] = {0, 0, 0, 0, 0};
};

// Bytes of device memory for n points of which `edges` pairs enter, without the matrix itself.
std::int64_t link_scan_bytes(std::uint64_t n, std::uint64_t edges);

// Of a matrix on the host. One witness per edge, by condensed index; an edge that is longer than the cut gets some mark. The
// 16-bit form takes n <= Narrow::vertex_limit.
LinkScanResult scan_links(const Execution& on, const Condensed& matrix, const LinkScanOptions& options, std::uint16_t* witness,
                          Control& control);
LinkScanResult scan_links(const Execution& on, const Condensed& matrix, const LinkScanOptions& options, std::uint32_t* witness,
                          Control& control);

}  // namespace topo_interp::cuda

// Binding of the link scan on the device: check, release the GIL, call, wrap.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "bind_control.hpp"
#include "cuda/links.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace topo_interp;

nb::object numbers(std::vector<std::uint32_t>&& values, std::size_t columns) {
  auto* const kept = new std::vector<std::uint32_t>(std::move(values));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<std::uint32_t>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, std::uint32_t>(kept->data(), {kept->size() / columns, columns}, owner));
}

// `condensed` lies on the host or on the device; `witness` on the host.
template <class Witness>
nb::dict links_scan(nb::ndarray<const float, nb::ndim<1>, nb::c_contig> condensed, std::uint64_t n, double threshold,
                    nb::ndarray<Witness, nb::ndim<1>, nb::c_contig, nb::device::cpu> witness, int threads, int device,
                    std::uintptr_t stream, nb::object progress, std::int64_t least_batch, std::int64_t batch_share,
                    std::int64_t found_room) {
  require_aligned(condensed, witness);
  constexpr std::uint64_t most = sizeof(Witness) == 2 ? Narrow::vertex_limit : Wide::vertex_limit;
  if (n < 2 || n > most || condensed.shape(0) != n * (n - 1) / 2 || witness.shape(0) != condensed.shape(0)) {
    throw nb::value_error("the condensed matrix of n >= 2 points has n (n - 1) / 2 entries, and as many witnesses of 16 bits, or of "
                          "32 for more than 65534 points");
  }
  if (threads < 1) throw nb::value_error("threads is at least 1");
  if (least_batch < 1 || least_batch > 1 << 30 || batch_share < 1 || found_room < 1) throw nb::value_error("a batch has an edge and room");
  if (device < 0 || device >= cuda::device_count()) throw nb::value_error("no such device");
  cuda::LinkScanOptions options{};
  options.threshold = static_cast<float>(threshold);
  if (static_cast<double>(options.threshold) > threshold) options.threshold = std::nextafter(options.threshold, -1.0f);
  options.threads = std::min(threads, most_threads);
  options.least_batch = least_batch;
  options.batch_share = batch_share;
  options.found_room = found_room;
  const bool on_device = condensed.device_type() == nb::device::cuda::value;
  cuda::LinkScanResult result;
  run_interruptible(progress, [&](Control& control) {
    result = cuda::scan_links({device, reinterpret_cast<void*>(stream)}, condensed.data(), on_device, n, options, witness.data(), control);
  });
  std::vector<std::uint32_t> empty, squares;
  empty.reserve(2 * result.found.empty.size());
  squares.reserve(4 * result.found.squares.size());
  for (const EdgeEnds& edge : result.found.empty) empty.insert(empty.end(), {edge.i, edge.j});
  for (const FoundSquare& square : result.found.squares) {
    squares.insert(squares.end(), {square.edge.i, square.edge.j, square.main, square.other});
  }
  nb::dict out;
  out["empty"] = numbers(std::move(empty), 2);
  out["squares"] = numbers(std::move(squares), 4);
  out["cut"] = result.found.cut;
  out["complete"] = result.found.complete;
  out["edges"] = result.found.edges;
  out["settled"] = result.settled;
  out["resolved"] = result.resolved;
  out["bytes"] = result.bytes;
  out["seconds"] = nb::make_tuple(result.seconds[0], result.seconds[1], result.seconds[2], result.seconds[3], result.seconds[4]);
  return out;
}

template <class Witness>
void def_links_scan(nb::module_& m) {
  m.def("links_scan", &links_scan<Witness>, "condensed"_a.noconvert(), "n"_a, "threshold"_a, "witness"_a.noconvert(), "threads"_a = 1,
        "device"_a = 0, "stream"_a = 0, "progress"_a.none() = nb::none(), "least_batch"_a = cuda::LinkScanOptions{}.least_batch,
        "batch_share"_a = cuda::LinkScanOptions{}.batch_share, "found_room"_a = cuda::LinkScanOptions{}.found_room);
}

}  // namespace

void bind_device_links(nb::module_& m) {
  def_links_scan<std::uint16_t>(m);
  def_links_scan<std::uint32_t>(m);
  m.def("link_scan_bytes", &cuda::link_scan_bytes, "n"_a, "edges"_a,
        "Bytes of device memory that a scan of the links of so many edges takes beside the distances.");
}

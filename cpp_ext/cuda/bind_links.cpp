// Binding of the link scan on the device: check, release the GIL, call, wrap.
#include <utility>

#include "at_most.hpp"
#include "cuda/bind_points.hpp"
#include "cuda/links.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace topo_interp;

template <class Witness>
nb::dict links_scan(nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu> condensed, std::uint64_t n,
                    double threshold, nb::ndarray<Witness, nb::ndim<1>, nb::c_contig, nb::device::cpu> witness, int threads, int device,
                    std::uintptr_t stream, nb::object progress, std::int64_t least_batch, std::int64_t batch_share,
                    std::int64_t found_room) {
  require_aligned(condensed, witness);
  constexpr std::uint64_t most = sizeof(Witness) == 2 ? Narrow::vertex_limit : Wide::vertex_limit;
  require(n >= 2 && n <= most && condensed.shape(0) == n * (n - 1) / 2 && witness.shape(0) == condensed.shape(0),
          "the condensed matrix of n >= 2 points has n (n - 1) / 2 entries, and as many witnesses of 16 bits, or of 32 for more than "
          "65534 points");
  require(least_batch >= 1 && least_batch <= 1 << 30 && batch_share >= 1 && found_room >= 1, "a batch has an edge and room");
  const cuda::Execution on = cuda::execution(device, stream);
  cuda::LinkScanOptions options{};
  options.threshold = at_most<float>(threshold);
  options.threads = thread_count(threads);
  options.least_batch = least_batch;
  options.batch_share = batch_share;
  options.found_room = found_room;
  cuda::LinkScanResult result;
  cuda::run_on_device(on, std::move(progress), [&](Control& control) {
    result = cuda::scan_links(on, {condensed.data(), n}, options, witness.data(), control);
  });
  const std::size_t empty = result.found.empty.size(), squares = result.found.squares.size();
  nb::dict out;
  out["empty"] = to_numpy<EdgeEnds, std::uint32_t>(std::move(result.found.empty), {empty, 2});
  out["squares"] = to_numpy<FoundSquare, std::uint32_t>(std::move(result.found.squares), {squares, 4});
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

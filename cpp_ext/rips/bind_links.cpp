// Bindings of exact persistence from edge links: check, release the GIL, call, wrap.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cmath>

#include "bind_control.hpp"
#include "rips/links.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace topo_interp;
using CondensedArray = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Read-only arrays that keep the result alive.
template <class T>
auto view(const LinksResult& self, const T* data, std::size_t count) {
  return nb::ndarray<nb::numpy, const T>(data, {count}, nb::find(self));
}
auto edge_view(const LinksResult& self, const std::vector<EdgeEnds>& edges) {
  const auto* data = reinterpret_cast<const std::uint32_t*>(edges.data());
  return nb::ndarray<nb::numpy, const std::uint32_t>(data, {edges.size(), 2}, nb::find(self));
}

LinksResult links_rips(CondensedArray condensed, std::uint64_t n, double threshold, std::uint32_t field, int threads,
                       nb::object progress, int max_dim, int isa, bool wide) {
  if (n > 0 && (n > 4294967294u || condensed.shape(0) != n * (n - 1) / 2)) {
    throw nb::value_error("the condensed matrix of n points has n (n - 1) / 2 entries");
  }
  if (threads < 1) throw nb::value_error("threads is at least 1");
  LinksOptions options;
  options.threshold = static_cast<float>(threshold);
  // The largest float that is not above the threshold: rounding must let no longer edge in.
  if (static_cast<double>(options.threshold) > threshold) options.threshold = std::nextafter(options.threshold, -1.0f);
  options.field = field;
  options.threads = std::min(threads, most_threads);
  options.isa = isa < 0 ? best_isa() : std::min(best_isa(), static_cast<Isa>(isa));
  options.wide = wide;
  options.max_dim = max_dim;
  LinksResult result;
  const Condensed matrix{condensed.data(), n};
  run_interruptible(progress, [&](Control& control) { result = links_of_matrix(matrix, options, control); });
  return result;
}

}  // namespace

void bind_links(nb::module_& m) {
  nb::class_<LinksResult>(m, "LinksResult", "Bars of degree 0 and 1 with what their cycles and cocycles are read from.")
      .def_ro("n", &LinksResult::n)
      .def_ro("field", &LinksResult::field)
      .def_ro("cut", &LinksResult::cut)
      .def_ro("complete", &LinksResult::complete)
      .def_ro("edges", &LinksResult::edges)
      .def_prop_ro("merge_edges", [](const LinksResult& r) { return edge_view(r, r.merge_edges); })
      .def_prop_ro("merge_lengths", [](const LinksResult& r) { return view(r, r.merge_lengths.data(), r.merge_lengths.size()); })
      .def_prop_ro("birth_edges", [](const LinksResult& r) { return edge_view(r, r.birth_edges); })
      .def_prop_ro("birth_lengths", [](const LinksResult& r) { return view(r, r.birth_lengths.data(), r.birth_lengths.size()); })
      .def_prop_ro("death_edges", [](const LinksResult& r) { return edge_view(r, r.death_edges); })
      .def_prop_ro("death_lengths", [](const LinksResult& r) { return view(r, r.death_lengths.data(), r.death_lengths.size()); })
      .def_prop_ro("relation_pivots", [](const LinksResult& r) { return view(r, r.relation_pivots.data(), r.relation_pivots.size()); })
      .def_prop_ro("relation_start", [](const LinksResult& r) { return view(r, r.relations.start.data(), r.relations.start.size()); })
      .def_prop_ro("relation_rows", [](const LinksResult& r) { return view(r, r.relations.rows.data(), r.relations.rows.size()); })
      .def_prop_ro("relation_values", [](const LinksResult& r) { return view(r, r.relations.values.data(), r.relations.values.size()); })
      .def_prop_ro("counts", [](const LinksResult& r) {
        nb::dict out;
        out["edges"] = r.edges;
        out["cones"] = r.scan.cones;
        out["attached"] = r.scan.attached;
        out["exact"] = r.scan.exact;
        out["rows"] = r.scan.rows;
        out["columns"] = r.reduce.columns;
        out["zero_columns"] = r.reduce.zero;
        out["expanded"] = r.reduce.expanded;
        out["additions"] = r.reduce.additions;
        out["added"] = r.reduce.added;
        out["seconds"] = nb::make_tuple(r.seconds[0], r.seconds[1], r.seconds[2], r.seconds[3]);
        return out;
      });
  m.def("links_rips", &links_rips, "condensed"_a.noconvert(), "n"_a, "threshold"_a, "field"_a = 2, "threads"_a = 1,
        "progress"_a.none() = nb::none(), "max_dim"_a = 1, "isa"_a = -1, "wide"_a = false);
}

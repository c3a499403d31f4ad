// All links of a complete graph, in batches of the order of its edges.
#pragma once
#include "interrupt.hpp"
#include "rips/edge_order.hpp"
#include "rips/link_scan.hpp"
#include "rips/links.hpp"

namespace topo_interp {

// What it found, in order; a witness per edge goes to `witness`, by condensed index. Not whole when the control asks to stop.
template <class Format>
ScanFound scan_all(const Condensed& matrix, const SortedEdges<Format>& sorted, const Guides& guides,
                   typename Format::Witness* witness, const LinksOptions& options, Control& control);

}  // namespace topo_interp

// What the dense and the sparse form share after the scan: the relations among the births.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "forest.hpp"
#include "interrupt.hpp"
#include "rips/links.hpp"
#include "rips/reduce.hpp"

namespace topo_interp {

// An edge with a further component of its link, and how many loops had been opened before it.
struct Death {
  EdgeEnds edge;
  Vertex main, other;
  std::uint64_t births;
};

template <class Graph>
void reduce(const Graph& graph, const std::vector<Death>& deaths, LinksResult& result, Control& control) {
  const Field field(result.field);
  Expander<Graph> expander(graph, field);
  PivotColumn column(result.birth_edges.size(), field);
  std::vector<std::uint32_t> owner(result.birth_edges.size(), none);
  Columns& relations = result.relations;
  ReduceCounts& counts = result.reduce;
  const std::uint32_t minus = field.negate(1);
  control.done = 0;
  control.total = static_cast<std::int64_t>(deaths.size());
  for (const Death& death : deaths) {
    if (control.stopped()) return;
    control.done.fetch_add(1);
    if (death.births == relations.size()) continue;  // no loop is open: the column would be reduced to zero
    ++counts.columns;
    const auto [i, j] = death.edge;
    expander.start();
    expander.push(i, death.main, 1);
    expander.push(death.main, j, 1);
    expander.push(i, death.other, minus);
    expander.push(death.other, j, minus);
    expander.expand([&](std::uint32_t row, std::uint32_t value) { column.add(row, value); }, counts.expanded);
    std::uint32_t pivot;
    while ((pivot = column.pivot()) != none && owner[pivot] != none) {
      if (control.stopped()) return;
      const std::uint64_t first = relations.start[owner[pivot]], last = relations.start[owner[pivot] + 1];
      const std::uint32_t factor = field.negate(column.value(pivot));  // stored pivots are one
      ++counts.additions;
      counts.added += last - first;
      for (std::uint64_t k = first; k < last; ++k) {
        column.add(relations.rows[k], field.p() == 2 ? 1 : field.times(factor, relations.values[k]));
      }
    }
    if (pivot == none) {
      ++counts.zero;
      continue;
    }
    owner[pivot] = static_cast<std::uint32_t>(relations.size());
    result.relation_pivots.push_back(pivot);
    const std::uint32_t scale = field.inverse(column.value(pivot));
    column.drain([&](std::uint32_t row, std::uint32_t value) {
      relations.rows.push_back(row);
      if (field.p() != 2) relations.values.push_back(field.times(scale, value));
    });
    relations.start.push_back(relations.rows.size());
    result.death_edges.push_back(death.edge);
  }
}

}  // namespace topo_interp

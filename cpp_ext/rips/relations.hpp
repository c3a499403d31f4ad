// What the dense and the sparse form share after the scan: the relations among the births.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "forest.hpp"
#include "interrupt.hpp"
#include "parallel.hpp"
#include "rips/links.hpp"
#include "rips/reduce.hpp"

namespace topo_interp {

// An edge with a further component of its link, and how many loops had been opened before it.
struct Death {
  EdgeEnds edge;
  Vertex main, other;
  std::uint64_t births;
};

// The columns are written in the birth edges a window at a time, by all threads, and reduced one after the other. The order of the
// deaths alone decides what is written and counted.
template <class Graph>
void reduce(const Graph& graph, const std::vector<Death>& deaths, int threads, LinksResult& result, Control& control) {
  struct alignas(64) Written {  // on cache lines of its own, as a thread writes to it all the time
    const Death* death;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> entries;
    std::uint64_t expanded;
  };
  const Field field(result.field);
  Crew crew(deaths.size() < 256 ? 1 : threads), alone(1);  // starting a thread takes longer than so few columns
  struct alignas(64) Writer {
    Expander<Graph> expander;
  };
  std::vector<Writer> writers(static_cast<std::size_t>(crew.threads()), Writer{Expander<Graph>(graph, field)});
  std::vector<Written> window(128);
  PivotColumn column(result.birth_edges.size(), field);
  std::vector<std::uint32_t> owner(result.birth_edges.size(), none);
  Columns& relations = result.relations;
  ReduceCounts& counts = result.reduce;
  const std::uint32_t minus = field.negate(1);
  control.done = 0;
  control.total = static_cast<std::int64_t>(deaths.size());
  const auto write = [&](Expander<Graph>& expander, Written& out) {
    const Death& death = *out.death;
    const auto [i, j] = death.edge;
    out.entries.clear();
    out.expanded = 0;
    expander.start();
    expander.push(i, death.main, 1);
    expander.push(death.main, j, 1);
    expander.push(i, death.other, minus);
    expander.push(death.other, j, minus);
    expander.expand([&](std::uint32_t row, std::uint32_t value) { out.entries.emplace_back(row, value); }, out.expanded);
  };
  for (auto next = deaths.begin(); next != deaths.end();) {
    // Where no loop is open the column would be reduced to zero. A column ends at most one loop: a death joins the window when
    // a loop is open at it whatever the columns before it in the window end.
    std::size_t held = 0;
    for (; next != deaths.end() && held < window.size(); ++next) {
      const std::uint64_t open = next->births - relations.size();
      if (open > held) {
        window[held++].death = &*next;
      } else if (held != 0) {
        break;
      } else {
        control.done.fetch_add(1);
      }
    }
    parallel_for(held < 8 ? alone : crew, static_cast<std::int64_t>(held), control, [&](std::int64_t at, int thread) {
      write(writers[static_cast<std::size_t>(thread)].expander, window[static_cast<std::size_t>(at)]);
    });
    for (std::size_t at = 0; at < held; ++at) {
      if (control.stopped()) return;
      control.done.fetch_add(1);
      ++counts.columns;
      counts.expanded += window[at].expanded;
      for (const auto& [row, value] : window[at].entries) column.add(row, value);
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
      result.death_edges.push_back(window[at].death->edge);
    }
  }
}

}  // namespace topo_interp

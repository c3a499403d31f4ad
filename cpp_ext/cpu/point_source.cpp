#include "cpu/point_source.hpp"

namespace topo_interp {

template class PointSource<float>;
template class PointSource<double>;

}  // namespace topo_interp

"""What shape are these activations, is that shape real, and does the network use it?"""

from topo_interp import metrics as metrics
from topo_interp import shapes as shapes
from topo_interp._errors import BudgetError as BudgetError
from topo_interp._errors import InputError as InputError
from topo_interp._errors import MissingEngineError as MissingEngineError
from topo_interp._errors import SealError as SealError
from topo_interp._errors import TopoInterpError as TopoInterpError
from topo_interp._native import build_info as build_info
from topo_interp.activations.store import ActivationStore as ActivationStore
from topo_interp.activations.store import open_store as open_store
from topo_interp.activations.store import store_from_arrays as store_from_arrays
from topo_interp.certificate import Certificate as Certificate
from topo_interp.certificate import Status as Status
from topo_interp.certificate import Term as Term
from topo_interp.geometry.distance_matrix import DistanceMatrix as DistanceMatrix
from topo_interp.geometry.distances import pairwise_distances as pairwise_distances
from topo_interp.geometry.steps import Step as Step
from topo_interp.geometry.steps import centered as centered
from topo_interp.geometry.steps import drop_top_coordinates as drop_top_coordinates
from topo_interp.geometry.steps import normalized as normalized
from topo_interp.geometry.steps import pca as pca
from topo_interp.geometry.steps import standardized as standardized
from topo_interp.homology.diagrams import Diagrams as Diagrams
from topo_interp.homology.diagrams import same_bars as same_bars
from topo_interp.homology.rips import Rips as Rips
from topo_interp.metrics import Metric as Metric
from topo_interp.point_cloud import PointCloud as PointCloud
from topo_interp.profile import Profile as Profile
from topo_interp.profile import profile as profile
from topo_interp.summaries._base import Summary as Summary
from topo_interp.summaries._base import Vectorization as Vectorization
from topo_interp.summaries.baselines import baselines as baselines
from topo_interp.summaries.curves import betti_curve as betti_curve
from topo_interp.summaries.curves import landscape as landscape
from topo_interp.summaries.curves import persistence_image as persistence_image
from topo_interp.summaries.curves import silhouette as silhouette
from topo_interp.summaries.scalars import amplitude as amplitude
from topo_interp.summaries.scalars import count_bars as count_bars
from topo_interp.summaries.scalars import max_persistence as max_persistence
from topo_interp.summaries.scalars import persistence_entropy as persistence_entropy
from topo_interp.summaries.scalars import total_persistence as total_persistence

__version__ = "0.1.0"

"""What tests of captures share."""

import topo_interp as ti


def capture(model, inputs, sites="*", **options):
    """All rows, in silence, unless said otherwise."""
    return ti.capture(model, inputs, sites, **({"rows": ti.every_row(), "progress": False} | options))


def array(tensor):
    return tensor.detach().numpy()

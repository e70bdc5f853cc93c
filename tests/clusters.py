"""A Ray cluster of several nodes on this machine."""

from contextlib import contextmanager


@contextmanager
def start_cluster():
    """Two nodes of one core each, and a head without any; ``add_node`` and ``remove_node``."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=1)
    yield made
    made.shutdown()

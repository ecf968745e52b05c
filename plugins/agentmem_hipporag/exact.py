"""The same walk to its end, by power iteration over the whole matrix: the oracle of the tests."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from agentmem_hipporag.edges import Entries, Floats, Ints
from agentmem_hipporag.push import Terrain


def transition_matrix(terrain: Terrain) -> sp.csr_matrix:
    """(n, n), column-stochastic where a node has an entry to follow: column u tells where mass at u goes."""
    n = len(terrain.gain)
    entries = Entries.none()
    for segment in terrain.segments:
        entries = entries.joined(segment.entries())
    weight = terrain.gain[entries.target].astype(np.float64) * terrain.table[entries.code]
    if terrain.live is not None:
        weight = weight * terrain.live[entries.via]
    matrix = sp.csr_matrix((weight, (entries.target, entries.row)), shape=(n, n))
    total = np.asarray(matrix.sum(axis=0)).ravel()
    inverse = np.divide(1.0, total, out=np.zeros(n), where=total > 0)
    done: sp.csr_matrix = (matrix @ sp.diags(inverse)).tocsr()
    return done


def power_iteration(matrix: sp.csr_matrix, seeds: Ints, mass: Floats, *, damping: float, rounds: int = 60) -> Floats:
    """(n,), sums to 1: the stopping distribution of the walk that `push` approximates, beginning anew at dead ends."""
    n = matrix.shape[0]
    waiting = np.zeros(n)
    waiting[seeds] = mass
    score = np.zeros(n)
    for _ in range(rounds):
        score += (1 - damping) * waiting
        waiting = damping * (matrix @ waiting)
    final: Floats = score / score.sum()
    return final

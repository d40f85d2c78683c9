"""How often a secret comes out of many drawn answers."""


def leak_at_k(n: int, c: int, k: int) -> float:
    """Chance that at least one of k of n drawn answers leaks, of which c do: 1 − C(n − c, k) / C(n, k).

    In [0, 1], up is worse; without bias for any n ≥ k, since it is averaged over all ways to take k of the n (the
    estimator of pass@k, Chen et al. 2021; leak@k, arXiv 2511.04934). k = 1 gives c / n. The binomials are a product
    of k ratios, so that no n overflows. Raises ValueError unless 0 ≤ c ≤ n and 1 ≤ k ≤ n.

    >>> leak_at_k(4, 1, 1), leak_at_k(4, 1, 2), leak_at_k(4, 3, 2)
    (0.25, 0.5, 1.0)
    """
    if not 0 <= c <= n or not 1 <= k <= n:
        raise ValueError(f"{c} of {n} answers leak, {k} are taken")
    silent = 1.0
    for taken in range(k):
        silent *= max(n - c - taken, 0) / (n - taken)
    return 1.0 - silent

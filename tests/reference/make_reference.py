"""Makes matrices-{1,2}.safetensors and weightwatcher-0.7.7.json: the oracle table for the spectral core.

Needs: numpy, torch, safetensors, weightwatcher==0.7.7, powerlaw==1.5 (unpinned powerlaw 2 breaks weightwatcher).
Run with OPENBLAS_NUM_THREADS=1. Every matrix is float32; the table was computed from those float32 values in float64.
"""
import json, logging, math, os, warnings
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1"); os.environ.setdefault("MPLBACKEND", "Agg")
import numpy as np, torch
from safetensors.numpy import save_file
warnings.filterwarnings("ignore")
import weightwatcher as ww
logging.disable(logging.WARNING)

rng = np.random.default_rng(20261124)
def gauss(n, m, s=1.0): return rng.standard_normal((n, m)) * s
def orth(n, k): return np.linalg.qr(rng.standard_normal((n, k)))[0]
def with_spectrum(n, m, sv):
    k = len(sv); return (orth(n, k) * sv) @ orth(m, k).T
def pareto(n, m, alpha):
    """Eigenvalues lambda ~ Pareto with density exponent alpha on the whole spectrum."""
    k = min(n, m); lam = (1 - rng.random(k)) ** (-1 / (alpha - 1)); return with_spectrum(n, m, np.sqrt(np.sort(lam)[::-1]))
def spiked(n, m, k):
    w = gauss(n, m) / math.sqrt(m); return w + with_spectrum(n, m, np.linspace(8, 3, k))

M = {
    "gaussian_256x256": gauss(256, 256) / 16,
    "gaussian_128x512": gauss(128, 512) / math.sqrt(512),
    "pareto_alpha2.2_300x400": pareto(300, 400, 2.2),
    "pareto_alpha3.5_200x800": pareto(200, 800, 3.5),
    "pareto_alpha5_256x256": pareto(256, 256, 5.0),
    "bulk_and_tail_192x768": gauss(192, 768) * 0.02 + pareto(192, 768, 3.0) * 0.5,
    "spikes20_256x384": spiked(256, 384, 20),
    "rank60_100x200": (rng.standard_normal((100, 60)) @ rng.standard_normal((60, 200))) / 60,
    "trap_mean_256x512": gauss(256, 512) + 0.15,
    "student_t2.5_256x256": rng.standard_t(2.5, (256, 256)) / 16,
    "small_16x24": pareto(16, 24, 2.5),
    "tiny_9x12": pareto(9, 12, 2.5),
    "scaled_1e-3_pareto_200x300": None,
    "pareto_alpha2.8_200x300": pareto(200, 300, 2.8),
    "zeros_64x64": np.zeros((64, 64)),
    "conv_32x16x3x3": gauss(32, 16 * 9).reshape(32, 16, 3, 3) * 0.1,
}
M["scaled_1e-3_pareto_200x300"] = M["pareto_alpha2.8_200x300"] * 1e-3
M = {k: v.astype(np.float32) for k, v in M.items()}
base = M["bulk_and_tail_192x768"]
M["pair.base_192x768"] = base
M["pair.tuned_lowrank_192x768"] = (base + 0.05 * with_spectrum(192, 768, np.linspace(1.0, 0.2, 8)) * np.linalg.norm(base) / 4).astype(np.float32)
M["pair.tuned_dense_192x768"] = (base + 0.01 * gauss(192, 768) * np.linalg.norm(base) / math.sqrt(base.size)).astype(np.float32)
stored = {k: np.ascontiguousarray(v) for k, v in M.items() if k != "pair.base_192x768"}  # that one is bulk_and_tail_192x768
names = sorted(stored); total = sum(v.nbytes for v in stored.values()); parts = ({}, {})
for name in names:  # two files, so that none is large
    part = parts[0] if sum(v.nbytes for v in parts[0].values()) + stored[name].nbytes <= total / 2 + 2e5 else parts[1]
    part[name] = stored[name]
for number, part in enumerate(parts, 1): save_file(part, f"matrices-{number}.safetensors")

def clean(row):
    out = {}
    for k, v in row.items():
        if isinstance(v, (np.floating, float)): out[k] = float(v) if math.isfinite(v) else str(v)
        elif isinstance(v, (np.integer, int, np.bool_, bool)): out[k] = int(v)
        else: out[k] = str(v)
    return out
def exact(W):
    """Values that do not depend on WeightWatcher: float64 SVD, log-space ERG cut."""
    if W.ndim != 2: return {}
    sv = np.linalg.svd(W.astype(np.float64), compute_uv=False); lam = sv ** 2
    if lam.sum() == 0: return {"frobenius": 0.0}
    r = np.sort(lam * len(lam) / lam.sum())[::-1]; r = r[r > 0]
    c = np.cumsum(np.log(r)); neg = np.nonzero(c < 0)[0]
    p = lam / lam.sum(); p = p[p > 0]
    return {"frobenius": float(np.sqrt(lam.sum())), "spectral": float(sv[0]), "stable_rank": float(lam.sum() / lam[0]),
            "effective_rank": float(np.exp(-(p * np.log(p)).sum())), "erg_count": int(neg[0] + 1) if len(neg) else int(len(r)),
            "singular_values_top8": [float(x) for x in sv[:8]], "singular_value_median": float(np.median(sv))}
table = {}
for name, W in M.items():
    np.random.seed(0)
    w = ww.WeightWatcher(model={"layer.weight": torch.from_numpy(W)})
    try: d = w.analyze(mp_fit=True, randomize=True, detX=True)
    except Exception as e: d = None; table[name] = {"shape": list(W.shape), "weightwatcher": f"raised {type(e).__name__}", "exact": exact(W)}; continue
    table[name] = {"shape": list(W.shape), "weightwatcher": clean(d.iloc[0].to_dict()) if len(d) else "layer dropped", "exact": exact(W)}
for t in ("pair.tuned_lowrank_192x768", "pair.tuned_dense_192x768"):
    b = {"layer.weight": torch.from_numpy(M["pair.base_192x768"])}; m = {"layer.weight": torch.from_numpy(M[t])}
    d = ww.WeightWatcher(model=m, base_model=b).analyze(detX=True); table[t + " - base"] = {"weightwatcher": clean(d.iloc[0].to_dict()), "exact": exact(M[t] - M["pair.base_192x768"])}
json.dump(table, open("weightwatcher-0.7.7.json", "w"), indent=1, sort_keys=True)

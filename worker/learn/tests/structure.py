"""Writes structure.json, what tests/structure.rs holds this crate to: `python structure.py > structure.json`.

Needs numpy and scikit-learn (made with 1.9.1). The data sets are those of classifiers.json, without their targets. Where
starts are random, figures are the mean of five seeds.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

SEEDS = range(5)
CLUSTERS = {"digits": 10}


def components(x):
    pca = PCA(n_components=3, svd_solver="full").fit(x)
    largest = np.abs(pca.components_).argmax(axis=1)
    signs = np.sign(pca.components_[np.arange(3), largest])
    return {
        "directions": (pca.components_ * signs[:, None]).tolist(),
        "variances": pca.explained_variance_.tolist(),
        "ratios": pca.explained_variance_ratio_.tolist(),
    }


def centres(x, clusters):
    fits = [KMeans(clusters, n_init=3, random_state=seed).fit(x) for seed in SEEDS]
    return {
        "clusters": clusters,
        "inertia": float(np.mean([fit.inertia_ for fit in fits]) / len(x)),
        "silhouette": float(np.mean([silhouette_score(x, fit.labels_) for fit in fits])),
    }


def mixture(x, clusters, kind):
    fits = [GaussianMixture(clusters, covariance_type=kind, random_state=seed).fit(x) for seed in SEEDS]
    return {
        "clusters": clusters,
        "diagonal": kind == "diag",
        "log_likelihood": float(np.mean([fit.score(x) for fit in fits])),
    }


def isolation(x, y):
    scores = np.array([-IsolationForest(random_state=seed).fit(x).score_samples(x) for seed in SEEDS])
    found = {"scores": scores.mean(0).round(6).tolist()}
    if len(set(y)) == 2:
        # Malignant tumours are class 0.
        found["auc"] = float(np.mean([roc_auc_score(y == 0, own) for own in scores]))
    return found


def figures(case):
    x, y = np.array(case["columns"]).T, np.array(case["target"])
    z = StandardScaler().fit_transform(x)
    z = z[:, z.std(0) > 0]
    clusters = CLUSTERS.get(case["name"], 3)
    kind = "diag" if case["name"] == "digits" else "full"
    return {
        "name": case["name"],
        "components": components(x),
        "standardised_components": {k: v for k, v in components(z).items() if k != "directions"},
        "centres": centres(x, clusters),
        "standardised_centres": centres(z, clusters),
        "mixture": mixture(z, clusters, kind),
        "isolation": isolation(x, y),
    }


def main():
    cases = json.loads(Path(__file__).with_name("classifiers.json").read_text())["cases"]
    print(json.dumps({"scikit-learn": sklearn.__version__, "cases": [figures(case) for case in cases]}))


main()

"""Writes reference.json, the fits that tests/reference.rs holds this crate to: `python reference.py > reference.json`.

Needs numpy and scikit-learn (made with 1.9.1). Data sets are drawn with a fixed seed, or come with scikit-learn.
"""

import json

import numpy as np
import sklearn
from sklearn import datasets
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge, TweedieRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def plain(rng, rows, width):
    x = rng.normal(size=(rows, width)) * 10.0 ** rng.integers(-2, 3, width)
    return x, x @ rng.normal(size=width) + 3 + rng.normal(size=rows)


def correlated(rng, rows, width):
    x = rng.normal(size=(rows, width)) + 2 * rng.normal(size=(rows, 1)) + 50
    return x, x @ rng.normal(size=width) + rng.normal(size=rows)


def one_hot_with_constant(rng, rows, width):
    groups = rng.integers(0, width - 2, rows)
    dummies = np.eye(width - 2)[groups]
    x = np.column_stack([rng.uniform(0, 24, rows), np.full(rows, 7.1), dummies])
    return x, 0.3 * x[:, 0] + groups + rng.normal(size=rows)


def dependent(rng, rows, width):
    x = rng.normal(size=(rows, width))
    x[:, -1] = 2 * x[:, 0] - x[:, 1] + 5
    return x, x[:, 0] + rng.normal(size=rows)


def wider_than_long(rng, rows, width):
    x = rng.normal(size=(rows, width))
    return x, x[:, 0] - x[:, 1] + 0.1 * rng.normal(size=rows)


def counts(rng, rows, width):
    x = rng.normal(size=(rows, width))
    return x, rng.poisson(np.exp(0.4 * x[:, 0] - 0.3 * x[:, 1])).astype(float)


def diabetes(rng, rows, width):
    return datasets.load_diabetes(return_X_y=True, scaled=False)


def wine(rng, rows, width):
    x, _ = datasets.load_wine(return_X_y=True)
    return x[:, :12], x[:, 12]


def breast_cancer(rng, rows, width):
    x, _ = datasets.load_breast_cancer(return_X_y=True)
    return x[:, [0, 1, 4, 5, 8, 9]], x[:, 3]


def estimators(y):
    yield {"algorithm": "linear"}, LinearRegression()
    for alpha in (0.01, 1.0, 100.0):
        yield {"algorithm": "ridge", "alpha": alpha}, Ridge(alpha=alpha, solver="svd")
    for alpha, l1_ratio in ((0.1, 0.5), (1.0, 0.5), (0.3, 1.0), (0.05, 0.1), (0.5, 0.0)):
        params = {"algorithm": "elastic_net", "alpha": alpha, "l1_ratio": l1_ratio}
        yield params, ElasticNet(alpha=alpha, l1_ratio=l1_ratio, tol=1e-14, max_iter=10_000_000)
    yield {"algorithm": "lasso", "alpha": 0.2}, Lasso(alpha=0.2, tol=1e-14, max_iter=10_000_000)
    for name, power in (("poisson", 1.0), ("gamma", 2.0), ("tweedie", 1.5), ("tweedie", 3.0)):
        if y.min() > 0 or (y.min() == 0 and power < 2):
            for alpha in (0.01, 1.0):
                model = TweedieRegressor(power=power, alpha=alpha, link="log", solver="newton-cholesky", tol=1e-12, max_iter=1000)
                yield {"algorithm": name, "power": power, "alpha": alpha}, model


def fits(x, y):
    for params, estimator in estimators(y):
        if params.get("l1_ratio") == 0.0:
            # Descent stalls there; the same objective in closed form.
            estimator = Ridge(alpha=params["alpha"] * len(y), solver="svd")
        scaler, model = make_pipeline(StandardScaler(), estimator).fit(x, y)
        [(_, scaler), (_, model)] = make_pipeline(scaler, model).steps
        coefficients = model.coef_ / scaler.scale_
        intercept = model.intercept_ - coefficients @ scaler.mean_
        yield {**params, "intercept": float(intercept), "coefficients": coefficients.tolist()}


SHAPES = [(plain, 20, 3), (correlated, 50, 5), (one_hot_with_constant, 40, 6), (dependent, 30, 4), (wider_than_long, 20, 24),
          (counts, 60, 3), (diabetes, 442, 10), (wine, 178, 12), (breast_cancer, 569, 6)]
cases = []
for seed, (make, rows, width) in enumerate(SHAPES):
    x, y = make(np.random.default_rng(seed), rows, width)
    x, y = x.round(6), y.round(6)
    cases.append({"name": make.__name__, "columns": x.T.tolist(), "target": y.tolist(), "fits": list(fits(x, y))})
print(f'{{"scikit-learn": "{sklearn.__version__}", "cases": [' + ",\n".join(json.dumps(case) for case in cases) + "]}")

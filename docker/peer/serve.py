"""One ridge model of scikit-learn behind FastAPI and uvicorn: what docker/transport compares the images with.

python serve.py --train FILE    learns the model, from made-up rows, and writes it
python serve.py                 serves it on port 8000
"""

import sys

import joblib

MODEL = "/srv/model.joblib"
FEATURES = ["dep_delay", "distance", "hour", "month", "day", "weekday"]


def train(file):
    import numpy
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    random = numpy.random.default_rng(0)
    rows = random.normal(size=(10_000, len(FEATURES)))
    targets = rows @ random.normal(size=len(FEATURES)) + random.normal(size=len(rows))
    joblib.dump(make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(rows, targets), file)


def serve():
    import uvicorn
    from fastapi import FastAPI, Request

    model = joblib.load(MODEL)
    app = FastAPI()

    @app.get("/healthz")
    def alive():
        return {"status": "ok"}

    @app.post("/predict")
    async def predict(request: Request):
        rows = (await request.json())["rows"]
        return {"predictions": model.predict([[row[name] for name in FEATURES] for row in rows]).tolist()}

    uvicorn.run(app, host="0.0.0.0", port=8000, log_level="warning")


if __name__ == "__main__":
    train(sys.argv[2]) if sys.argv[1:2] == ["--train"] else serve()

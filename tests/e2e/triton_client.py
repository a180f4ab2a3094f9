"""Asks a gateway by the stock client of the Open Inference Protocol, in all the ways it can send and receive tensors.

`triton_client.py HOST:PORT MODEL ROWS.json`, run by protocol.rs, prints what it got as one JSON value.
"""

import itertools
import json
import sys

import numpy
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

NUMPY = {"BYTES": object, "FP64": "float64", "FP32": "float32", "INT64": "int64"}
# Numbers that every one of these datatypes holds exactly, but for the halves among the delays.
DATATYPES = {"dep_delay": "FP32", "distance": "FP64", "hour": "INT64", "month": "INT64", "day": "FP64"}
OUTPUTS = ("predictions", "scope", "level", "error")


def main():
    address, model, file = sys.argv[1:]
    with open(file) as opened:
        rows = json.load(opened)
    with InferenceServerClient(address) as client:
        told = {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model_ready": client.is_model_ready(model),
            "nothing_ready": client.is_model_ready("nothing"),
            "server": client.get_server_metadata(),
            "model": client.get_model_metadata(model),
            "inferred": inferred(client, model, rows),
            "refused": refused(client, model, rows),
        }
    print(json.dumps(told))


def inferred(client, model, rows):
    """One answer for each way; the version is named in every second one."""
    version = client.get_model_metadata(model)["versions"][0]
    answers = []
    ways = itertools.product((True, False), (True, False, None), (None, "gzip", "deflate"))
    for number, (binary_in, binary_out, packed) in enumerate(ways):
        wanted = None if binary_out is None else [InferRequestedOutput(name, binary_out) for name in OUTPUTS]
        result = client.infer(
            model,
            tensors(rows, binary_in),
            model_version=version if number % 2 else "",
            outputs=wanted,
            request_id=str(number),
            request_compression_algorithm=packed,
        )
        got = {name: as_list(result.as_numpy(name)) for name in OUTPUTS}
        names = [output["name"] for output in result.get_response()["outputs"]]
        answers.append({"id": result.get_response()["id"], "named": wanted is not None, "names": names, **got})
    return answers


def tensors(rows, binary):
    """One column for each field; every second one has a second axis."""
    columns = []
    for number, name in enumerate(rows[0]):
        datatype = DATATYPES.get(name, "BYTES")
        values = numpy.array([row[name] for row in rows], dtype=NUMPY[datatype])
        values = values.reshape(-1, 1) if number % 2 else values
        tensor = InferInput(name, list(values.shape), datatype)
        columns.append(tensor.set_data_from_numpy(values, binary_data=binary))
    return columns


def as_list(values):
    """As JSON has it: texts are no bytes, and a number that is none is null."""
    plain = values.tolist()
    if values.dtype == object:
        return [value.decode() if isinstance(value, bytes) else value for value in plain]
    return [None if value != value else value for value in plain]


def refused(client, model, rows):
    """Status and message of what cannot be answered."""
    good = tensors(rows, True)
    strange = InferInput("carier", [1], "BYTES").set_data_from_numpy(numpy.array(["UA"], dtype=object))
    small = InferInput("dep_delay", [1], "FP16").set_data_from_numpy(numpy.zeros(1, dtype="float16"))
    unknown = [row for row in rows if row["carrier"] == "nobody"]
    asked = {
        "model": ("arival_delay", good, {}),
        "version": (model, good, {"model_version": "9"}),
        "input": (model, [strange], {}),
        "datatype": (model, [small], {}),
        "output": (model, good, {"outputs": [InferRequestedOutput("prediction")]}),
        "channel": (model, good, {"parameters": {"channel": "a.b"}}),
        "no fit": (model, tensors(unknown, False), {}),
    }
    told = {}
    for name, (asked_model, inputs, more) in asked.items():
        try:
            client.infer(asked_model, inputs, **more)
        except InferenceServerException as error:
            told[name] = [error.status(), error.message()]
    return told


main()

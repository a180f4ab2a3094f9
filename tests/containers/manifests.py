"""What cannot be run here: manifests of Kubernetes and ECS against their schemas, and the dashboard's numbers by name.

Needs PyYAML, kubernetes-validate and botocore: pip install --requirement tests/containers/manifests.txt
"""

import json
import re
import sys

import botocore.session
import botocore.validate
import kubernetes_validate
import yaml

from sites import ROOT, Failed, say

KUBERNETES = "1.33"
# Not Kubernetes' own: its schema comes with KEDA.
FOREIGN = {"ScaledObject"}


def main():
    for check in (kubernetes, ecs, numbers):
        say(f"{check.__name__}: {check()} hold")


def kubernetes():
    """Every resource of the base is one of Kubernetes, with no field that it does not know."""
    folder = ROOT / "docker/kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    lost = {file.name for file in folder.glob("*.yaml")} - {"kustomization.yaml", *listed}
    if lost:
        raise Failed(f"kustomization.yaml does not name {', '.join(lost)}")
    checked = 0
    for name in listed:
        for resource in yaml.safe_load_all((folder / name).read_text()):
            if resource["kind"] in FOREIGN:
                continue
            try:
                kubernetes_validate.validate(resource, KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                raise Failed(f"{name}: {resource['kind']} {resource['metadata']['name']}: {error.message}") from error
            checked += 1
    return checked


def ecs():
    """Every task definition is one that RegisterTaskDefinition takes."""
    shape = botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape
    files = sorted((ROOT / "docker/ecs").glob("*.json"))
    for file in files:
        report = botocore.validate.ParamValidator().validate(json.loads(file.read_text()), shape)
        if report.has_errors():
            raise Failed(f"{file.name}: {report.generate_report()}")
    return len(files)


def numbers():
    """Dashboard and alerts ask for numbers that the gateway has."""
    has = set(re.findall(r'"(scopeforge_[a-z_]+)"', (ROOT / "gateway/src/metrics.rs").read_text()))
    has |= {f"{name}_bucket" for name in has}
    asked = set()
    for name in ("dashboards/scopeforge.json", "alerts.yaml"):
        asked |= set(re.findall(r"scopeforge_[a-z_]+", (ROOT / "docker/observe" / name).read_text()))
    if asked - has:
        raise Failed(f"no gateway has {', '.join(asked - has)}")
    return len(asked)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)

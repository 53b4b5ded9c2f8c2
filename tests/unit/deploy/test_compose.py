"""The deployment files are what Docker and Kubernetes expect, and start commands that our CLI knows."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from streamapp.cli.main import app
from streamapp.config.load import load_pipeline
from streamapp.observe.probes import Condition, probe_pages

ROOT = Path(__file__).parents[3]
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
PINNED = re.compile(r"^[\w./-]+:v?\d+\.\d+[\w.-]*$")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def manifests() -> dict[str, dict[str, Any]]:
    documents = [yaml.safe_load(path.read_text()) for path in MANIFESTS]
    return {document["kind"]: document for document in documents}


def parse_command(arguments: list[str]) -> dict[str, Any]:
    """What our command line makes of `arguments`; a wrong option or command raises."""
    command = typer.main.get_group(app).commands[arguments[0]]
    return command.make_context(arguments[0], list(arguments[1:])).params


def strings(node: object) -> Iterator[tuple[str, str]]:
    """Every key with its text value, at any depth."""
    for key, value in node.items() if isinstance(node, dict) else ():
        if isinstance(value, str):
            yield str(key), value
        yield from strings(value)
    for value in node if isinstance(node, list) else ():
        yield from strings(value)


def images(compose: dict[str, Any], manifests: dict[str, dict[str, Any]]) -> list[str]:
    base = re.findall(r"^FROM (\S+)", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    containers = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    return [*base, *(s["image"] for s in compose["services"].values()), *(c["image"] for c in containers)]


def test_the_whole_system_is_there(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"kafka", "topics", "redis", "worker", "prometheus", "grafana"}


def test_every_lasting_service_has_a_health_check(compose: dict[str, Any]) -> None:
    lasting = [name for name, service in compose["services"].items() if service.get("restart") != "no"]
    assert [name for name in lasting if "healthcheck" not in compose["services"][name]] == []


def test_services_wait_for_services_that_exist_and_can_be_waited_for(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            assert wait["condition"] != "service_healthy" or "healthcheck" in services[name]


def test_ports_are_published_on_loopback_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_mounted_folders_of_the_repository_exist(compose: dict[str, Any]) -> None:
    mounts = [volume for service in compose["services"].values() for volume in service.get("volumes", ())]
    ours = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert ours
    assert [folder for folder in ours if not (ROOT / folder).is_dir()] == []


def test_images_are_pinned(compose: dict[str, Any], manifests: dict[str, dict[str, Any]]) -> None:
    assert [image for image in images(compose, manifests) if not PINNED.match(image)] == []


def test_no_secret_is_written_down(compose: dict[str, Any], manifests: dict[str, dict[str, Any]]) -> None:
    found = [*strings(compose), *strings(manifests)]
    secret = re.compile(r"password|secret|token|api_?key", re.IGNORECASE)
    assert [key for key, value in found if secret.search(key) and not value.startswith("${")] == []


def test_the_compose_worker_is_a_command_we_know(compose: dict[str, Any]) -> None:
    worker = parse_command(compose["services"]["worker"]["command"])
    assert worker["pipeline"] == Path("/pipeline/pipeline.yaml")
    assert "kafka.bootstrap.servers=kafka:9092" in worker["overrides"]


def test_the_deployments_worker_is_a_command_we_know(manifests: dict[str, dict[str, Any]]) -> None:
    container = manifests["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    worker = parse_command(container["args"])
    mount = container["volumeMounts"][0]["mountPath"]
    assert worker["pipeline"] == Path(mount) / "pipeline.yaml"


def test_probes_ask_the_pages_that_answer_them(compose: dict[str, Any], manifests: dict[str, dict[str, Any]]) -> None:
    container = manifests["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: get["path"] for name, get in asked.items()} == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert {get["port"] for get in asked.values()} == {container["ports"][0]["name"]}
    port = container["ports"][0]["containerPort"]
    assert f":{port}/readyz" in compose["services"]["worker"]["healthcheck"]["test"][-1]
    assert set(probe_pages(lambda: Condition(True, ""))) == {get["path"] for get in asked.values()}


def test_the_dockerfiles_command_is_one_we_know() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    command = yaml.safe_load(text.split("\nCMD ")[1])
    assert parse_command(command)["pipeline"] == Path("/pipeline/pipeline.yaml")


def test_the_dockerfile_copies_what_exists_and_is_not_ignored() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = [word for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE) for word in line.split()[:-1]]
    assert set(sources) == kept
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_manifests_are_complete(manifests: dict[str, dict[str, Any]]) -> None:
    assert set(manifests) == {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service"}
    for document in manifests.values():
        assert document["apiVersion"]
        assert document["metadata"]["name"].startswith("streamapp")


def test_service_and_budget_select_the_pods(manifests: dict[str, dict[str, Any]]) -> None:
    spec = manifests["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels


def test_the_pod_mounts_the_config_map_and_may_drain(manifests: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    assert pod["volumes"][0]["configMap"]["name"] == manifests["ConfigMap"]["metadata"]["name"]
    file = tmp_path / "pipeline.yaml"
    file.write_text(manifests["ConfigMap"]["data"]["pipeline.yaml"])
    settings = load_pipeline(file, [])
    assert settings.metrics.port == pod["containers"][0]["ports"][0]["containerPort"]
    assert settings.worker.drain_s < pod["terminationGracePeriodSeconds"]


def test_prometheus_scrapes_the_worker_and_loads_rules_that_exist(compose: dict[str, Any]) -> None:
    folder = ROOT / "deploy" / "prometheus"
    config = yaml.safe_load((folder / "prometheus.yaml").read_text())
    assert [name for name in config["rule_files"] if not (folder / name).is_file()] == []
    [target] = config["scrape_configs"][0]["dns_sd_configs"]
    assert target["names"] == ["worker"]
    assert target["port"] == 9108
    assert set(target["names"]) <= set(compose["services"])

"""The zip ships what the functions read, and nothing else of botocore's data and of the packages."""

from __future__ import annotations

import gzip
import io
import json
import py_compile
import re
import zipfile
from pathlib import Path

import botocore
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.regions import EndpointResolver

from infra.deploy import package_pruning
from infra.deploy.package_pruning import ENDPOINT_PREFIXES, SERVICES, prune, select
from tests.deploy.test_bytecode import UNCHECKED_HASH, header

ROOT = Path(__file__).parents[2]
BOTOCORE = Path(botocore.__file__).parent
UNUSED = ("ec2", "sns", "sts")
OLD, NEW = b"WORD = 'old'\n", b"WORD = 'new'\n"


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pruned zip of botocore's data of the services in use and of some others."""
    path = tmp_path_factory.mktemp("zip") / "deployment.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for service in (*SERVICES, *UNUSED):
            for file in sorted((BOTOCORE / "data" / service).rglob("*.*")):
                archive.write(file, file.relative_to(BOTOCORE.parent))
        for file in (BOTOCORE / "data").glob("*.json"):
            archive.write(file, file.relative_to(BOTOCORE.parent))
        archive.writestr("app.py", "app = 1\n")
        archive.writestr("icalendar/tests/test_it.py", "")
    prune(path)
    return path


def without_documentation(model: dict[str, object]) -> object:
    text = json.dumps(model, sort_keys=True)
    return json.loads(
        text, object_pairs_hook=lambda pairs: {k: v for k, v in pairs if (k, type(v)) != ("documentation", str)}
    )


def test_every_service_that_the_code_calls_ships() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    called = set(re.findall(r'AwsClient\(self.aws_session, "([^"]+)"', sources))
    assert called | {"dynamodb"} == SERVICES  # DynamoDB is called through PynamoDB.
    assert re.findall(r"create_client\([\"']|boto3", sources) == ["boto3"]  # A comment says why not.


def test_the_models_that_ship_have_every_operation_and_shape(pruned: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(pruned) as archive:
        archive.extractall(tmp_path)
    ships = Loader(extra_search_paths=[str(tmp_path / "botocore" / "data")], include_default_search_paths=False)
    installed = Loader()
    assert set(ships.list_available_services("service-2")) == SERVICES
    for service in sorted(SERVICES):
        for kind in ("service-2", "endpoint-rule-set-1", "paginators-1"):
            ours, full = (loader.load_service_model(service, kind) for loader in (ships, installed))
            assert without_documentation(ours) == without_documentation(full), (service, kind)
        model = ships.load_service_model(service, "service-2")
        assert model == without_documentation(model)
        assert ServiceModel(model).operation_names


def test_what_every_client_reads_stays(pruned: Path) -> None:
    with zipfile.ZipFile(pruned) as archive:
        names = set(archive.namelist())
    general = {f"botocore/data/{path.name}" for path in (BOTOCORE / "data").glob("*.json")}
    assert "botocore/data/endpoints.json" in general
    assert general | {"app.py"} <= names
    assert not any(f"/{service}/" in name for name in names for service in UNUSED)
    assert not any("examples-1" in name or "/tests/" in name for name in names)


def test_only_the_newest_version_of_a_model_ships() -> None:
    names = [f"botocore/data/dynamodb/{version}/service-2.json.gz" for version in ("2011-12-05", "2012-08-10")]
    assert list(select(names)) == names[1:]


def test_a_member_that_is_named_documentation_stays() -> None:
    model = {"documentation": "A service.", "shapes": {"Api": {"members": {"documentation": {"shape": "Text"}}}}}
    stored = package_pruning._without_documentation(gzip.compress(json.dumps(model).encode()))
    assert json.loads(gzip.decompress(stored)) == {"shapes": {"Api": {"members": {"documentation": {"shape": "Text"}}}}}


def test_pruning_again_changes_nothing(pruned: Path) -> None:
    before = pruned.read_bytes()
    prune(pruned)
    with zipfile.ZipFile(pruned) as again, zipfile.ZipFile(io.BytesIO(before)) as first:
        assert {name: again.read(name) for name in again.namelist()} == {n: first.read(n) for n in first.namelist()}
    assert pruned.read_bytes() == before


def test_every_region_has_the_endpoints_that_botocore_knows(pruned: Path) -> None:
    name = "botocore/data/endpoints.json"
    with zipfile.ZipFile(pruned) as archive:
        ships = json.loads(archive.read(name))
    installed = json.loads((BOTOCORE.parent / name).read_text())
    ours, full = EndpointResolver(ships), EndpointResolver(installed)
    models = [ServiceModel(Loader().load_service_model(service, "service-2")) for service in SERVICES]
    assert {model.endpoint_prefix for model in models} == ENDPOINT_PREFIXES
    regions = [region for partition in installed["partitions"] for region in partition["regions"]]
    assert "eu-central-1" in regions
    for prefix in ENDPOINT_PREFIXES:
        for region in regions:
            assert ours.construct_endpoint(prefix, region) == full.construct_endpoint(prefix, region)


@pytest.mark.parametrize(
    ("source", "flags"), [(OLD, UNCHECKED_HASH), (NEW, header(OLD)[4:8])], ids=["its own source", "another source"]
)
def test_python_uses_bytecode_of_the_source_beside_it_without_a_check(
    source: bytes, flags: bytes, tmp_path: Path
) -> None:
    module, compiled = tmp_path / "module.py", tmp_path / "module.pyc"
    module.write_bytes(OLD)
    py_compile.compile(str(module), str(compiled), invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    path, name = tmp_path / "deployment.zip", "deep/__pycache__/module.cpython-311.pyc"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("deep/module.py", source)
        archive.writestr(name, compiled.read_bytes())
    prune(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.read(name) == header(OLD, flags) + compiled.read_bytes()[16:]

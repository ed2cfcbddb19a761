"""Which engine is installed from where: `ClusterSpec` to `EngineInstall`.

Knows no files: a bundle's archive is described by the caller, who has it on the control machine.
Where a bundle goes has its content's hash in the name, so a new one never overwrites the one that servers run from.
"""

from __future__ import annotations

from shardwright.engines import Engine, engine_of
from shardwright.model.blueprint import BundleSource, EngineInstall, PackageSource
from shardwright.model.bundle import BundleFacts
from shardwright.model.spec import ClusterSpec, Product, ServiceManager

__all__ = ["BundleFacts", "engine_install"]


def engine_install(spec: ClusterSpec, bundle: BundleFacts | None = None) -> EngineInstall:
    """Where the hosts of `spec` get their engine.

    Args:
        spec: names the product and the range of versions.
        bundle: the archive, which a bundled engine needs; ignored for engines from packages.

    Raises:
        ValueError: the engine is bundled and no bundle was given.
    """
    engine = engine_of(spec.engine.product.value)
    if spec.engine.product is not Product.BUNDLED:
        return _from_packages(spec, engine)
    if bundle is None:
        raise ValueError("a bundled engine needs its bundle")
    target = f"{spec.paths.prefix}/{bundle.name}-{bundle.version}-{(bundle.content or bundle.sha256)[:8]}"
    current = f"{spec.paths.prefix}/{spec.name}/current"
    source = BundleSource(bundle.archive, bundle.sha256, target, current, bundle.install_script)
    server = f"{current}/{bundle.server}"
    return EngineInstall(engine.product, spec.engine.version, source, server, notify=bundle.notify)


def _from_packages(spec: ClusterSpec, engine: Engine) -> EngineInstall:
    packages = tuple((family.value, names) for family, names in engine.packages.items())
    source = PackageSource(packages, spec.engine.suite)
    openrc = spec.service_manager is ServiceManager.OPENRC
    named = [unit for names in engine.services.values() for unit in names if unit.endswith(".service") is not openrc]
    units = tuple(dict.fromkeys(named))
    return EngineInstall(engine.product, spec.engine.version, source, f"/usr/bin/{engine.server}", units)

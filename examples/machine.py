"""For these examples only: images like the official ones, made of this machine's programs, so that none is downloaded.

A suite of yours names an image in their place: container("postgres:17", …).
"""

import pytest

from pytest_containers import ImageSpec, image
from tests import databases


@image.define
def postgres(tmp_path_factory: pytest.TempPathFactory) -> ImageSpec:
    made = databases.postgres(tmp_path_factory.mktemp("postgres"))
    return ImageSpec(archive=made.archive, changes=tuple(made.changes))


@image.define
def redis(tmp_path_factory: pytest.TempPathFactory) -> ImageSpec:
    made = databases.redis(tmp_path_factory.mktemp("redis"))
    return ImageSpec(archive=made.archive, changes=tuple(made.changes))

"""The files of an app that are shipped with its functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from persisty import InvalidDeclaration
from persisty.deploy.app_files import app_files

SHOP = {
    "shop/__init__.py": "",
    "shop/app.py": "from . import items\nfrom .pricing.rates import rate\napp = ['shop.actions']\n",
    "shop/items.py": "import shared\n",
    "shop/actions.py": "def run():\n    import shop.reports.daily\n    import_module('shop.plugins.csv')\n",
    "shop/unused.py": "",
    "shop/prices.json": "{}",
    "shop/templates/mail/welcome.html": "",
    "shop/templates/.env": "KEY=1",
    "shop/.env": "KEY=1",
    "shop/.env.production": "KEY=1",
    "shop/prod.env": "KEY=1",
    "shop/signing.pem": "",
    "shop/shop.db": "",
    "shop/requirements.txt": "",
    "shop/conftest.py": "",
    "shop/test_app.py": "",
    "shop/tests/__init__.py": "",
    "shop/tests/test_items.py": "",
    "shop/pricing/__init__.py": "",
    "shop/pricing/rates.py": "",
    "shop/pricing/experiments/__init__.py": "",
    "shop/pricing/experiments/wild.py": "",
    "shop/reports/__init__.py": "",
    "shop/reports/daily.py": "",
    "shop/plugins/csv.py": "",
    "shop/admin/__init__.py": "",
    "shop/admin/app.py": "",
    "shared.py": "import deeper\n",
    "deeper/__init__.py": "from persisty import App\n",
    "other/__init__.py": "",
    "persisty/__init__.py": "",
    "README.md": "",
    ".env": "KEY=1",
}
WANTED = [
    "deeper/__init__.py",
    "shared.py",
    "shop/__init__.py",
    "shop/actions.py",
    "shop/app.py",
    "shop/items.py",
    "shop/plugins/csv.py",
    "shop/prices.json",
    "shop/pricing/__init__.py",
    "shop/pricing/rates.py",
    "shop/reports/__init__.py",
    "shop/reports/daily.py",
    "shop/templates/mail/welcome.html",
    "shop/unused.py",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in SHOP.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_modules_that_are_imported_and_data_next_to_them_are_shipped_and_nothing_else(root: Path) -> None:
    assert list(map(str, app_files(root, ["shop.app"]))) == WANTED


def test_modules_of_actions_and_further_files_are_shipped(root: Path) -> None:
    files = set(map(str, app_files(root, ["shop.app", "shop.admin.app"], ["shop/tests/documents.json"])))
    assert files - set(WANTED) == {"shop/admin/__init__.py", "shop/admin/app.py", "shop/tests/documents.json"}


def test_a_single_module_is_shipped_with_the_modules_that_it_imports(root: Path) -> None:
    (root / "main.py").write_text("import shared\nimport json\n")
    assert list(map(str, app_files(root, ["main"]))) == ["deeper/__init__.py", "main.py", "shared.py"]


def test_a_test_module_that_the_app_imports_is_shipped(root: Path) -> None:
    (root / "shop/items.py").write_text("from .tests import test_items\n")
    assert Path("shop/tests/test_items.py") in app_files(root, ["shop.app"])


def test_an_installed_app_is_shipped_without_the_libraries_next_to_it(root: Path) -> None:
    (root / "shop-1.0.dist-info").mkdir()
    assert list(map(str, app_files(root, ["shop.app"]))) == [name for name in WANTED if name.startswith("shop/")]


def test_an_app_from_elsewhere_is_refused(root: Path) -> None:
    with pytest.raises(InvalidDeclaration, match="is not below"):
        app_files(root, ["press.app"])

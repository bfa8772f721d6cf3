"""Every test gets the app on DynamoDB as moto simulates it, without items."""

from persisty.testing import app_fixture

app = app_fixture("appname.app:app")

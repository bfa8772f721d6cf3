"""Each test gets the app without items: `app` on DynamoDB, as moto simulates it, or `app_on_sqlite`, which also handles the events of triggers, timers and queues."""

from persisty.testing import app_fixture

app = app_fixture("appname.app:app")
app_on_sqlite = app_fixture("appname.app:app", url="sqlite://")

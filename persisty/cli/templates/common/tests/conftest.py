"""Fixtures of the app without items: `app` on DynamoDB, as moto simulates it, and `app_on_sqlite`.

On SQLite, tests can also handle the events of triggers, timers and queues.
"""

from persisty.testing import app_fixture

app = app_fixture("appname.app:app")
app_on_sqlite = app_fixture("appname.app:app", url="sqlite://")

"""A page as Streamlit's own test runner opens it, and what it says."""

from streamlit.testing.v1 import AppTest

from dashboard.app_pages import PAGES
from tests.conftest import PROJECT


def open_page(name: str) -> AppTest:
    app = AppTest.from_file(str(PROJECT / "dashboard/app.py"), default_timeout=30).run()
    return app.switch_page(f"app_pages/{PAGES[name].script}").run()


def texts(app: AppTest) -> str:
    return "\n".join(
        str(element.value)
        for kind in ("title", "markdown", "caption", "error", "warning", "info")
        for element in app.get(kind)
    )


def press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()

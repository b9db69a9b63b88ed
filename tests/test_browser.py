"""The whole path in a real browser: open, train, watch, evaluate, upload, read the verdict."""

import re

import pytest
from playwright.sync_api import expect

from core import runs
from tests.browser import Server, chromium, go, new_page
from tests.helpers import encode, film, wait_for


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path / "server.log")
    yield running
    running.stop()


@pytest.fixture
def page():
    with chromium() as browser:
        yield new_page(browser)


def test_a_visitor_trains_judges_and_asks(server, page, tmp_path):
    page.goto(server.address)
    expect(page.get_by_text("Research demonstration, not a medical device.")).to_be_visible()

    go(page, "Data set")
    expect(page.get_by_text("SYNTHETIC").first).to_be_visible()
    expect(page.get_by_role("img", name="Mean film of class NORMAL")).to_be_attached()
    page.get_by_role("tab", name="Audit").click()
    expect(page.get_by_text("Nothing was found.")).to_be_visible()
    page.get_by_role("tab", name="Gallery").click()
    expect(page.get_by_role("img", name=re.compile("phantom-.*PNEUMONIA")).first).to_be_visible()

    go(page, "Train")
    page.get_by_role("spinbutton", name="Epochs").fill("20")
    page.get_by_role("spinbutton", name="Image size (pixels)").fill("64")
    page.get_by_role("textbox", name="Filters").fill("8, 16, 32")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text(re.compile(r"Epoch \d of 20"))).to_be_visible()
    run = runs.every()[0]
    chart = page.get_by_test_id("stVegaLiteChart").first
    expect(chart).to_be_visible()
    before = chart.screenshot()
    wait_for(lambda: chart.screenshot() != before, bool, 60)

    assert page.errors == []

    # The tab goes, the server goes: the run stays, and the page finds it again.
    server.stop()
    server.start()
    page.goto(server.address)
    page.errors.clear()
    go(page, "Train")
    # In the page: Streamlit's own header has a "Stop" too while a script runs.
    expect(page.get_by_test_id("stMain").get_by_role("button", name="Stop")).to_be_visible()
    expect(page.get_by_role("heading", name=f"Run {run.name}")).to_be_visible()
    wait_for(lambda: run.status.state, lambda state: state == "finished", 120)

    go(page, "Evaluate")
    expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()
    page.get_by_text("Test", exact=True).click()
    page.get_by_role("button", name="Evaluate on the test part").click()
    expect(page.get_by_text(re.compile("Of [0-9]+ pneumonia films? the model found"))).to_be_visible()
    assert "test" in (run.folder / "report.json").read_text()
    matrix = page.get_by_test_id("stVegaLiteChart").first
    size = matrix.bounding_box()
    matrix.click(position={"x": size["width"] * 0.7, "y": size["height"] * 0.7})
    expect(page.get_by_text("those the model is surest of first")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Found"))).to_have_attribute("aria-pressed", "true")

    go(page, "Predict")
    upload = tmp_path / "film.png"
    upload.write_bytes(encode(film(7, "lobar")))
    page.locator("input[type=file]").set_input_files(upload)
    expect(page.get_by_role("heading", name=re.compile("Suggests (pneumonia|normal)"))).to_be_visible()
    expect(page.get_by_role("img", name="The film with where the network looked")).to_be_visible()

    for name in ("Runs", "About", "Overview"):
        go(page, name)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    assert page.errors == []
    log = server.log.read_text()
    assert not re.search("Traceback|Error|Warning", log), log

"""The page in Debian's Chromium, driven by Selenium; `make test-browser` runs it."""

import json
import shutil
import threading
import time
from urllib.parse import urlsplit

import pytest
import uvicorn
from axe_selenium_python import Axe
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from fame.serving.api import make_app

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="no Chromium: apt-get install chromium chromium-driver",
    ),
]
SECONDS = 60
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def address(predictor):
    config = uvicorn.Config(
        make_app(predictor, {"127.0.0.1"}), port=0, access_log=False, log_level="warning"
    )
    listener = config.bind_socket()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{word}")
    folder = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    made.downloads = folder
    yield made
    made.quit()


@pytest.fixture
def page(browser, address):
    browser.set_window_size(1280, 900)
    browser.get(address)
    wait(browser, lambda: find_all(browser, ".draft"))
    yield browser
    problems = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    # A request that the API refuses is told to the user.
    assert [entry for entry in problems if " 422 " not in entry["message"]] == []
    assert list_hosts(browser) <= {urlsplit(address).netloc, ""}


def list_hosts(browser):
    """Hosts of all requests since the last call."""
    hosts = set()
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = urlsplit(message["params"]["request"]["url"])
            if url.scheme in ("http", "https", "ws", "wss"):
                hosts.add(url.netloc)
    return hosts


def wait(browser, condition):
    return WebDriverWait(browser, SECONDS).until(lambda _: condition())


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def find_all(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def write(browser, name, text, draft=0):
    field = find_all(browser, f".draft [name='{name}']")[draft]
    field.clear()
    field.send_keys(text)


def press(browser, selector):
    button = find(browser, selector)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()


def predict(browser):
    press(browser, "#predict")
    wait(browser, lambda: "Working" not in find(browser, "#status").text)


def check_access(browser):
    Axe(browser).inject()
    found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    return [
        (one["id"], one["nodes"][0]["html"])
        for one in found["violations"]
        if one["impact"] in SERIOUS
    ]


def test_a_draft_is_scored_with_its_picture(page, picture, tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture)
    write(page, "title", "A sunset over the sea")
    write(page, "tags", "sunset, sea")
    find(page, "[name=image]").send_keys(str(tmp_path / "a.jpg"))
    wait(page, lambda: find(page, ".preview").is_displayed())
    predict(page)
    assert find(page, "#status").text == "1 draft scored"
    assert float(find(page, ".number").text)
    told = find(page, ".result").text
    assert "80 % of such posts" in told
    assert "New author" in told
    assert "no picture" not in told


def test_the_quality_on_held_out_posts_is_in_view(page):
    assert "simulated posts by" in find(page, "#quality").text
    assert "posts held out: rank correlation" in find(page, "#quality").text


def test_drafts_stand_side_by_side(page):
    write(page, "title", "A cat")
    press(page, ".copy")
    write(page, "title", "A sunset over the sea", 1)
    predict(page)
    one, other = find_all(page, ".draft")
    assert one.location["y"] == other.location["y"]
    rows = find_all(page, "#comparison tr")
    assert len(rows) == 3
    assert "no difference" in find(page, "#comparison").text


def test_a_copy_names_its_picture_and_keeps_its_numbers(page, picture, tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture)
    write(page, "title", "A cat")
    find(page, "[name=image]").send_keys(str(tmp_path / "a.jpg"))
    press(page, ".numbers summary")
    write(page, "number:photo_count", "12.5")
    press(page, ".copy")
    one, other = find_all(page, "[name=image]")
    assert other.get_attribute("value") == one.get_attribute("value")
    assert find_all(page, "[name='number:photo_count']")[1].get_attribute("value") == "12.5"
    predict(page)
    results = [one.text for one in find_all(page, ".result")]
    assert results[0] == results[1]
    assert "no picture" not in results[0]


def test_known_categories_are_offered(page):
    field = find(page, "[name='category:category']")
    values = page.execute_script(
        "return [...arguments[0].list.options].map((option) => option.value)", field
    )
    assert "Animal" in values


def test_a_csv_tells_what_was_left_out(page, tmp_path):
    (tmp_path / "odd.csv").write_text("title,colour\nA cat,red\n")
    find(page, "#csv").send_keys(str(tmp_path / "odd.csv"))
    wait(page, lambda: "1 post scored" in find(page, "#csv-status").text)
    assert "know no such columns: colour" in find(page, "#csv-status").text


def test_reasons_and_other_hours_are_shown(page):
    write(page, "title", "A sunset over the sea")
    write(page, "tags", "sunset, sea")
    page.execute_script("document.querySelector('[name=time]').value = '2016-03-01T12:00'")
    predict(page)
    press(page, ".why")
    wait(page, lambda: "Most similar training posts" in find(page, ".result").text)
    told = find(page, ".result").text
    assert "tag sunset" in told
    assert "all text" in told
    assert "None of these makes a difference beyond the interval." in told
    assert "Start: no post in particular" in told
    press(page, ".hours")
    wait(page, lambda: "22:00" in find(page, ".result").text)


def test_bad_input_is_told(page):
    predict(page)
    assert "has no title, no tags and no picture" in find(page, "#status").text


def test_csv_comes_back_scored(page, tmp_path):
    path = tmp_path / "posts.csv"
    path.write_text("id,title\n1,A cat\n2,The sea\n")
    find(page, "#csv").send_keys(str(path))
    wait(page, lambda: find(page, "#csv-status").text == "2 posts scored")
    press(page, "#csv-result")
    target = page.downloads / "predictions.csv"
    wait(page, lambda: target.exists() and target.stat().st_size)
    assert target.read_text().startswith("id,prediction,low_80")


def test_the_keyboard_is_enough(page):
    page.execute_script("document.activeElement.blur()")
    title = find(page, "[name=title]")
    for _ in range(20):
        if page.switch_to.active_element == title:
            break
        page.switch_to.active_element.send_keys(Keys.TAB)
    assert page.switch_to.active_element == title
    title.send_keys("A cat", Keys.TAB, "pet", Keys.ENTER)
    wait(page, lambda: "1 draft scored" in find(page, "#status").text)


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_is_accessible(page, width, scheme):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    write(page, "title", "A sunset over the sea")
    predict(page)
    press(page, ".why")
    wait(page, lambda: "Most similar training posts" in find(page, ".result").text)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    assert check_access(page) == []
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_reference_is_accessible(page, address):
    page.get(f"{address}/api")
    time.sleep(0.2)
    assert "POST /api/predict" in page.find_element(By.TAG_NAME, "body").text
    assert check_access(page) == []

"""The page in a browser: what is typed, stepped through, switched and moved is what is shown.

What comes in: Chromium, started without a window by Selenium. Skipped with a reason where either is missing.
"""

from __future__ import annotations

import shutil
import time
from urllib.parse import quote

import numpy as np
import pytest
from serving import served

import wengert as wg

webdriver = pytest.importorskip("selenium.webdriver", reason="Selenium is not installed: pip install selenium")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip("no Chromium with its driver is installed: apt-get install chromium chromium-driver", allow_module_level=True)

from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

FLAGS = ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
         "disable-component-update", "disable-sync", "disable-dev-shm-usage")


@pytest.fixture(scope="module")
def page():
    with served(20.0) as page:
        yield page


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('profile')}", "window-size=1600,1000"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


class Browser:
    """The page as a person sees it."""

    def __init__(self, driver, page):
        self.driver, self.page = driver, page

    def open(self, fragment=""):
        self.driver.get("about:blank")
        self.driver.get(self.page.address + fragment)
        return self

    def __call__(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self(selector).text

    def until(self, true):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if (found := true()):
                return found
            time.sleep(0.02)
        raise AssertionError(f"not within 20 seconds; the page shows:\n{self.text('body')}")

    def boxes(self):
        script = "return [...document.querySelectorAll('.node')].map(n => n.getAttribute('aria-label'))"
        return self.driver.execute_script(script)

    def type(self, text):
        area = self("#text")
        area.clear()
        area.send_keys(text)

    def choose(self, title):
        script = """const menu = document.getElementById('examples');
            const found = [...menu.options].find((o) => o.textContent.startsWith(arguments[0]));
            if (!found) return false;
            menu.value = found.value;
            return menu.dispatchEvent(new Event('change'))"""
        self.until(lambda: self.driver.execute_script(script, title))
        self.settle()

    def settle(self):
        """Wait for the answer to what was typed, chosen or moved."""
        self.until(lambda: self("#stage").get_attribute("aria-busy") == "false")

    def lane(self, name):
        self.driver.execute_script(f"document.querySelector('#lanes input[value={name}]').click()")

    def press(self, *keys):
        for key in keys:
            self("body").send_keys(key)


@pytest.fixture
def browser(driver, page):
    yield Browser(driver, page).open()
    said = [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert said == []  # of scripts, and of what the content security policy had to forbid


def result(browser, name):
    script = """const rows = [...document.querySelectorAll('#results dt')];
        return rows.find((row) => row.textContent === arguments[0])?.nextSibling.textContent"""
    found = browser.driver.execute_script(script, name)
    return None if found is None else found.replace("−", "-")


def test_a_formula_is_typed_and_explained(browser):
    browser.until(lambda: any("exp" in box for box in browser.boxes()))
    browser.type("(x + sigmoid(y)) tanh(x)")
    browser.until(lambda: result(browser, "∂f/∂y") is not None)
    for name, number in (("x", "4/2"), ("y", "1")):
        field = browser(f"[aria-label='{name}, as a number']")
        field.clear()
        field.send_keys(number, Keys.ENTER)
    expected = wg.grad(wg.formula("(x + sigmoid(y)) tanh(x)"), argnums=(0, 1))(2.0, 1.0)
    browser.until(lambda: result(browser, "∂f/∂x") == f"{expected[0]:.10g}")
    assert float(result(browser, "∂f/∂y")) == pytest.approx(expected[1], rel=1e-9)


def test_steps_go_forward_and_back(browser):
    browser.choose("x y + sin x")
    browser.until(lambda: len(browser.boxes()) == 5)
    browser.press(Keys.HOME)
    assert browser.text("#place") == "1 / 10 forward"
    assert not any("v̄" in box for box in browser.boxes())
    browser.press(*[Keys.ARROW_RIGHT] * 5)
    assert browser.text("#place") == "6 / 10 backward"
    assert "the derivative of the output" in browser.text("#sentence")
    browser.press(Keys.END)
    sentence = browser.text("#sentence")
    assert "x̄ = cos(x)·v̄₂ + y·v̄₁ = 0.5403 × 1 + 2 × 1 = 2.5403" in sentence
    browser.press(Keys.ARROW_LEFT)
    assert browser.text("#place") == "9 / 10 backward"
    browser("#first").click()
    browser("#play").click()
    browser.until(lambda: browser.text("#place").startswith("2 /"))
    browser.press(" ")
    assert browser("#play").get_attribute("aria-label") == "Play"


def test_the_lanes_share_one_picture(browser):
    browser.choose("x² by differences")
    browser.until(lambda: any("Δ/h = 4.01" in box for box in browser.boxes()))
    assert "error: 0.01" in browser.text("#sentence")
    browser.until(lambda: browser.all("#curve path"))
    places = [box.get_attribute("transform") for box in browser.all(".node")]
    for key, shown in (("1", "v̇₁ = 4"), ("2", "x̄ = 4"), ("3", "v₁′ = 2·x")):
        browser.press(key)
        browser.until(lambda shown=shown: any(shown in box for box in browser.boxes()))
        assert [box.get_attribute("transform") for box in browser.all(".node")] == places
    browser.press("4")
    browser.driver.execute_script(
        "const e = document.getElementById('exponent'); e.value = -15; e.dispatchEvent(new Event('input'))")
    browser.until(lambda: "1e−15" in browser.text("#h") and not any("Δ/h = 4.01" in box for box in browser.boxes()))


def test_the_table_of_ways_is_of_what_is_shown(browser):
    browser.choose("x y + sin x")
    browser("#compare").click()
    browser.until(lambda: "reverse mode" in browser.text("#ways"))
    assert "exact" in browser.text("#ways")
    browser.choose("cos(x)")
    assert browser.text("#ways") == ""


def test_symbols_follow_one_variable(browser):
    browser.choose("(x + σ(y)) tanh x")
    browser.lane("symbolic")
    browser.until(lambda: any("v₄′ = v₃·v₂′ + v₂·v₃′" in box for box in browser.boxes()))
    assert any("y′ = 0" in box for box in browser.boxes())
    browser.until(lambda: "σ" in browser.text("#symbols") or "sigmoid(y)" in browser.text("#symbols"))
    browser.driver.execute_script(
        "const w = document.getElementById('wrt'); w.value = '1'; w.dispatchEvent(new Event('change'))")
    browser.until(lambda: any("v₄′ = v₃·v₂′" in box for box in browser.boxes()) and any("x′ = 0" in b for b in browser.boxes()))


def test_a_mistake_is_shown_at_its_place(browser):
    browser.type("sin(x")
    browser.until(lambda: "never closed" in browser.text("#error") or "Column" in browser.text("#error"))
    assert browser("#text").get_attribute("aria-invalid") == "true"
    browser.type("__import__('os')")
    browser.until(lambda: "Column 12" in browser.text("#error"))
    browser.type("<img src=x onerror=alert(1)>")
    browser.until(lambda: "less(a, b)" in browser.text("#error"))
    assert not browser.all("#error img")
    browser.type("log(x - 2)")
    browser.until(lambda: "is nan" in browser.text("#notes").lower())
    assert browser.text("#error") == ""


def test_a_function_runs_when_told_so(browser):
    browser("#kind label:nth-of-type(2)").click()
    browser.driver.execute_script("""const t = document.getElementById('text');
        t.value = 'def f(x, n=3):\\n    for _ in range(n):\\n        x = x * x\\n    return x\\n';
        t.dispatchEvent(new Event('input'))""")
    assert "Run" in browser.text("#hint")
    browser("#run").click()
    browser.until(lambda: result(browser, "∂f/∂x") == "0.0625")  # 8 x^7 at the point that was there
    browser.driver.execute_script("""const t = document.getElementById('text');
        t.value = 'def f(x):\\n    return x / undefined_name\\n'; t.dispatchEvent(new Event('input'))""")
    browser("#text").send_keys(Keys.CONTROL, Keys.ENTER)
    browser.until(lambda: "Line 2: NameError" in browser.text("#error"))


def test_a_function_that_wants_an_array(browser):
    browser("#kind label:nth-of-type(2)").click()
    browser.driver.execute_script("""const t = document.getElementById('text');
        t.value = 'def f(z):\\n    return np.sum(z[1:] ** 2)\\n'; t.dispatchEvent(new Event('input'))""")
    browser("#run").click()
    browser.until(lambda: "write [1, 2]" in browser.text("#error"))
    field = browser("[aria-label='z, as a number']")
    field.clear()
    field.send_keys("[1, 2, 3]", Keys.ENTER)
    browser.until(lambda: result(browser, "∂f/∂z") == "[0, 4, 6]")
    assert len(browser.all("#sliders input[type=range]")) == 3


def test_a_function_in_the_address_waits_for_the_person(browser):
    kept = '{"kind": "function", "text": "raise ValueError(1)", "lane": "forward", "point": {}}'
    browser.open("#" + quote(kept))
    time.sleep(0.3)
    assert browser.text("#error") == "" and browser.boxes() == []
    browser("#run").click()
    browser.until(lambda: "ValueError" in browser.text("#error"))


def test_a_view_is_kept_in_the_address(browser):
    browser.type("x^3")
    browser.lane("forward")
    browser.until(lambda: any("v₁ = x³" in box for box in browser.boxes()))
    browser.until(lambda: "x%5E3" in browser.driver.current_url and "forward" in browser.driver.current_url)
    browser.open(browser.driver.current_url.removeprefix(browser.page.address))
    browser.until(lambda: any("v̇₁" in box for box in browser.boxes()))
    assert browser("#text").get_attribute("value") == "x^3"


def test_a_step_down_the_gradient(browser):
    browser.choose("backpropagation")
    browser.until(lambda: result(browser, "loss"))
    before = float(result(browser, "loss"))
    for _ in range(2):
        shown = result(browser, "loss")
        browser("#step-down").click()
        browser.until(lambda shown=shown: result(browser, "loss") != shown)
    assert float(result(browser, "loss")) < before
    browser("#step-back").click()
    browser("#step-back").click()
    browser.until(lambda: float(result(browser, "loss")) == before)


def test_a_large_graph_is_folded_searched_and_narrowed(browser):
    browser.choose("a large graph")
    browser.until(lambda: any("turn " in box or "line 4: r = np.sqrt" in box for box in browser.boxes()))
    folded = len(browser.boxes())
    assert folded <= 60
    browser("#graph").send_keys("/")
    browser("#search").send_keys("turn 7 ", Keys.ENTER)
    browser.until(lambda: "found" in browser.text("#found") and "nothing" not in browser.text("#found"))
    browser("#search").send_keys(Keys.ESCAPE)
    browser.driver.execute_script("arguments[0].dispatchEvent(new Event('click'))", browser.all(".node.group")[0])
    browser.until(lambda: len(browser.boxes()) > folded)
    for _ in range(2):  # the line that the current operation is in, then the turn around it
        opened = len(browser.boxes())
        browser.press("-")
        browser.until(lambda opened=opened: len(browser.boxes()) < opened)
    assert len(browser.boxes()) == folded
    browser.type("x y + z")
    browser.driver.execute_script("document.querySelector('#kind input[value=formula]').click()")
    browser.until(lambda: len(browser.boxes()) == 5)
    browser.driver.execute_script(
        "const p = document.getElementById('path'); p.value = '2'; p.dispatchEvent(new Event('change'))")
    browser.until(lambda: len(browser.boxes()) == 2)


@pytest.mark.parametrize("title", ["w₂ log w₁", "a 1/2/1 network", "x² by differences"])
def test_a_phone_scrolls_one_way_only(browser, title):
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                   {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True})
    try:
        browser.open().choose(title)
        wide = "return [document.documentElement.scrollWidth, innerWidth]"
        browser.until(lambda: np.less_equal(*browser.driver.execute_script(wide)))
        buttons = browser.driver.execute_script(
            "return [...document.querySelectorAll('#stepper button')].map((b) => b.getBoundingClientRect().height)")
        assert min(buttons) >= 40
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_everything_has_a_name(browser):
    """Each control and each picture says what it is to who cannot see it; the text is dark or light enough."""
    browser.until(lambda: browser.boxes())
    script = """return [...document.querySelectorAll('button, input, select, textarea')].filter((e) => e.offsetParent
        && !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length)).map((e) => e.outerHTML)"""
    assert browser.driver.execute_script(script) == []
    for scheme in ("light", "dark"):
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                       {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        colors = browser.driver.execute_script("""const style = getComputedStyle(document.documentElement);
            return Object.fromEntries(['card', 'ground', 'ink', 'quiet', 'forward', 'reverse', 'symbolic', 'differences', 'bad']
                .map((n) => [n, style.getPropertyValue('--' + n).trim()]))""")
        for ground in (colors["card"], colors["ground"]):
            for name in ("ink", "quiet", "forward", "reverse", "symbolic", "differences", "bad"):
                assert contrast(colors[name], ground) >= 4.5, (scheme, name)


def contrast(a: str, b: str) -> float:
    """The ratio of the Web Content Accessibility Guidelines (2.2, "contrast ratio"), of two colors #rrggbb."""
    def luminance(color: str) -> float:
        c = np.array([int(color[k:k + 2], 16) for k in (1, 3, 5)]) / 255
        return float(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])
    high, low = sorted([luminance(a), luminance(b)], reverse=True)
    return (high + 0.05) / (low + 0.05)

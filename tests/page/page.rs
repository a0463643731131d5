//! The page, and a user who clicks and types.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::browser::Browser;
use crate::served::Served;

/// Only so that a test that hangs says where.
const HANGS_AFTER: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

const PERSON: &str = include_str!("person.js");
const SHIFT: u8 = 8;

/// A tab in a browser of its own.
pub(crate) struct Page {
    browser: Browser,
    session: String,
}

impl Page {
    /// A browser that shows nothing yet, as wide as a screen.
    pub(crate) async fn blank() -> Self {
        let browser = Browser::start();
        let targets = browser.call(None, "Target.getTargets", json!({ "filter": [{ "type": "page" }] })).await.unwrap();
        let attach = json!({ "targetId": targets["targetInfos"][0]["targetId"], "flatten": true });
        let attached = browser.call(None, "Target.attachToTarget", attach).await.unwrap();
        let page = Self { browser, session: attached["sessionId"].as_str().unwrap().to_owned() };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            page.call(domain, json!({})).await;
        }
        page.resize(1440, 900).await;
        page
    }

    /// The page, signed out.
    pub(crate) async fn unsigned(served: &Served) -> Self {
        let page = Self::blank().await;
        page.go(&served.url).await;
        page
    }

    /// Mover's page, where the bearer of a token is signed in and everything is up to date.
    pub(crate) async fn open(served: &Served, token: &str) -> Self {
        let page = Self::blank().await;
        page.go(&format!("{}/#token={token}", served.url)).await;
        page.shows("#connection", "live").await;
        page.until("orgs are on the map", "document.querySelector('#legend td')").await;
        page
    }

    pub(crate) async fn go(&self, url: &str) {
        self.call("Page.navigate", json!({ "url": url })).await;
        self.until("the page is there", "document.readyState === 'complete' && location.protocol !== 'about:'").await;
    }

    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// `dark` or `light`.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features).await;
    }

    /// What an expression is on the page; nothing if the page is left just then.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        // An arrow function keeps its names to itself.
        let expression = format!("(async () => {{ {PERSON}\nreturn ({expression}); }})()");
        let evaluate = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.browser.call(Some(&self.session), "Runtime.evaluate", evaluate).await;
        let mut answer = match answer {
            Err(error) if error.contains("navigated") || error.contains("context") => return Value::Null,
            answer => answer.unwrap(),
        };
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true on the page.
    pub(crate) async fn until(&self, what: &str, expression: &str) {
        let condition = format!("Boolean({expression})");
        let waiting = async {
            while self.value(&condition).await != true {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(HANGS_AFTER, waiting).await.is_err() {
            let body = self.value("document.body.innerText").await;
            panic!(
                "it never came about that {what}: {expression}\non the page is:\n{}",
                body.as_str().unwrap_or("nothing")
            );
        }
    }

    /// The text that is shown in an element.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.value(&format!("text({})", json!(selector))).await.as_str().unwrap().to_owned()
    }

    /// Waits until an element shows a text.
    pub(crate) async fn shows(&self, selector: &str, text: &str) {
        let shown = format!("text({}).includes({})", json!(selector), json!(text));
        self.until(&format!("{selector} shows {text:?}"), &shown).await;
    }

    /// Waits until nothing of an element is shown.
    pub(crate) async fn hides(&self, selector: &str) {
        self.until(&format!("{selector} is not shown"), &format!("find({}).length === 0", json!(selector))).await;
    }

    /// How many of these elements are shown.
    pub(crate) async fn count(&self, selector: &str) -> u64 {
        self.value(&format!("find({}).length", json!(selector))).await.as_u64().unwrap()
    }

    /// Clicks the first of these elements, as soon as it can be clicked.
    pub(crate) async fn click(&self, selector: &str) {
        self.click_target(&format!("target({})", json!(selector))).await;
    }

    /// Clicks what says exactly this.
    pub(crate) async fn click_named(&self, selector: &str, name: &str) {
        self.click_target(&format!("target({}, {})", json!(selector), json!(name))).await;
    }

    async fn click_target(&self, target: &str) {
        let clicking = async {
            loop {
                let place = self.value(&format!("await {target}")).await;
                if let (Some(x), Some(y)) = (place[0].as_f64(), place[1].as_f64()) {
                    self.click_at(x, y).await;
                    // A click may have led to another page, which does not have this variable.
                    if self.value("window.wasClicked").await != false {
                        return;
                    }
                }
                sleep(LOOK_EVERY).await;
            }
        };
        assert!(timeout(HANGS_AFTER, clicking).await.is_ok(), "it can never be clicked: {target}");
    }

    async fn click_at(&self, x: f64, y: f64) {
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let mouse = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", mouse).await;
        }
    }

    /// Types into a field, instead of what is there.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        self.click(selector).await;
        self.value("document.activeElement.select()").await;
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Gives a command on the command line of the page.
    pub(crate) async fn command(&self, command: &str) {
        self.fill("#command", command).await;
        // One after the other: while a command waits for confirmation, Run does nothing.
        self.until("the one before it was answered", "!document.querySelector('#command-line [aria-busy]')").await;
        self.press("Enter").await;
    }

    pub(crate) async fn press(&self, key: &str) {
        self.press_with(key, 0).await;
    }

    pub(crate) async fn press_shift(&self, key: &str) {
        self.press_with(key, SHIFT).await;
    }

    async fn press_with(&self, key: &str, modifiers: u8) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "End" => 35,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => panic!("what is the code of {key}?"),
        };
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// The accessible name of the focused control, or its id.
    pub(crate) async fn focused(&self) -> String {
        let focus = "document.activeElement.id || document.activeElement.innerText.trim()";
        self.value(focus).await.as_str().unwrap().to_owned()
    }

    /// A picture of the whole page, to be looked at by people.
    pub(crate) async fn picture(&self, name: &str) {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
        std::fs::create_dir_all(&dir).unwrap();
        let mut clip = self.call("Page.getLayoutMetrics", json!({})).await["cssContentSize"].take();
        // The scroll bar is not in it.
        (clip["width"], clip["scale"]) = (self.value("innerWidth").await, 1.into());
        let shot = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": clip })).await;
        let png = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(dir.join(format!("{name}.png")), png).unwrap();
    }

    /// The console has no error and no exception, but for lines with one of these texts.
    pub(crate) fn was_quiet_but(&self, expected: &[&str]) {
        let complaints: Vec<String> = self.browser.events().iter().filter_map(complaint).collect();
        let unexpected = |line: &&String| !expected.iter().any(|text| line.contains(text));
        let unexpected: Vec<_> = complaints.iter().filter(unexpected).collect();
        assert!(unexpected.is_empty(), "the browser complains: {unexpected:#?}");
    }

    pub(crate) fn was_quiet(&self) {
        self.was_quiet_but(&[]);
    }

    async fn call(&self, method: &str, parameters: Value) -> Value {
        self.browser.call(Some(&self.session), method, parameters).await.unwrap()
    }
}

/// What a developer would find in red or yellow in the console.
fn complaint(event: &Value) -> Option<String> {
    let told = &event["params"];
    let complains = match event["method"].as_str()? {
        "Runtime.exceptionThrown" => true,
        "Runtime.consoleAPICalled" => matches!(told["type"].as_str(), Some("error" | "warning" | "assert")),
        "Log.entryAdded" => matches!(told["entry"]["level"].as_str(), Some("error" | "warning")),
        _ => false,
    };
    complains.then(|| told.to_string())
}

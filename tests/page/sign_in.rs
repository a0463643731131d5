//! Signing in and out.

use crate::page::Page;
use crate::served::Served;
use crate::world::ONLINE;

const UNAUTHORIZED: &str = "status of 401";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_token_signs_in_and_out() {
    let served = Served::start(ONLINE).await;
    let page = Page::unsigned(&served).await;
    page.shows("#sign-in", "Sign in to Mover").await;
    assert_eq!(page.focused().await, "token");

    page.fill("#token", "nonsense").await;
    page.press("Enter").await;
    page.shows("#sign-in-problem", "Mover does not know this token").await;
    page.fill("#token", "non sense").await;
    page.press("Enter").await;
    page.shows("#sign-in-problem", "no spaces").await;

    page.fill("#token", &format!(" {} ", served.viewer)).await;
    page.click_named("#sign-in button", "Sign in").await;
    page.hides("#sign-in").await;
    page.shows("#me", "viewer (viewer)").await;
    page.shows("#connection", "live").await;

    page.click("#sign-out").await;
    page.shows("#sign-in", "Sign in to Mover").await;
    page.go(&served.url).await;
    page.shows("#sign-in", "Sign in to Mover").await;
    assert_eq!(page.text("#me").await, "");
    page.was_quiet_but(&[UNAUTHORIZED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_address_is_taken_and_does_not_stay_there() {
    let served = Served::start(ONLINE).await;
    let page = Page::open(&served, &served.operator).await;
    page.shows("#me", "operator (operator)").await;
    let address = page.value("location.href").await;
    assert_eq!(address, format!("{}/", served.url), "a token must not be where it is copied from");
    // Loaded again, the page still knows it.
    page.go(&served.url).await;
    page.shows("#me", "operator (operator)").await;
    page.was_quiet();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_leads_back_to_the_dialog() {
    let served = Served::start(ONLINE).await;
    let page = Page::open(&served, &served.operator).await;
    served.world.mover(&["token", "revoke", "operator"]).await.with_code(0);
    page.command("status").await;
    page.shows("#sign-in-problem", "This token is not valid").await;
    page.fill("#token", &served.viewer).await;
    page.press("Enter").await;
    page.shows("#me", "viewer (viewer)").await;
    page.shows("#connection", "live").await;
    page.was_quiet_but(&[UNAUTHORIZED]);
}

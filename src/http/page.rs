//! The page at `/`: its files are part of the program, so that it needs no network except the one to Mover.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, web};

/// A script's path, kind and contents.
macro_rules! script {
    ($name:literal) => {
        (concat!("/", $name), "text/javascript; charset=utf-8", include_str!(concat!("page/", $name)))
    };
}

/// Path, kind, contents.
const FILES: [(&str, &str, &str); 27] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    script!("api.js"),
    script!("approvals.js"),
    script!("audit.js"),
    script!("campaign.js"),
    script!("cells.js"),
    script!("charts.js"),
    script!("closed.js"),
    script!("commands.js"),
    script!("controls.js"),
    script!("dom.js"),
    script!("drift.js"),
    script!("events.js"),
    script!("failures.js"),
    script!("format.js"),
    script!("health.js"),
    script!("live.js"),
    script!("map.js"),
    script!("org.js"),
    script!("orgs.js"),
    script!("page.js"),
    script!("run.js"),
    script!("session.js"),
    script!("states.js"),
    script!("store.js"),
    script!("tree.js"),
];

/// Everything comes from here: no script, frame or form of another site.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes(app: &mut web::ServiceConfig) {
    for (path, kind, contents) in FILES {
        let file = move || async move {
            HttpResponse::Ok()
                .insert_header((header::CONTENT_TYPE, HeaderValue::from_static(kind)))
                .insert_header((header::CACHE_CONTROL, "no-cache"))
                .body(contents)
        };
        app.route(path, web::get().to(file));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/page")).unwrap().count();
        assert_eq!(files, FILES.len());
    }
}

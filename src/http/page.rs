//! The page at `/`: files that are part of the program, so that it works without any network but the one to Mover.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, web};

/// Path, kind, contents.
const FILES: [(&str, &str, &str); 3] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/api.js", "text/javascript; charset=utf-8", include_str!("page/api.js")),
];

/// Everything comes from here, and nothing else: no other site's script, frame or form.
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
